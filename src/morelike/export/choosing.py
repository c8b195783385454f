"""Have the recipe chosen on val: by classifiers that see train and val, and no image of test."""

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from morelike.export import rows
from morelike.judge import as_torchvision, selection
from morelike.judge.recipe_file import RecipeFile, Training, Transforms
from morelike.judge.settings import Judge
from morelike.storage.shards import ShardStore, ShardWriter

ROWS_AT_ONCE = 256
INDEX = ["path", "split", "label", "synthetic", "generator", "group", "source_file", "nearest_distance"]


@dataclass(frozen=True)
class Judging:
    """How the recipe is chosen.

    Attributes:
        settings: of the classifiers.
        seed: of all draws.
        choose: what picks a recipe on val, given the store of images, the settings, the seed and the state.
    """

    settings: Judge
    seed: int
    choose: Callable[[ShardStore, Judge, int, Path], selection.Choice] = selection.choose


def choose(table: pd.DataFrame, judging: Judging, state: Path) -> RecipeFile:
    """Choose how to train on the images of ``table``, or say why that cannot be chosen.

    Args:
        table: a row per image to export, as :mod:`morelike.export.rows` has it.
        judging: who chooses.
        state: a folder that outlives a run; what is finished of a long choice is kept there.
    """
    with tempfile.TemporaryDirectory() as folder:
        store = judged_store(table, Path(folder) / "store")
        choice = judging.choose(store, judging.settings, judging.seed, state / "judge")
        height, width, _ = store.shape
    if choice.reason:
        return RecipeFile(not_chosen=choice.reason)
    return RecipeFile(
        recipe=choice.recipe,
        candidate=choice.candidate,
        training=_training(choice, judging.settings),
        torchvision=Transforms(
            image=as_torchvision.transforms(choice.recipe.augment, height, width),
            batch=as_torchvision.batch_transforms(choice.recipe.augment, table["label"].nunique()),
        ),
        trials=choice.trials,
    )


def judged_store(table: pd.DataFrame, folder: Path) -> ShardStore:
    """Copy the images of train and val into a store of their own, in the order of the manifest.

    No image of test is in it. Its index has the columns :data:`INDEX`. Memory does not grow with the number of images.
    """
    seen = rows.in_order(table[table["split"] != "test"])
    stores = {name: ShardStore(Path(name)) for name in seen["store"].unique()}
    writer = ShardWriter(folder, *next(iter(stores.values())).shape)
    for start in range(0, len(seen), ROWS_AT_ONCE):
        writer.append(_images(seen.iloc[start : start + ROWS_AT_ONCE], stores))
    writer.close(seen.rename(columns={"given_group": "group"})[INDEX])
    return ShardStore(folder)


def _images(part: pd.DataFrame, stores: dict[str, ShardStore]) -> np.ndarray:
    images = np.empty((len(part), *next(iter(stores.values())).shape), np.uint8)
    for name, places in part.groupby("store").indices.items():
        images[places] = stores[name].read(part["row"].to_numpy()[places])
    return images


def _training(choice: selection.Choice, settings: Judge) -> Training:
    from morelike.judge import training  # here, so that a process that chooses nothing loads no torch

    return Training(
        network=settings.network,
        width=settings.width,
        pretrained=settings.pretrained,
        optimizer="AdamW",
        weight_decay=training.WEIGHT_DECAY,
        label_smoothing=training.LABEL_SMOOTHING,
        learning_rate=choice.learning_rate,
        warmup_steps=training.WARMUP_STEPS,
        batch_size=settings.batch_size,
        steps=choice.steps,
        cooldown_share=settings.cooldown_share,
        weight_average=training.AVERAGE,
        seeds=settings.selection_seeds,
    )
