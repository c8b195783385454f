"""From what classifiers said of the test split to the verdict: every figure with its interval, and the headline."""

import dataclasses
from dataclasses import dataclass

import numpy as np

from morelike.evaluate.headline import headline
from morelike.judge.calibration import balanced_weights, brier, calibration_gap, negative_log_likelihood
from morelike.judge.statistics import Interval, interval, smallest_visible, verdict

RARE_SHARE = 0.5  # a class is rare with fewer real train images than this share of the largest class
RATE, RATE_DIFFERENCE, ANY = (0.0, 1.0), (-1.0, 1.0), (-np.inf, np.inf)  # what a figure can be


@dataclass(frozen=True)
class Arms:
    """Which training set plays which part; each is the name of one, and one may play several.

    Attributes:
        none: real images, no augmentation.
        plain: real images, plain classical augmentation.
        baseline: real images, the classical augmentation that val chose.
        candidate: the best with synthetic images, augmented as the baseline; the verdict is on it.
        recipe: what val chose in the end; the baseline, if that was no worse without synthetic images.
        also: further pairs to compare, each (one, the other it is compared with).
    """

    none: str
    plain: str
    baseline: str
    candidate: str
    recipe: str
    also: tuple[tuple[str, str], ...] = ()

    def pairs(self) -> list[tuple[str, str]]:
        """Return which arms are compared, the pair of the verdict first; no pair twice, and no arm with itself."""
        pairs = [(self.candidate, self.baseline)]
        pairs += [(one, other) for one in (self.recipe, self.baseline) for other in (self.none, self.plain)]
        return [(one, other) for one, other in dict.fromkeys([*pairs, *self.also]) if one != other]


@dataclass(frozen=True)
class Tested:
    """What the classifiers said of the test split.

    Attributes:
        classes: names, in order.
        targets: int images, the number of each one's class.
        clusters: int images, what belongs together; without groups a number of its own for each.
        grouped: are there groups (a patient, a papyrus)?
        real_counts: int classes, the real train images of each.
        log_probabilities: per arm float32 seeds×images×classes; the seeds of an arm that has fewer are the first of
            the others', so that each seed is compared with itself.
        arms: the parts that they play; each arm that it names has log-probabilities.
        advice: how the recipe trains, in words that follow "Train with".
    """

    classes: list[str]
    targets: np.ndarray
    clusters: np.ndarray
    grouped: bool
    real_counts: np.ndarray
    log_probabilities: dict[str, np.ndarray]
    arms: Arms
    advice: str


def rare_classes(real_counts: np.ndarray) -> np.ndarray:
    """Return which classes have fewer than half the real train images of the largest, bool.

    >>> rare_classes(np.array([100, 49, 50]))
    array([False,  True, False])
    """
    return np.asarray(real_counts) < RARE_SHARE * np.max(real_counts)


def summarise(tested: Tested, margin: float, confidence: float, openings: int) -> dict:
    """Return the verdict, the headline, and per arm and pair of arms every figure with its interval.

    Balanced accuracy is the mean recall over the classes that have test images, as scikit-learn's
    ``balanced_accuracy_score``, but for those without a real train image: nothing could learn them. ``rare`` and
    ``common`` are the same over the rare and over the other classes, None where there are none of these. ``nll``
    (nats), ``brier`` and ``ece`` are balanced over classes too. A figure that nothing is known of but its bounds, as
    one on a single group, has its bounds as interval; None where it has no bounds.

    Args:
        tested: what the classifiers said.
        margin: the largest difference in balanced accuracy that is of no use.
        confidence: of the intervals, the level already divided by the openings.
        openings: how often the test split was opened, this time included.

    Returns:
        JSON values. ``smallest_visible`` is the smallest true difference that this test would have seen four times in
        five. An interval is a dict of mean, low, high, se and df (:class:`morelike.judge.statistics.Interval`).
    """
    images = np.bincount(tested.targets, minlength=len(tested.classes))
    counted = (images > 0) & (tested.real_counts > 0)
    rare = rare_classes(tested.real_counts)
    figures = _Figures(tested, confidence, counted, {"rare": counted & rare, "common": counted & ~rare})
    differences = [figures.of_pair(one, other) for one, other in tested.arms.pairs()]
    found = Interval(**differences[0]["balanced_accuracy"])
    summary = {
        "verdict": verdict(found, margin),
        "smallest_visible": min(smallest_visible(found), 1.0),
        "margin": margin,
        "confidence": confidence,
        "openings": openings,
        "seeds": len(tested.log_probabilities[tested.arms.baseline]),
        "test_images": int(images[counted].sum()),
        "groups": len(np.unique(tested.clusters[counted[tested.targets]])) if tested.grouped else None,
        "chance": 1 / int(counted.sum()),
        "roles": {part: getattr(tested.arms, part) for part in ("none", "plain", "baseline", "candidate", "recipe")},
        "advice": tested.advice,
        "arms": {arm: figures.of_arm(arm) for arm in tested.log_probabilities},
        "differences": differences,
        "rare_classes": _named(tested, counted & rare),
        "classes_without_test_images": _named(tested, images == 0),
        "classes_not_in_train": _named(tested, (images > 0) & ~counted),
    }
    return summary | {"sentence": headline(summary)}


