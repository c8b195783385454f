"""Reads ``params.yaml``. Each room owns its settings; this module knows how a section is read, not which there are."""

import math
import re
from collections.abc import Collection, Mapping
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import pydantic
import yaml
from pydantic import AfterValidator, ConfigDict, Field

from morelike.core import strict_yaml
from morelike.core.errors import ParamsError

PATH = "params.yaml"
ROOMS = Path(__file__).resolve().parents[1]
MOST_OF_A_NAME = 64
PYDANTIC_WORDS = re.compile(r"\b(Value error, |Input should be )")  # what is expected follows
OUTSIDE = {"seed", "models", "search"}  # keys of the top that no room's settings.py reads
Share = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0)]
NotNegative = Annotated[float, Field(ge=0)]
Count = Annotated[int, Field(ge=1)]
CountOrZero = Annotated[int, Field(ge=0)]
Precision = Literal["auto", "32-true", "bf16-mixed", "16-mixed"]
BatchSize = Annotated[int, Field(ge=1, le=65536)]
ChannelWidth = Annotated[int, Field(ge=8, multiple_of=8)]  # group norm takes groups of 8 channels


def _is_a_model_name(name: str) -> str:
    if not (name.isidentifier() and name.isascii() and len(name) <= MOST_OF_A_NAME):
        raise ValueError(f"a model's name: at most {MOST_OF_A_NAME} letters a to z, digits and _, no digit first")
    return name


ModelName = Annotated[str, AfterValidator(_is_a_model_name)]  # it names files and folders


