"""How often each image of an export is to be drawn in training."""

import numpy as np
import pandas as pd

from morelike.judge.recipes import Recipe
from morelike.judge.rows import made_by


def of(table: pd.DataFrame, recipe: Recipe | None) -> pd.Series:
    """Return how often each image is drawn by a recipe, as a multiple of a plain draw among the train images.

    By ``draw="class"`` a class is drawn uniformly; then, with the probability ``recipe.synthetic``, one of its
    synthetic images by ``recipe.generators`` (all if empty), else one of its real ones. A class that has no such image
    is drawn from its real ones alone. By ``draw="folder"`` all images of the recipe are drawn alike. The weights of
    train have the mean 1, so they can be handed to ``torch.utils.data.WeightedRandomSampler``.

    Args:
        table: a row per image, columns ``split``, ``label``, ``synthetic`` and ``generator``. Every label of train has
            a real train image.
        recipe: how to draw; 1 for all images if None.

    Returns:
        float64, with the index of the table; 1 for images of val and test.
    """
    weights = pd.Series(1.0, index=table.index)
    train = table[table["split"] == "train"]
    if recipe is None or train.empty:
        return weights
    synthetic = train["synthetic"].to_numpy(bool)
    wanted = synthetic & made_by(train, recipe.generators) & (recipe.synthetic > 0)
    by_class = _by_class(train["label"], synthetic, wanted, recipe.synthetic)
    drawn = by_class if recipe.draw == "class" else (wanted | ~synthetic).astype(np.float64)
    weights[train.index] = drawn / drawn.mean()
    return weights


def _by_class(labels: pd.Series, synthetic: np.ndarray, wanted: np.ndarray, share: float) -> np.ndarray:
    """Return the probability of each image once its class is drawn, float64."""
    real_count, wanted_count = (_count_of_class(labels, kind) for kind in (~synthetic, wanted))
    of_class = np.where(wanted_count > 0, share, 0.0)
    of_synthetic = np.where(wanted, of_class / np.maximum(wanted_count, 1), 0.0)
    return np.where(synthetic, of_synthetic, (1 - of_class) / real_count)


def _count_of_class(labels: pd.Series, counted: np.ndarray) -> np.ndarray:
    """Return for each image how many images of its class are counted."""
    return pd.Series(counted, index=labels.index).groupby(labels).transform("sum").to_numpy()
