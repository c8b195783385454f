"""Check, before anything trains, that what a model will read from a store is what it expects."""

import math

import numpy as np

from morelike.images import pixels
from morelike.images.errors import NormalisationError
from morelike.images.normalisation import check_batch
from morelike.storage.shards import ShardStore

BATCH_ROWS = 256


def check_store(store: ShardStore) -> dict:
    """Check the float view of every image of a store, by batches.

    Returns:
        ``images``, their number, and ``min`` and ``max``, the smallest and the largest value.

    Raises:
        NormalisationError: as :func:`check_batch`, or if all images are so dark that they were divided by 255 twice.
    """
    height, width, channels = store.shape
    low, high = np.inf, -np.inf
    for start, batch in enumerate(store.batches(size=BATCH_ROWS)):
        first_row = start * BATCH_ROWS
        names = store.index["file"].iloc[first_row : first_row + len(batch)].tolist()
        least, most = check_batch(pixels.to_float(batch), (channels, height, width), names, first_row)
        low, high = min(low, least), max(high, most)
    if high <= 1.5 / 255:
        raise NormalisationError(
            f"{store.folder}: normalised twice: the largest value of {len(store)} images is {high:g}, "
            "expected up to 1; divide by 255 once"
        )
    return {"images": len(store), "min": low, "max": high}


def moments(store: ShardStore, rows: np.ndarray) -> tuple[list[float], list[float]]:
    """Return mean and std of each channel over ``rows``, of pixels in [0, 1].

    Levels and their squares are summed as whole numbers, so the result is exact to float64 and does not depend on the
    order of the rows.

    Raises:
        NormalisationError: if there are no rows.
    """
    if len(rows) == 0:
        raise NormalisationError(
            f"{store.folder}: no train images to take a mean of; see validate.split in params.yaml"
        )
    channels = store.shape[2]
    total, squares, count = np.zeros(channels, np.int64), np.zeros(channels, np.int64), 0
    for batch in store.batches(rows, BATCH_ROWS):
        levels = batch.reshape(-1, channels).astype(np.int32)
        total += levels.sum(axis=0, dtype=np.int64)
        squares += (levels**2).sum(axis=0, dtype=np.int64)
        count += len(levels)
    mean = [int(t) / count / 255 for t in total]
    std = [math.sqrt(count * int(s) - int(t) ** 2) / count / 255 for s, t in zip(squares, total, strict=True)]
    return mean, std
