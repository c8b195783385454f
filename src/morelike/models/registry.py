"""Which models there are: a file per model in this folder, found by its name."""

from collections.abc import Iterable
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType

from morelike.core.settings import Params, Section
from morelike.models.base import ImageModel, ImageSpec, ModelSettings, SynthesisSettings
from morelike.models.errors import ModelError

FOLDER = Path(__file__).resolve().parent


def names() -> list[str]:
    """Return the names of the files here that hold a ``Model``."""
    return sorted(path.stem for path in FOLDER.glob("*.py") if "\nclass Model(" in path.read_text(encoding="utf-8"))


def module_of(name: str) -> ModuleType:
    """Import the file of a model.

    Raises:
        ModelError: there is no such model, or its file cannot be imported.
    """
    place = f"src/morelike/models/{name}.py"
    if name not in names() or find_spec(f"morelike.models.{name}") is None:
        raise ModelError(
            f"no model named {name!r}: expected {place} with a class Model; there are {', '.join(names())}"
        )
    try:
        return import_module(f"morelike.models.{name}")
    except ImportError as error:
        raise ModelError(f"{place} cannot be imported: {error}; install what it needs, or mend the import") from error


def create(name: str, spec: ImageSpec, settings: ModelSettings, base: ImageModel | None = None) -> ImageModel:
    """Build the model of ``morelike/models/NAME.py`` with random weights, on a trained ``base`` if it needs one.

    Raises:
        ModelError: there is no such model, or it needs a base and got none, or the other way round.
    """
    kind: type[ImageModel] = module_of(name).Model
    if kind.needs_base != (base is not None):
        wanted = "expected the trained model that it builds on (train.base), got none"
        raise ModelError(f"{name}: {wanted if kind.needs_base else 'it builds on no other model, and got one'}")
    return kind(spec, settings, base) if kind.needs_base else kind(spec, settings)


def settings_of(name: str, params: Params) -> ModelSettings:
    """Return the section ``models.NAME``.

    Raises:
        ModelError: there is no such model.
        ParamsError: a key or a value in it cannot be.
    """
    return params.section(f"models.{name}", module_of(name).Settings)


def synthesis_settings_of(name: str, params: Params) -> SynthesisSettings:
    """Return the section ``synthesize.NAME``.

    Raises:
        ModelError: there is no such model, or it makes no images.
        ParamsError: a key or a value in it cannot be.
    """
    module = module_of(name)
    if not hasattr(module, "SynthesisSettings"):
        raise ModelError(f"{name} makes no images: src/morelike/models/{name}.py has no SynthesisSettings")
    return params.section(f"synthesize.{name}", module.SynthesisSettings)


def sections(chosen: Iterable[str] | None = None) -> dict[str, type[Section]]:
    """Return the sections of ``params.yaml`` that models own, by their dotted keys; of all models if None."""
    modules = {name: module_of(name) for name in (names() if chosen is None else chosen)}
    found: dict[str, type[Section]] = {f"models.{name}": module.Settings for name, module in modules.items()}
    makers = {name: module for name, module in modules.items() if hasattr(module, "SynthesisSettings")}
    return found | {f"synthesize.{name}": module.SynthesisSettings for name, module in makers.items()}
