"""The nearest image in a store, by the root mean square of the difference of pixels in [0, 1]."""

import numpy as np

from morelike.storage.shards import ShardStore

ROWS_AT_ONCE = 128  # of the store; memory must not grow with a class


def nearest_rows(
    images: np.ndarray, store: ShardStore, rows: np.ndarray, own: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Return for each image the nearest of some rows of a store, and how far it is.

    Args:
        images: uint8 N×H×W×C.
        store: of images of that shape.
        rows: that are compared.
        own: int N, a row per image that does not count: the image itself.

    Returns:
        The row, int64 N, and its distance, float64 N; -1 and infinity where there is no row to compare with.
    """
    import torch

    values = int(np.prod(store.shape))
    flat = torch.from_numpy(images.reshape(len(images), values).astype(np.float32) / 255)
    best, row = np.full(len(images), np.inf), np.full(len(images), -1, np.int64)
    for start in range(0, len(rows), ROWS_AT_ONCE):
        part = rows[start : start + ROWS_AT_ONCE]
        others = torch.from_numpy(store.read(part).reshape(len(part), values).astype(np.float32) / 255)
        distances = torch.cdist(flat, others).numpy()
        if own is not None:
            distances[own[:, None] == part] = np.inf
        closest = distances.argmin(1)
        found = distances[np.arange(len(images)), closest]
        better = found < best
        best[better], row[better] = found[better], part[closest[better]]
    return row, best / np.sqrt(values)
