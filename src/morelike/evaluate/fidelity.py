"""Cheap figures beside the verdict: is the colour right, and are the synthetic images copies?"""

import numpy as np

from morelike.storage import shards
from morelike.storage.nearest import nearest_rows

QUERIES_PER_CLASS = 50
QUANTILES = {"smallest": 0.0, "q05": 0.05, "median": 0.5, "q95": 0.95}


def measure(store: shards.ShardStore, random: np.random.Generator) -> dict:
    """Compare the synthetic with the real train images, class by class.

    Returns:
        A dict; None or empty where nothing can be measured.

        - ``colour_real``, ``colour_synthetic``: mean per channel in [0, 1], over the classes that have both kinds;
          each class counts alike
        - ``colour_difference``: their largest absolute difference in a channel
        - ``distance_real``: quantiles of the distance (rms over pixels in [0, 1]) from a sample of the real images
          to the nearest other real train image of the class
        - ``distance_synthetic``: the same for the synthetic images, as the manifest has it
        - ``closer_than_real_share``: share of the synthetic images that are closer to a real one than 95% of the real
          ones are to each other
    """
    index = store.index
    train, synthetic = (index["split"] == "train").to_numpy(), index["synthetic"].to_numpy(bool)
    label = index["label"].to_numpy()
    colours, distances = [], []
    for name in np.unique(label[train & synthetic]):
        real = np.flatnonzero(train & ~synthetic & (label == name))
        made = np.flatnonzero(train & synthetic & (label == name))
        if len(real):
            colours.append((_mean_colour(store, real), _mean_colour(store, made)))
        distances.append(_nearest_other(store, real, random))
    between_real = np.concatenate([np.empty(0), *distances])
    to_real = index["nearest_distance"].to_numpy(float)[train & synthetic]
    to_real = to_real[np.isfinite(to_real)]
    colour_real, colour_synthetic = np.mean(colours, 0) if colours else ([], [])
    both = len(between_real) and len(to_real)
    return {
        "colour_real": [float(c) for c in colour_real],
        "colour_synthetic": [float(c) for c in colour_synthetic],
        "colour_difference": float(np.abs(colour_real - colour_synthetic).max()) if colours else None,
        "distance_real": _quantiles(between_real),
        "distance_synthetic": _quantiles(to_real),
        "closer_than_real_share": float((to_real < np.quantile(between_real, 0.05)).mean()) if both else None,
    }


def _mean_colour(store: shards.ShardStore, rows: np.ndarray) -> np.ndarray:
    total = sum(images.mean((1, 2), dtype=np.float64).sum(0) for images in store.batches(rows))
    return total / len(rows) / 255


def _nearest_other(store: shards.ShardStore, rows: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Return, for a sample of ``rows``, the rms distance to the nearest other one; empty for fewer than two."""
    if len(rows) < 2:
        return np.empty(0)
    sample = np.sort(random.choice(len(rows), min(QUERIES_PER_CLASS, len(rows)), replace=False))
    return nearest_rows(store.read(rows[sample]), store, rows, own=rows[sample])[1]


def _quantiles(values: np.ndarray) -> dict[str, float] | None:
    return {name: float(np.quantile(values, q)) for name, q in QUANTILES.items()} if len(values) else None