class Section(pydantic.BaseModel):
    """A section of ``params.yaml``: unknown keys are refused, values are frozen, NaN and infinities are no numbers.

    Each field has a description with its unit; the tables in the docs are made from these and from the bounds.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


S = TypeVar("S", bound=Section)


class Params:
    """The values of a params file, read section by section.

    Args:
        values: nested, as YAML gives them.
        path: of the file, for messages.
    """

    def __init__(self, values: Any, path: Path | str = PATH):
        self.path = str(path)
        if not isinstance(values, dict):
            raise ParamsError(self.path, "the file", values, "sections of settings")
        self.values: dict[str, Any] = values

    @property
    def seed(self) -> int:
        """The seed that every random draw comes from.

        Raises:
            ParamsError: it is no whole number from 0 on.
        """
        seed = self.value("seed")
        if not isinstance(seed, int) or isinstance(seed, bool) or seed < 0:
            raise ParamsError(self.path, "seed", seed, "a whole number from 0 on")
        return seed

    def value(self, key: str) -> Any:
        """Return the value of a dotted key, not validated.

        Raises:
            ParamsError: there is no such key.
        """
        value: Any = self.values
        for part in key.split("."):
            if not isinstance(value, Mapping) or part not in value:
                raise ParamsError(self.path, key, None, "this key")
            value = value[part]
        return value

    def section(self, key: str, kind: type[S], besides: Collection[str] = ()) -> S:
        """Return the section under a dotted key, validated as ``kind``; keys in ``besides`` are left out.

        Raises:
            ParamsError: names the file, the key, what was expected and what was got.
        """
        values = self.value(key)
        if isinstance(values, dict):
            values = {name: value for name, value in values.items() if name not in besides}
        try:
            return kind.model_validate(values)
        except pydantic.ValidationError as error:
            first, *others = error.errors()
            place = [str(part) for part in first["loc"]]
            if place and place[-1].startswith("literal["):  # such as auto, or a number: the next says which number
                place.pop()
                first["msg"] = " or ".join([first["msg"], *(other["msg"] for other in others[:1])])
            where = ".".join([key, *place])
            if first["type"] == "missing":  # its input is all that stands around it
                raise ParamsError(self.path, where, None, "this key") from error
            unknown = first["type"] == "extra_forbidden"
            expected = "no such key" if unknown else PYDANTIC_WORDS.sub("", first["msg"])
            raise ParamsError(self.path, where, first["input"], expected) from error


def read(path: Path | str = PATH) -> Params:
    """Read a params file and check the sections of all rooms but the models', whose settings take seconds to load.

    So a value that cannot be is refused at once, not by the stage that needs it an hour later.

    Raises:
        ParamsError: as :func:`parse` and :func:`check` do.
    """
    params = parse(text(path), path)
    check(params)
    return params


def text(path: Path | str = PATH) -> str:
    """Return the text of a params file.

    Raises:
        ParamsError: it is missing, cannot be read, or is not encoded as UTF-8.
    """
    try:
        return Path(path).read_text(encoding="utf-8-sig")
    except FileNotFoundError as error:
        raise ParamsError(str(path), "the file", "nothing", "a params.yaml in the folder you run in") from error
    except OSError as error:
        raise ParamsError(str(path), "the file", error.strerror, "a file that this user can read") from error
    except UnicodeDecodeError as error:
        got = f"byte {error.object[error.start]:#04x} at place {error.start}"
        raise ParamsError(str(path), "the file", got, "text encoded as UTF-8; save it as such") from error


def parse(content: str, path: Path | str = PATH) -> Params:
    """Return the values in the text of a params file, not validated.

    Raises:
        ParamsError: it is no valid YAML, as :func:`morelike.core.strict_yaml.load` has it.
    """
    try:
        return Params(strict_yaml.load(content), path)
    except yaml.YAMLError as error:
        mark, problem = getattr(error, "problem_mark", None), getattr(error, "problem", None)
        got = f"line {mark.line + 1}: {problem}" if mark and problem else " ".join(str(error).split())
        raise ParamsError(str(path), "the file", got, "valid YAML") from error


def check(params: Params, models: bool = False) -> None:
    """Validate every section that a room owns; with ``models``, also those of the models.

    Raises:
        ParamsError: at the first value that cannot be.
    """
    params.seed  # noqa: B018 - it checks
    sections = owned()
    for key in params.values:
        if key not in sections and key not in OUTSIDE:
            raise ParamsError(params.path, key, params.values[key], "no such key")
    names = model_names(params)
    for key, kind in sections.items():
        params.section(key, kind, besides=names if key == "synthesize" else ())
    if models:
        for key, kind in import_module("morelike.models.registry").sections(names).items():
            params.section(key, kind)


def model_names(params: Params) -> list[str]:
    """Return the names of the models that have a section."""
    models = params.value("models")
    if not isinstance(models, dict):
        raise ParamsError(params.path, "models", models, "a section per model")
    return list(models)


def trained_models(params: Params) -> tuple[str, ...]:
    """Return the names of the models that are trained: those of ``train.models``, then those that build on another."""
    return tuple([*params.value("train.models"), *params.value("train.models_on_base")])


def owned() -> dict[str, type[Section]]:
    """Return the sections of ``params.yaml`` by their dotted keys: ``SECTIONS`` of each room's ``settings.py``.

    They are looked for by name, so that no stage comes to depend on another one's settings.
    """
    rooms = sorted(path.parent.name for path in ROOMS.glob("*/settings.py") if path.parent.name != "core")
    found: dict[str, type[Section]] = {}
    for room in rooms:
        found |= import_module(f"morelike.{room}.settings").SECTIONS
    return found


def flattened(values: Any, prefix: str = "") -> dict[str, Any]:
    """Name every leaf of nested mappings by its dotted path; an empty mapping is a leaf.

    >>> flattened({"a": {"b": 1}, "c": [2]})
    {'a.b': 1, 'c': [2]}
    """
    found: dict[str, Any] = {}
    for key, value in values.items():
        name = f"{prefix}{key}"
        found |= flattened(value, f"{name}.") if isinstance(value, Mapping) and value else {name: value}
    return found


def sum_to_one(shares: Collection[float]) -> bool:
    """Tell whether shares sum to 1, but for rounding.

    >>> sum_to_one([0.7, 0.1, 0.2])
    True
    """
    return math.isclose(sum(shares), 1, abs_tol=1e-6)
