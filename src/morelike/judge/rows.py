"""Which rows of a store a recipe may draw, which class each is of, and what belongs together."""

import numpy as np
import pandas as pd

from morelike.judge.recipes import Recipe
from morelike.storage.shards import ShardStore


def targets_of(store: ShardStore, classes: tuple[str, ...]) -> np.ndarray:
    """Return the class of each image of a store, int64; classes are numbered in the order given."""
    return store.index["label"].map({name: number for number, name in enumerate(classes)}).to_numpy(np.int64)


def train_rows(store: ShardStore, generators: tuple[str, ...] = ()) -> tuple[np.ndarray, np.ndarray]:
    """Return the real and the synthetic train rows, int64 each; of ``generators``, or of all if none is named."""
    train, new = (store.index["split"] == "train").to_numpy(), store.index["synthetic"].to_numpy(bool)
    wanted = made_by(store.index, generators)
    return np.flatnonzero(train & ~new), np.flatnonzero(train & new & wanted)


def made_by(table: pd.DataFrame, generators: tuple[str, ...]) -> np.ndarray:
    """Return which rows are of one of ``generators``, bool N; all are, if none is named."""
    return table["generator"].isin(generators).to_numpy() | (not generators)


def clusters_of(groups: pd.Series) -> np.ndarray:
    """Return the number of each image's cluster, int64; an image without a group is alone in its own."""
    alone = [f"\x1f{number}" for number in range(len(groups))]
    return pd.factorize(groups.where(groups != "", alone))[0]


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