class _Figures:
    """The figures of arms and of pairs of arms."""

    def __init__(self, tested: Tested, confidence: float, counted: np.ndarray, subsets: dict[str, np.ndarray]):
        self.tested, self.confidence, self.counted = tested, confidence, counted
        self.accuracies = {"balanced_accuracy": counted} | subsets
        self.right = {arm: said.argmax(-1) == tested.targets for arm, said in tested.log_probabilities.items()}

    def of_arm(self, arm: str) -> dict:
        tested, right = self.tested, self.right[arm].astype(np.float64)
        said, numbers = tested.log_probabilities[arm], np.arange(len(tested.classes))
        gap = calibration_gap(said, tested.targets, balanced_weights(tested.targets, self.counted))
        by_seed = [right[:, tested.targets == k].mean(1) for k in np.flatnonzero(self.counted)]
        return {
            **{name: self._figure(right, classes, 1, RATE) for name, classes in self.accuracies.items()},
            "recall": {name: self._figure(right, numbers == k, 1, RATE) for k, name in enumerate(tested.classes)},
            "by_seed": np.mean(by_seed, axis=0).tolist(),
            "nll": self._figure(negative_log_likelihood(said, tested.targets), self.counted, 0, ANY),
            "brier": self._figure(brier(said, tested.targets), self.counted, 0, (0.0, 2.0)),
            "ece": self._figure(gap, self.counted, 0, RATE),
        }

    def of_pair(self, one: str, other: str) -> dict:
        tested = self.tested
        seeds = min(len(self.right[one]), len(self.right[other]))
        right = self.right[one][:seeds].astype(np.float64) - self.right[other][:seeds]
        said = [tested.log_probabilities[arm][:seeds] for arm in (one, other)]
        nll = [negative_log_likelihood(part, tested.targets) for part in said]
        return {
            "candidate": one,
            "baseline": other,
            **{name: self._figure(right, classes, 1, RATE_DIFFERENCE) for name, classes in self.accuracies.items()},
            "nll": self._figure(nll[0] - nll[1], self.counted, 0, ANY),
        }

    def _figure(self, values: np.ndarray, classes: np.ndarray, step: float, bounds: tuple[float, float]) -> dict | None:
        """Return the balanced mean over ``classes`` with its interval within ``bounds``; None without images."""
        tested = self.tested
        images = np.bincount(tested.targets, minlength=len(classes))
        if not images[classes].any():
            return None
        low, high = bounds
        if not _varies(tested.targets, tested.clusters, classes):
            if bounds == ANY:
                return None
            mean = float(values.mean(0) @ balanced_weights(tested.targets, classes & (images > 0)))
            return dataclasses.asdict(Interval(mean, low, high, high - low, 1.0))
        found = interval(values, tested.targets, tested.clusters, self.confidence, classes, step)
        clipped = dataclasses.replace(found, low=max(found.low, low), high=min(found.high, high))
        return dataclasses.asdict(clipped)


def _varies(targets: np.ndarray, clusters: np.ndarray, classes: np.ndarray) -> bool:
    """Tell whether one of the classes has images of two clusters, so that something is known of how they vary."""
    return any(len(np.unique(clusters[targets == k])) > 1 for k in np.flatnonzero(classes))


def _named(tested: Tested, chosen: np.ndarray) -> list[str]:
    return [name for name, one in zip(tested.classes, chosen, strict=True) if one]
