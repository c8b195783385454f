"""The ladder of training sets that are compared, and how each is sampled."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from morelike.core import randomness
from morelike.evaluate.settings import Evaluate
from morelike.images.settings import Augment


@dataclass(frozen=True)
class Arm:
    """One training set: which images it has, and whether they are augmented classically."""

    real: bool
    synthetic: bool
    classical: bool


ARMS = {
    "real": Arm(real=True, synthetic=False, classical=False),
    "real+classical": Arm(real=True, synthetic=False, classical=True),
    "real+synthetic": Arm(real=True, synthetic=True, classical=False),
    "real+both": Arm(real=True, synthetic=True, classical=True),
    "synthetic": Arm(real=False, synthetic=True, classical=False),
}
BASELINE, CANDIDATE = "real+classical", "real+both"  # the verdict is on the candidate minus the baseline


@dataclass(frozen=True)
class ClassifierTraining:
    """One classifier to train: all that a worker process needs to know.

    Attributes:
        store: the folder of the unpacked dataset.
        classes: names, in the order of their numbers.
        arm: the name of the training set, a key of :data:`ARMS`.
        seed: of this training.
        settings: the section ``evaluate``.
        augment: how strongly the arms with classical augmentation change an image.
    """

    store: Path
    classes: tuple[str, ...]
    arm: str
    seed: int
    settings: Evaluate
    augment: Augment


def training_rows(index: pd.DataFrame, arm: Arm) -> np.ndarray:
    """Return the row numbers of the train images of ``arm``; never a row of another split."""
    synthetic = index["synthetic"].to_numpy(bool)
    chosen = (arm.synthetic & synthetic) | (arm.real & ~synthetic)
    return np.flatnonzero(chosen & (index["split"] == "train").to_numpy())


class BalancedSampler:
    """Draw a class uniformly, then one of its images uniformly, real and synthetic alike.

    All arms are sampled in this way, so that none gains by mere re-balancing of the classes. Whoever loads the
    dataset with a class-balanced sampler sees the same share of synthetic images per class.
    The draws are a pure function of (seed, step): with one seed, all arms that have the same classes see the same
    sequence of labels.
    """

    def __init__(self, rows: np.ndarray, targets: np.ndarray, seed: int):
        """Sample from ``rows``, int N, whose classes are ``targets``, int N."""
        order = np.argsort(targets, kind="stable")
        self._rows, self.seed = np.asarray(rows)[order], seed
        self.classes, self._starts, self._counts = np.unique(
            np.asarray(targets)[order], return_index=True, return_counts=True
        )

    def batch(self, step: int, size: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the rows and the classes of a batch, int64 of ``size`` each, with replacement."""
        draws = randomness.generator(self.seed, "batch", step).random((2, size))
        which = (draws[0] * len(self.classes)).astype(np.int64)
        within = (draws[1] * self._counts[which]).astype(np.int64)
        return self._rows[self._starts[which] + within], self.classes[which]
