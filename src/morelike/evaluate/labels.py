"""Do the synthetic images show what their labels say? Asked of a classifier that never saw their sources."""

import numpy as np
from sklearn.linear_model import LogisticRegression

from morelike.evaluate.sample import FOLDS, Sample

PENALTY = 100.0  # sklearn's C
MOST_ITERATIONS = 300


def consistency(sample: Sample, values: np.ndarray) -> dict | None:
    """Return the share of the images that a cross-fitted logistic regression gives their own label.

    It learns from the real train images of all folds but one, each class with the same weight, and judges the real and
    the synthetic images of that fold: none whose source, file or group it learnt from. That the real ones are not all
    recognised is its own weakness: compare the two.

    Args:
        sample: the images.
        values: float N×D, their features.

    Returns:
        ``synthetic`` and ``real``, the mean over the classes that have both of the shares; ``probability_synthetic``
        and ``probability_real``, the same of the mean probability of their own label; ``by_class`` with all four per
        class. None if fewer than two classes can be learnt.
    """
    probability, right = _judged(sample, values)
    known = np.isfinite(probability)
    by_class = {}
    for k, name in enumerate(sample.classes):
        here = known & (sample.label == k)
        kinds = {"synthetic": here & sample.synthetic, "real": here & sample.real}
        if all(kind.any() for kind in kinds.values()):
            shares = {kind: float(right[which].mean()) for kind, which in kinds.items()}
            means = {f"probability_{kind}": float(probability[which].mean()) for kind, which in kinds.items()}
            by_class[name] = shares | means
    if not by_class:
        return None
    keys = ("synthetic", "real", "probability_synthetic", "probability_real")
    return {key: float(np.mean([of[key] for of in by_class.values()])) for key in keys} | {"by_class": by_class}


def _judged(sample: Sample, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the probability of each train image's label (NaN where nothing knew its class), and: is it likeliest?"""
    probability, right = np.full(len(values), np.nan), np.zeros(len(values), bool)
    for k in range(FOLDS):
        learnt = sample.real & (sample.fold != k)
        classes = np.unique(sample.label[learnt])
        asked = ~sample.held_out & (sample.fold == k) & np.isin(sample.label, classes)
        if len(classes) < 2 or not asked.any():
            continue
        model = LogisticRegression(C=PENALTY, max_iter=MOST_ITERATIONS, class_weight="balanced")
        said = model.fit(values[learnt], sample.label[learnt]).predict_proba(values[asked])
        own = np.searchsorted(classes, sample.label[asked])
        probability[asked] = said[np.arange(len(own)), own]
        right[asked] = said.argmax(1) == own
    return probability, right
