"""How often each image of an export is to be drawn in training."""

import numpy as np
import pandas as pd

from morelike.judge.recipes import Recipe


def of(table: pd.DataFrame, recipe: Recipe | None) -> pd.Series:
    """Return how often each image is drawn by a recipe, as a multiple of a plain draw among the train images.

    By ``draw="class"`` a class is drawn uniformly; then, with the probability ``recipe.synthetic``, one of its
    synthetic images by ``recipe.generators`` (all if empty), else one of its real ones. A class that has no such image
    is drawn from its real ones alone. The weights of train have the mean 1, so they can be handed to
    ``torch.utils.data.WeightedRandomSampler``.

    Args:
        table: a row per image, columns ``split``, ``label``, ``synthetic`` and ``generator``. Every label of train has
            a real train image.
        recipe: 1 for all images if None, or if it draws as from a plain folder.

    Returns:
        float64, with the index of the table; 1 for images of val and test.
    """
    weights = pd.Series(1.0, index=table.index)
    train = table[table["split"] == "train"]
    if recipe is None or recipe.draw == "folder" or train.empty:
        return weights
    synthetic = train["synthetic"].to_numpy(bool)
    wanted = synthetic & (train["generator"].isin(recipe.generators).to_numpy() | (not recipe.generators))
    real_count, synthetic_count = (_count_of_class(train["label"], kind) for kind in (~synthetic, wanted))
    share = np.where(synthetic_count > 0, recipe.synthetic, 0.0)
    of_image = np.where(wanted, share / np.maximum(synthetic_count, 1), (1 - share) / real_count)
    of_image[synthetic & ~wanted] = 0
    weights[train.index] = of_image * len(train) / train["label"].nunique()
    return weights


def _count_of_class(labels: pd.Series, counted: np.ndarray) -> np.ndarray:
    """Return for each image how many images of its class are counted."""
    return pd.Series(counted, index=labels.index).groupby(labels).transform("sum").to_numpy()
