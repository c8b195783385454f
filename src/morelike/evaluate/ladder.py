"""The ladder of training sets that are compared, and the law by which each is sampled."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from morelike.core import randomness
from morelike.evaluate.settings import Evaluate
from morelike.images.augment import Augment


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
class Run:
    """One classifier to train: everything a worker process needs to know."""

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

    All arms are sampled by this law, so that none is credited for mere re-balancing of the classes; an
    image's share of a class's draws is what anyone gets who loads the folder with a class-balanced sampler.
    The draws are a pure function of (seed, step): with one seed, every arm that has the same classes sees
    the same sequence of labels.
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
