"""Weights at rest: ``*.safetensors`` for the tensors, JSON for what they are of, with a checksum. Never a pickle."""

import dataclasses
import hashlib
import json
from pathlib import Path
from typing import Any

import safetensors.torch
from torch import Tensor

from morelike import files
from morelike.errors import ModelError
from morelike.models.base import Form, GenerativeModel, create

TENSORS, ABOUT = "model.safetensors", "config.json"


def save(folder: Path, name: str, model: GenerativeModel) -> None:
    """Write weights and config of ``model`` into ``folder``."""
    config = {
        "model": name,
        "form": dataclasses.asdict(model.form),
        "settings": model.settings,
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
    }
    write(folder, model.state_dict(), config)


def load(folder: Path) -> GenerativeModel:
    """Read a saved model, on the CPU, ready to make images.

    Raises:
        ModelError: if it is missing, or its weights are not those that were saved.
    """
    config, weights = about(folder), tensors(folder)
    form = Form(**config["form"] | {"labels": tuple(config["form"]["labels"])})
    model = create(config["model"], form, config["settings"])
    model.load_state_dict(weights)
    return model.eval()


def write(folder: Path, values: dict[str, Tensor], described: dict[str, Any]) -> None:
    """Write tensors and what they are of into ``folder``; the JSON holds the checksum of the tensors."""
    plain = {key: value.detach().cpu().contiguous() for key, value in values.items()}
    folder.mkdir(parents=True, exist_ok=True)
    safetensors.torch.save_file(plain, folder / TENSORS)
    files.write_json(folder / ABOUT, described | {"sha256": checksum(folder)})


def about(folder: Path) -> dict[str, Any]:
    """Return what the tensors in ``folder`` are of.

    Raises:
        ModelError: it is missing, or no JSON.
    """
    path = Path(folder) / ABOUT
    try:
        return files.read_json(path)
    except FileNotFoundError as error:
        raise ModelError(f"{path}: no such file; train the model first: `dvc repro train`") from error
    except json.JSONDecodeError as error:
        raise ModelError(f"{path} is damaged: {error}; delete {folder} and run `dvc repro`") from error


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
    return safetensors.torch.load_file(path)


def checksum(folder: Path) -> str:
    """Return the sha256 of the weights file in ``folder``, in hex."""
    with (Path(folder) / TENSORS).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
