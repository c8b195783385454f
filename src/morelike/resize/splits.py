"""Do val and test look like train? Tests that know how many images they have."""

from dataclasses import dataclass

import numpy as np
from scipy.special import stdtr

from morelike.images.errors import NormalisationError
from morelike.resize.proof import BATCH_ROWS, moments
from morelike.storage.shards import ShardStore

MOST_SHIFT = 1.0  # standard deviations of train's pixels between the means of two splits
FALSE_ALARMS = 5e-4  # of a sound split; val and test together 1 in 1,000
FEWEST, FEWEST_TRAIN = 5, 20  # images of a split, and of train, that it takes to tell a negative
RIDGE = 0.01  # of the mean variance, added to each channel's
TELLING = 0.5  # standard deviations between train's images and the middle to their negatives


@dataclass(frozen=True)
class Colours:
    """The mean of each channel over each image, float64 N×C in [0, 1], and the largest level, 0 to 255."""

    means: np.ndarray
    largest: int

    @classmethod
    def of(cls, store: ShardStore, rows: np.ndarray) -> "Colours":
        """Read the images at ``rows`` once, in batches."""
        means, largest = [np.empty((0, store.shape[2]))], 0
        for batch in store.batches(rows, BATCH_ROWS):
            means.append(batch.mean(axis=(1, 2), dtype=np.float64) / 255)
            largest = max(largest, int(batch.max()))
        return cls(np.concatenate(means), largest)


def check_splits(store: ShardStore, stop: bool = True) -> dict[str, float]:
    """Check that val and test are images like those of train, on the same scale.

    A split is refused if a channel's mean is more than a standard deviation of train's pixels from train's, and further
    than chance lets it be (:func:`far`); or if its images are negatives (:func:`negative`), or hold no level above 1 of
    255, so that they were divided by 255 twice. Of random stratified sets of 10, 20 and 100 photographs (of seven
    classes of Caltech 101) 0.1%, 0% and 0% are refused; if 8 or 16 images of a split are inverted, with 57 in train,
    80% and 93%.

    Returns:
        For each split that holds images, its largest shift: the difference of a channel's mean from train's, in
        standard deviations of train's pixels in that channel.

    Raises:
        NormalisationError: if a split is refused, and ``stop`` is set.
    """
    _, std = moments(store, store.rows("train"))
    train, shifts = Colours.of(store, store.rows("train")), {}
    for split in ("val", "test"):
        rows = store.rows(split)
        if not len(rows):
            continue
        other = Colours.of(store, rows)
        shift = np.abs(other.means.mean(axis=0) - train.means.mean(axis=0)) / np.maximum(std, 1 / 255)
        shifts[split] = float(shift.max())
        if stop and (fault := _fault(train, other, shifts[split])):
            raise NormalisationError(
                f"{split} does not look like train: {fault}, first {store.index['file'].iloc[rows[0]]}; look at both, "
                "or set resize.check_splits to false if they are as they should be"
            )
    return shifts


def far(train: np.ndarray, other: np.ndarray) -> bool:
    """Tell whether the mean of a channel is further from train's than chance lets it be.

    Student's prediction of the mean of m further images from n, of which only train's spread is known (t with n - 1
    degrees of freedom; Hahn & Meeker, "Statistical Intervals", 1991, section 4.8), Bonferroni's correction over the
    channels: sound random splits are called far at most 1 time in 2,000, however few their images are.

    Args:
        train: mean of each channel over each image, N×C in [0, 1].
        other: the same of the other split, M×C.
    """
    count = len(train)
    if count < 2:
        return False
    spread = np.maximum(train.std(axis=0, ddof=1), 1 / 255) * np.sqrt(1 / count + 1 / len(other))
    chances = 2 * stdtr(count - 1, -np.abs(other.mean(axis=0) - train.mean(axis=0)) / spread)
    return bool(chances.min() * train.shape[1] < FALSE_ALARMS)


def negative(train: np.ndarray, other: np.ndarray) -> bool:
    """Tell whether images look like the negatives of train's: dark for light, and each colour its opposite.

    Inverting an image mirrors its mean colour at mid-grey. Fisher's linear discriminant (1936) between train's mean
    colours and their mirror images gives each image a score, positive on train's side. The split is a negative if its
    mean score is further from train's than chance lets it be (as :func:`far`), and less than half as far from that of
    the negatives. Where train's own colours hardly differ from their mirror images nothing can be told.

    Args:
        train: mean of each channel over each image, N×C in [0, 1].
        other: the same of the other split, M×C.
    """
    if len(other) < FEWEST or len(train) < FEWEST_TRAIN:
        return False
    spread = np.atleast_2d(np.cov(train.T, bias=True))
    ridge = (RIDGE * np.trace(spread) / len(spread) + 1e-9) * np.eye(len(spread))
    direction = np.linalg.solve(spread + ridge, train.mean(axis=0) - 0.5)
    ours, theirs = (train - 0.5) @ direction, (other - 0.5) @ direction
    tells = ours.mean() > TELLING * ours.std(ddof=1)
    return bool(tells and theirs.mean() < -ours.mean() / 2 and far(ours[:, None], theirs[:, None]))


def _fault(train: Colours, other: Colours, shift: float) -> str:
    if other.largest <= 1 < train.largest and len(other.means) >= FEWEST:
        highest = f"{other.largest / 255:.2g}, in train they reach {train.largest / 255:.2g}"
        return f"no value is above {highest}: normalised twice"
    if shift > MOST_SHIFT and far(train.means, other.means):
        return (
            f"a channel's mean is {shift:.2g} standard deviations away, limit {MOST_SHIFT:g}, more than chance lets "
            f"{len(other.means)} images be: other images, or the same ones normalised or inverted otherwise"
        )
    if negative(train.means, other.means):
        return "its colours are opposite to train's, as in a negative: inverted images"
    return ""
