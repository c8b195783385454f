"""A saved model: ``model.safetensors`` for the weights, ``config.json`` for what they are of. Never a pickle."""

import dataclasses
import hashlib
from pathlib import Path

import safetensors.torch

from morelike import files
from morelike.errors import ModelError
from morelike.models.base import Form, GenerativeModel, create


def save(folder: Path, name: str, model: GenerativeModel) -> None:
    """Write weights and config of ``model`` into ``folder``; the config holds the checksum of the weights."""
    plain = {key: value.detach().cpu().contiguous() for key, value in model.state_dict().items()}
    safetensors.torch.save_file(plain, folder / "model.safetensors")
    config = {
        "model": name,
        "form": dataclasses.asdict(model.form),
        "settings": model.settings,
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
        "sha256": checksum(folder),
    }
    files.write_json(folder / "config.json", config)


def load(folder: Path) -> GenerativeModel:
    """Read a saved model, on the CPU, ready to make images.

    Raises:
        ModelError: if it is missing, or its weights are not those that were saved.
    """
    folder = Path(folder)
    try:
        config = files.read_json(folder / "config.json")
        found = checksum(folder)
    except FileNotFoundError as error:
        raise ModelError(f"{error.filename}: no such file; train the model first: `dvc repro train`") from error
    if found != config["sha256"]:
        raise ModelError(
            f"{folder}/model.safetensors is damaged: expected sha256 {config['sha256']}, got {found}; "
            "delete the folder and run `dvc repro`"
        )
    form = Form(**config["form"] | {"labels": tuple(config["form"]["labels"])})
    model = create(config["model"], form, config["settings"])
    model.load_state_dict(safetensors.torch.load_file(folder / "model.safetensors"))
    return model.eval()


def checksum(folder: Path) -> str:
    """Return the sha256 of the weights file in ``folder``, in hex."""
    with (Path(folder) / "model.safetensors").open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
