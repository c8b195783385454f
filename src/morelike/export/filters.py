"""What keeps a new image out of the augmented dataset: one short function per reason.

Every filter takes a :class:`NewImages` and answers with a value for each image, the limit it is held to, and
whether the image fails. The first reason that holds, in the order of :data:`FILTERS`, is the one recorded.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from scipy.spatial import cKDTree

from morelike.export.settings import Export
from morelike.storage.shards import ShardStore

Answer = tuple[np.ndarray, float, np.ndarray]  # value, limit, fails


@dataclass
class RealImages:
    """What new images are compared with.

    Attributes:
        digests: of the pixels of every real image, of all splits, and of every new image seen so far.
        palettes: the mean colours of the real train images of each label, as a tree to find the nearest in.
        train_mean_colour: of all real train images, pixels in [0, 1].
    """

    digests: set[bytes] = field(default_factory=set)
    palettes: dict[str, cKDTree] = field(default_factory=dict)
    train_mean_colour: np.ndarray | None = None

    @classmethod
    def of(cls, real: ShardStore) -> "RealImages":
        """Read the real images once, by batches."""
        known, colours = cls(), []
        for images in real.batches():
            known.digests.update(map(_digest, images))
            colours.append(mean_colours(images))
        colours = np.concatenate(colours)
        train = real.index[real.index["split"] == "train"]
        known.palettes = {label: cKDTree(colours[rows.index]) for label, rows in train.groupby("label")}
        known.train_mean_colour = colours[train.index].mean(axis=0)
        return known


@dataclass(frozen=True)
class NewImages:
    """New images (uint8 N×H×W×C), their index rows, and what they are held to."""

    images: np.ndarray
    index: pd.DataFrame
    known: RealImages
    limits: Export


def non_finite(batch: NewImages) -> Answer:
    """Reject rows with a NaN or an infinity among the numbers recorded for them: the model diverged there."""
    numbers = batch.index.select_dtypes("floating").to_numpy(np.float64)
    count = (~np.isfinite(numbers)).sum(axis=1)
    return count, 0.0, count > 0


def blank(batch: NewImages) -> Answer:
    """Reject images with hardly any contrast: the std over the pixels of every channel is below ``blank_std``."""
    std = batch.images.std(axis=(1, 2), dtype=np.float64).max(axis=1) / 255
    return std, batch.limits.blank_std, std < batch.limits.blank_std


def duplicate(batch: NewImages) -> Answer:
    """Reject images whose pixels are those of a real image or of an earlier new one; the value is their distance, 0."""
    fails = np.zeros(len(batch.images), bool)
    for row, image in enumerate(batch.images):
        digest = _digest(image)
        fails[row] = digest in batch.known.digests
        batch.known.digests.add(digest)
    return np.zeros(len(fails)), 0.0, fails


def off_palette(batch: NewImages) -> Answer:
    """Reject images whose mean colour is far from that of every real train image of the label (Euclidean, [0, 1])."""
    colours = mean_colours(batch.images)
    distance = np.zeros(len(colours))
    labels = batch.index["label"].to_numpy()
    for label in np.unique(labels):
        here = labels == label
        distance[here] = batch.known.palettes[label].query(colours[here])[0]
    return distance, batch.limits.palette_distance, distance > batch.limits.palette_distance


def copy(batch: NewImages) -> Answer:
    """Reject images closer than ``copy_distance`` (rms of pixels in [0, 1]) to a real train image of the label."""
    distance = batch.index["nearest_distance"].to_numpy(np.float64)
    return distance, batch.limits.copy_distance, distance < batch.limits.copy_distance


FILTERS: dict[str, Callable[[NewImages], Answer]] = {
    check.__name__: check for check in (non_finite, blank, duplicate, off_palette, copy)
}


def judge(batch: NewImages) -> pd.DataFrame:
    """Return reason ("" if let in), value and limit of every image of a batch."""
    size = len(batch.images)
    reason, value, limit = np.full(size, "", dtype=object), np.full(size, np.nan), np.full(size, np.nan)
    for name, check in FILTERS.items():
        values, held_to, fails = check(batch)
        here = fails & (reason == "")
        reason[here], value[here], limit[here] = name, values[here], held_to
    return pd.DataFrame({"reason": reason.astype(str), "value": value, "limit": limit}, index=batch.index.index)


def mean_colours(images: np.ndarray) -> np.ndarray:
    """Return the mean of every channel of uint8 N×H×W×C images, float64 N×C in [0, 1]."""
    return images.mean(axis=(1, 2), dtype=np.float64) / 255


def _digest(image: np.ndarray) -> bytes:
    return hashlib.blake2b(image.tobytes(), digest_size=16).digest()
