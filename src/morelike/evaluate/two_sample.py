"""Can a classifier tell synthetic from real images? The classifier two-sample test (Lopez-Paz and Oquab 2017)."""

import numpy as np
import pandas as pd
from scipy.stats import norm, rankdata
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from morelike.evaluate.sample import FOLDS, Sample

CONFIDENCE = 0.95
PENALTY = 0.1  # sklearn's C
MOST_ITERATIONS = 300


def tell_apart(sample: Sample, values: np.ndarray) -> dict | None:
    """Return how well a cross-validated logistic regression tells synthetic from real train images of a class.

    One regression learns from all classes, each centred on its own mean and with as much weight on either kind: else
    it learns which classes have more of a kind, and not what tells the kinds of one class apart. Images of one unit are
    in one fold.

    Args:
        sample: the images.
        values: float N×D, their features.

    Returns:
        ``auc``, the chance that it gives the synthetic one of two images of a class away (0.5: it cannot, 1: always),
        with ``low`` and ``high`` (95%), ``by_class`` with the same, and the numbers of images, ``real`` and
        ``synthetic``. None if no class has two units of either kind.
    """
    part = _comparable(sample)
    if not part.any():
        return None
    label, synthetic, unit, fold = (a[part] for a in (sample.label, sample.synthetic, sample.unit, sample.fold))
    score = _scores(_centred(values[part], label), synthetic, _weights(label, synthetic), fold)
    aucs = {int(k): _auc(score[label == k], synthetic[label == k]) for k in np.unique(label)}
    pairs = {k: int((synthetic & (label == k)).sum() * (~synthetic & (label == k)).sum()) for k in aucs}
    influence, total = np.zeros(len(label)), sum(pairs.values())
    by_class = {}
    for k, (auc, placed) in aucs.items():
        influence[label == k] = placed * pairs[k] / total
        by_class[sample.classes[k]] = _interval(auc, placed, unit[label == k])
    auc = sum(pairs[k] * auc for k, (auc, _) in aucs.items()) / total
    figures = _interval(auc, influence, unit) | {"by_class": by_class}
    return figures | {"real": int((~synthetic).sum()), "synthetic": int(synthetic.sum())}


def _comparable(sample: Sample) -> np.ndarray:
    """Return which images are of a class with two units of either kind in train, bool N."""
    unit, part = sample.unit, np.zeros(len(sample.rows), bool)
    for k in range(len(sample.classes)):
        kinds = [kind & (sample.label == k) for kind in (sample.real, sample.synthetic)]
        if all(len(np.unique(unit[kind])) > 1 for kind in kinds):
            part |= kinds[0] | kinds[1]
    return part


def _centred(values: np.ndarray, label: np.ndarray) -> np.ndarray:
    return values - pd.DataFrame(values).groupby(label).transform("mean").to_numpy()


def _weights(label: np.ndarray, synthetic: np.ndarray) -> np.ndarray:
    of_both = pd.Series(label).groupby(label).transform("size")
    of_kind = pd.Series(label).groupby([label, synthetic]).transform("size")
    return (of_both / (2 * of_kind)).to_numpy()


def _scores(values: np.ndarray, synthetic: np.ndarray, weights: np.ndarray, fold: np.ndarray) -> np.ndarray:
    """Return the score of each image by a regression that saw nothing of its fold; higher is more synthetic."""
    score = np.zeros(len(values))
    for k in range(FOLDS):
        learnt, asked = fold != k, fold == k
        if asked.any() and len(np.unique(synthetic[learnt])) == 2:
            model = make_pipeline(StandardScaler(), LogisticRegression(C=PENALTY, max_iter=MOST_ITERATIONS))
            model.fit(values[learnt], synthetic[learnt], logisticregression__sample_weight=weights[learnt])
            score[asked] = model.decision_function(values[asked])
    return score


def _auc(score: np.ndarray, synthetic: np.ndarray) -> tuple[float, np.ndarray]:
    """Return the AUC, and each image's share in its deviation (DeLong et al. 1988, by ranks)."""
    above = np.empty(len(score))
    ranks = rankdata(score)
    for kind in (synthetic, ~synthetic):
        above[kind] = (ranks[kind] - rankdata(score[kind])) / (~kind).sum()
    above[~synthetic] = 1 - above[~synthetic]
    auc = above[synthetic].mean()
    return float(auc), (above - auc) / np.where(synthetic, synthetic.sum(), (~synthetic).sum())


def _interval(auc: float, influence: np.ndarray, unit: np.ndarray) -> dict[str, float]:
    """Return the AUC with its interval; what belongs together counts once (Obuchowski 1997)."""
    of_unit = pd.Series(influence).groupby(unit).sum().to_numpy()
    count = len(of_unit)
    width = norm.ppf((1 + CONFIDENCE) / 2) * np.sqrt((of_unit**2).sum() * count / (count - 1))
    return {"auc": auc, "low": float(max(0, auc - width)), "high": float(min(1, auc + width))}
