"""What keeps a new image out of the augmented dataset: one short function per reason.

Each filter takes a batch of new images and returns three things: a value per image, the limit, and which images fail.
An image that fails several filters is recorded under the first of them, in the order of :data:`FILTERS`.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from scipy.spatial import cKDTree

from morelike.export.settings import Export
from morelike.storage.shards import ShardStore

Answer = tuple[np.ndarray, float, np.ndarray]  # value per image, limit, fails per image


@dataclass
class RealImages:
    """The real images, in the form that new ones are compared with.

    Attributes:
        digests: hashes of the pixels of all real images, whatever their split; :func:`duplicate` adds those of new
            images.
        palettes: for each label the mean colours of its real train images, as a search tree for the nearest.
        train_mean_colour: mean per channel over all real train images, pixels in [0, 1].
    """

    digests: set[bytes] = field(default_factory=set)
    palettes: dict[str, cKDTree] = field(default_factory=dict)
    train_mean_colour: np.ndarray | None = None

    @classmethod
    def of(cls, store: ShardStore) -> "RealImages":
        """Read a store of real images once, in batches."""
        real, colours = cls(), []
        for images in store.batches():
            real.digests.update(map(_digest, images))
            colours.append(mean_colours(images))
        colours = np.concatenate(colours)
        train = store.index[store.index["split"] == "train"]
        real.palettes = {label: cKDTree(colours[rows.index]) for label, rows in train.groupby("label")}
        real.train_mean_colour = colours[train.index].mean(axis=0)
        return real


@dataclass(frozen=True)
class NewImages:
    """A batch of new images: uint8 N×H×W×C, their index rows, the real images to compare with, and the limits."""

    images: np.ndarray
    index: pd.DataFrame
    real: RealImages
    limits: Export


def non_finite(batch: NewImages) -> Answer:
    """Reject images with a NaN or an infinity in their index row: the model diverged there."""
    numbers = batch.index.select_dtypes("floating").to_numpy(np.float64)
    count = (~np.isfinite(numbers)).sum(axis=1)
    return count, 0.0, count > 0


def blank(batch: NewImages) -> Answer:
    """Reject images with hardly any contrast: in each channel the std over the pixels is below ``blank_std``."""
    std = batch.images.std(axis=(1, 2), dtype=np.float64).max(axis=1) / 255
    return std, batch.limits.blank_std, std < batch.limits.blank_std


def duplicate(batch: NewImages) -> Answer:
    """Reject images with the very pixels of a real image or of an earlier new one; value and limit are 0."""
    fails = np.zeros(len(batch.images), bool)
    for row, image in enumerate(batch.images):
        digest = _digest(image)
        fails[row] = digest in batch.real.digests
        batch.real.digests.add(digest)
    return np.zeros(len(fails)), 0.0, fails


def off_palette(batch: NewImages) -> Answer:
    """Reject images whose mean colour is far from that of any real train image of the label (Euclidean, [0, 1])."""
    colours = mean_colours(batch.images)
    distance = np.zeros(len(colours))
    labels = batch.index["label"].to_numpy()
    for label in np.unique(labels):
        here = labels == label
        distance[here] = batch.real.palettes[label].query(colours[here])[0]
    return distance, batch.limits.palette_distance, distance > batch.limits.palette_distance


def copy(batch: NewImages) -> Answer:
    """Reject images closer than ``copy_distance`` (rms of pixels in [0, 1]) to a real train image of the label."""
    distance = batch.index["nearest_distance"].to_numpy(np.float64)
    return distance, batch.limits.copy_distance, distance < batch.limits.copy_distance


FILTERS: dict[str, Callable[[NewImages], Answer]] = {
    check.__name__: check for check in (non_finite, blank, duplicate, off_palette, copy)
}


def judge(batch: NewImages) -> pd.DataFrame:
    """Return reason, value and limit of each image of a batch; the reason of one that passes is ""."""
    size = len(batch.images)
    reason, value, limit = np.full(size, "", dtype=object), np.full(size, np.nan), np.full(size, np.nan)
    for name, check in FILTERS.items():
        values, held_to, fails = check(batch)
        here = fails & (reason == "")
        reason[here], value[here], limit[here] = name, values[here], held_to
    return pd.DataFrame({"reason": reason.astype(str), "value": value, "limit": limit}, index=batch.index.index)


def mean_colours(images: np.ndarray) -> np.ndarray:
    """Return the mean per channel of uint8 N×H×W×C images, float64 N×C in [0, 1]."""
    return images.mean(axis=(1, 2), dtype=np.float64) / 255


def _digest(image: np.ndarray) -> bytes:
    return hashlib.blake2b(image.tobytes(), digest_size=16).digest()
