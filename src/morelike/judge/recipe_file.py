"""``recipe.json``: how a classifier is to be trained on an exported dataset. It travels with the dataset."""

from pathlib import Path
from typing import Any, Literal

import pydantic

from morelike.core import files
from morelike.core.errors import DamagedFile
from morelike.judge.recipes import Recipe
from morelike.storage.errors import StoreError

NAME = "recipe.json"
VERSION = 1


class _Part(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Training(_Part):
    """How the classifiers were trained that chose the recipe.

    Attributes:
        network, width, pretrained, batch_size, cooldown_share: as in the section ``evaluate``.
        optimizer: a class of ``torch.optim``, with ``weight_decay``, and ``learning_rate`` at its highest.
        label_smoothing: share of the target that goes to all classes alike.
        warmup_steps: in which the learning rate rises from 0.
        steps: of a training. Over the last ``cooldown_share`` of them the learning rate and the share of synthetic
            images fall to 0.
        weight_average: decay per step of the moving average of the weights, which is what is kept.
        seeds: of the trainings of each recipe.
    """

    network: str
    width: int
    pretrained: bool
    optimizer: str
    weight_decay: float
    label_smoothing: float
    learning_rate: float
    warmup_steps: int
    batch_size: int
    steps: int
    cooldown_share: float
    weight_average: float
    seeds: int


class Transforms(_Part):
    """The classical augmentation as torchvision v2 transforms: expressions in Python, in which ``v2`` is known."""

    image: tuple[str, ...]
    batch: tuple[str, ...]


class RecipeFile(_Part):
    """What ``recipe.json`` holds.

    Attributes:
        version: of this form.
        not_chosen: why nothing could be chosen; "" if a recipe was, and then all the rest is there.
        recipe: the one that was chosen on val.
        candidate: the best one with synthetic images, on which the verdict is; None if there are none.
        training: how the classifiers were trained.
        torchvision: the classical augmentation of the recipe in the words of torchvision.
        trials: the recipes that were compared, with their figures on val.
    """

    version: Literal[1] = VERSION
    not_chosen: str = ""
    recipe: Recipe | None = None
    candidate: Recipe | None = None
    training: Training | None = None
    torchvision: Transforms | None = None
    trials: tuple[dict[str, Any], ...] = ()

    @pydantic.model_validator(mode="after")
    def _chosen_or_a_reason(self) -> "RecipeFile":
        parts = (self.recipe, self.training, self.torchvision)
        expected = [None] * 3 if self.not_chosen else parts
        if list(parts) != list(expected) or (not self.not_chosen and None in parts):
            raise ValueError("a recipe, its training and its transforms, or else the reason why nothing was chosen")
        return self


def write(recipe: RecipeFile, folder: Path) -> None:
    """Write ``recipe.json`` into the folder of a dataset."""
    files.write_json(Path(folder) / NAME, recipe.model_dump(mode="json"))


def read(folder: Path) -> RecipeFile:
    """Read ``recipe.json`` from the folder of a dataset.

    Raises:
        StoreError: there is none.
        DamagedFile: it is no JSON, or a key or a value in it cannot be.
    """
    path = Path(folder) / NAME
    try:
        values = files.read_json(path, "version")
    except FileNotFoundError as error:
        raise StoreError(f"{folder}: no recipe here ({NAME} is missing); run `dvc repro`") from error
    try:
        return RecipeFile.model_validate(values)
    except pydantic.ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "the file"
        raise DamagedFile(path, f"{where}: {first['msg']}", first["input"]) from error
