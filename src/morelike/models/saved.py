"""Weights at rest: ``*.safetensors`` for the tensors, JSON for what they are of, with a checksum. Never a pickle."""

import dataclasses
import hashlib
from pathlib import Path
from typing import Any

import pydantic
import safetensors.torch
from safetensors import SafetensorError
from torch import Tensor

from morelike.core import files
from morelike.core.errors import DamagedFile
from morelike.models import registry
from morelike.models.base import ImageModel, ImageSpec
from morelike.models.errors import ModelError

TENSORS, ABOUT = "model.safetensors", "config.json"


def save(folder: Path, name: str, model: ImageModel) -> None:
    """Write weights and config of ``model`` into ``folder``; a model on a base is written with it."""
    config = {
        "model": name,
        "form": dataclasses.asdict(model.spec),
        "settings": model.settings.model_dump(),
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
    }
    if base := getattr(model, "base", None):
        config["base"] = {"model": base.name, "settings": base.settings.model_dump()}
    write(folder, model.state_dict(), config)


def load(folder: Path) -> ImageModel:
    """Read a saved model, on the CPU, ready to make images; its ``name`` is an attribute.

    Raises:
        ModelError: if it is missing, or its weights are not those that were saved.
        DamagedFile: if what describes them cannot be understood.
    """
    config, weights = about(folder), tensors(folder)
    try:
        spec = ImageSpec(**config["form"] | {"labels": tuple(config["form"]["labels"])})
        base = _created(folder, config["base"], spec) if "base" in config else None
        model = _created(folder, config, spec, base)
        model.load_state_dict(weights)
    except (KeyError, TypeError, RuntimeError) as error:
        remedy = f"delete {folder} and run `dvc repro`"
        raise DamagedFile(Path(folder) / ABOUT, "what its weights are of", error, remedy) from error
    return model.eval()


def _created(folder: Path, config: dict[str, Any], spec: ImageSpec, base: ImageModel | None = None) -> ImageModel:
    name = config["model"]
    try:
        settings = registry.module_of(name).Settings.model_validate(config["settings"])
    except pydantic.ValidationError as error:
        wrong = error.errors()[0]
        where = ".".join(map(str, wrong["loc"]))
        raise ModelError(
            f"{folder}: saved by another version of {name}: {where}: {wrong['msg']}; train it again: `dvc repro`"
        ) from error
    model = registry.create(name, spec, settings, base)
    model.name = name
    return model


def write(folder: Path, values: dict[str, Tensor], described: dict[str, Any]) -> None:
    """Write tensors and what they are of into ``folder``; the JSON holds the checksum of the tensors."""
    plain = {key: value.detach().cpu().contiguous() for key, value in values.items()}
    folder.mkdir(parents=True, exist_ok=True)
    with files.naming(folder / TENSORS):
        (folder / TENSORS).write_bytes(safetensors.torch.save(plain))
    files.write_json(folder / ABOUT, described | {"sha256": checksum(folder)})


def about(folder: Path) -> dict[str, Any]:
    """Return what the tensors in ``folder`` are of.

    Raises:
        ModelError: it is missing.
        DamagedFile: it is no JSON, or lacks the checksum.
    """
    path = Path(folder) / ABOUT
    try:
        return files.read_json(path, "sha256")
    except FileNotFoundError as error:
        raise ModelError(f"{path}: no such file; train the model first: `dvc repro train`") from error


def tensors(folder: Path) -> dict[str, Tensor]:
    """Return the tensors in ``folder``, on the CPU.

    Raises:
        ModelError: they are missing, or not those that were written.
    """
    expected = about(folder)["sha256"]
    path = Path(folder) / TENSORS
    try:
        found = checksum(folder)
    except FileNotFoundError as error:
        raise ModelError(f"{path}: no such file; train the model first: `dvc repro train`") from error
    if found != expected:
        raise ModelError(
            f"{path} is damaged: expected sha256 {expected}, got {found}; delete {folder} and run `dvc repro`"
        )
    try:
        return safetensors.torch.load_file(path)
    except SafetensorError as error:  # written so
        raise DamagedFile(path, "tensors", error, f"delete {folder} and run `dvc repro`") from error


def checksum(folder: Path) -> str:
    """Return the sha256 of the weights file in ``folder``, in hex."""
    with (Path(folder) / TENSORS).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
