"""Which rows of a store a recipe may draw, and which class each is of."""

import numpy as np

from morelike.judge.recipes import Recipe
from morelike.storage.shards import ShardStore


def targets_of(store: ShardStore, classes: tuple[str, ...]) -> np.ndarray:
    """Return the class of each image of a store, int64; classes are numbered in the order given."""
    return store.index["label"].map({name: number for number, name in enumerate(classes)}).to_numpy(np.int64)


def train_rows(store: ShardStore, generators: tuple[str, ...] = ()) -> tuple[np.ndarray, np.ndarray]:
    """Return the real and the synthetic train rows, int64 each; of ``generators``, or of all if none is named."""
    train, new = (store.index["split"] == "train").to_numpy(), store.index["synthetic"].to_numpy(bool)
    wanted = store.index["generator"].isin(generators).to_numpy() | (not generators)
    return np.flatnonzero(train & ~new), np.flatnonzero(train & new & wanted)


def drawn_rows(store: ShardStore, recipe: Recipe) -> tuple[np.ndarray, np.ndarray]:
    """Return the real and the synthetic rows that a recipe draws, int64 each; never of another split than train."""
    real, synthetic = train_rows(store, recipe.generators)
    if recipe.synthetic == 0:
        synthetic = synthetic[:0]
    if recipe.synthetic == 1 and recipe.draw == "class":
        real = real[:0]
    return real, synthetic


def seen_rows(store: ShardStore, recipe: Recipe) -> np.ndarray:
    """Return the rows that decide a training: those its recipe draws, and those of val."""
    return np.concatenate([*drawn_rows(store, recipe), store.rows("val")])
