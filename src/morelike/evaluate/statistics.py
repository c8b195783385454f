"""Recall, balanced accuracy, and how certain a difference between two arms is."""

from dataclasses import dataclass

import numpy as np

RESAMPLES_AT_ONCE = 200  # to bound the memory


@dataclass(frozen=True)
class Interval:
    """An estimate with the ends of its confidence interval."""

    mean: float
    low: float
    high: float


def recalls(correct: np.ndarray, targets: np.ndarray, classes: int) -> np.ndarray:
    """Return the share of each class's images that are right.

    Args:
        correct: bool ...×images: is the prediction right?
        targets: int images, the true class of each.
        classes: number of classes.

    Returns:
        float64 ...×classes; NaN for a class without images.

    >>> recalls(np.array([True, False, True]), np.array([0, 0, 1]), 3)
    array([0.5, 1. , nan])
    """
    columns = [correct[..., targets == k] for k in range(classes)]
    shares = [c.mean(-1) if c.shape[-1] else np.full(c.shape[:-1], np.nan) for c in columns]
    return np.stack(shares, -1).astype(np.float64)


def bootstrap_recalls(
    correct: np.ndarray, targets: np.ndarray, classes: int, resamples: int, random: np.random.Generator
) -> np.ndarray:
    """Resample test images within their class, and training seeds, together; return the recalls of each resample.

    All arms get the same images and the same seeds, so differences between arms are paired. The two-level
    (product) bootstrap rather overstates the uncertainty (Owen 2007, "The pigeonhole bootstrap"). Of n images or
    seeds n - 1 are drawn, with replacement: so the variance of their mean is unbiased even for three seeds (McCarthy
    & Snowden 1985). Images that all classifiers judge alike are drawn together, as one multinomial count: the
    distribution is the same, and memory does not grow with the number of images.

    Args:
        correct: bool arms×seeds×images.
        targets: int images, the true class of each.
        classes: number of classes.
        resamples: number of resamples.
        random: advances.

    Returns:
        float64 resamples×arms×classes, mean over the drawn seeds; NaN for a class without images.
    """
    arms, seeds, _ = correct.shape
    seed_share = _resampled_shares(np.ones(seeds), resamples, random)
    result = np.full((resamples, arms, classes), np.nan)
    for k in np.unique(targets):
        judged = correct[:, :, targets == k].reshape(arms * seeds, -1).T
        patterns, counts = np.unique(judged, axis=0, return_counts=True)
        for start in range(0, resamples, RESAMPLES_AT_ONCE):
            part = slice(start, min(start + RESAMPLES_AT_ONCE, resamples))
            rates = _resampled_shares(counts, part.stop - part.start, random) @ patterns
            result[part, :, k] = np.einsum("bas,bs->ba", rates.reshape(-1, arms, seeds), seed_share[part])
    return result


def interval(estimate: float, resampled: np.ndarray, confidence: float) -> Interval:
    """Return ``estimate`` with the percentile interval of its resamples, each float64."""
    low, high = np.quantile(resampled, [(1 - confidence) / 2, (1 + confidence) / 2])
    return Interval(float(estimate), float(low), float(high))


def verdict(difference: Interval) -> str:
    """Return ``helps``, ``harms`` or ``does not help``: zero lies below, above or inside the interval.

    >>> verdict(Interval(0.02, 0.01, 0.03)), verdict(Interval(0.02, -0.01, 0.05))
    ('helps', 'does not help')
    """
    if difference.low > 0:
        return "helps"
    return "harms" if difference.high < 0 else "does not help"


def _resampled_shares(counts: np.ndarray, resamples: int, random: np.random.Generator) -> np.ndarray:
    draws = max(int(counts.sum()) - 1, 1)
    return random.multinomial(draws, counts / counts.sum(), resamples) / draws
