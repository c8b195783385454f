"""How good a classifier's probabilities are. Each figure is a number per image, whose balanced mean is the score.

So `morelike.judge.statistics.interval` says how certain a score is, and how certain the paired difference of two arms.
"""

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax

BINS = 15


def negative_log_likelihood(log_probabilities: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Return minus the log-probability of each image's true class, in nats, 0 or more.

    Args:
        log_probabilities: float ...×images×classes.
        targets: int images, the true class of each.

    Returns:
        float64 ...×images.

    >>> negative_log_likelihood(np.log([[0.5, 0.5], [0.9, 0.1]]), np.array([0, 0])).round(3)
    array([0.693, 0.105])
    """
    return -_of_target(log_probabilities, targets).astype(np.float64)


def brier(log_probabilities: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Return the squared distance of the probabilities from the truth, summed over classes: 0 to 2 (Brier 1950).

    Takes and returns what :func:`negative_log_likelihood` does.

    >>> brier(np.log([[0.5, 0.5], [0.9, 0.1]]), np.array([0, 0])).round(3)
    array([0.5 , 0.02])
    """
    squares = np.square(np.exp(log_probabilities)).sum(-1, dtype=np.float64)
    return squares - 2 * np.exp(_of_target(log_probabilities, targets)) + 1


def calibration_gap(log_probabilities: np.ndarray, targets: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return what each image adds to the expected calibration error (ECE; Guo et al. 2017): the weighted mean is it.

    Images are put in 15 bins of equal width by their confidence, the probability of the predicted class. In each bin
    the ECE compares the mean confidence with the share of right predictions. An image's value is its confidence,
    less 1 if it is right, with the sign that its bin has on the whole. With few images the ECE is too high: a bin's
    sign is taken from the same images.

    Args:
        log_probabilities: float ...×images×classes.
        targets: int images, the true class of each.
        weights: float images, how much each counts: :func:`balanced_weights` of them.

    Returns:
        float64 ...×images, -1 to 1.
    """
    confidence = np.exp(log_probabilities.max(-1).astype(np.float64))
    gaps = confidence - (log_probabilities.argmax(-1) == targets)
    bins = np.clip(np.ceil(confidence * BINS).astype(np.int64) - 1, 0, BINS - 1)
    flat_bins, flat_gaps = bins.reshape(-1, bins.shape[-1]), gaps.reshape(-1, gaps.shape[-1])
    totals = [np.bincount(one, weights * gap, BINS) for one, gap in zip(flat_bins, flat_gaps, strict=True)]
    signs = np.sign(np.take_along_axis(np.stack(totals), flat_bins, axis=1))
    return gaps * signs.reshape(gaps.shape)


def balanced_weights(targets: np.ndarray, counted: np.ndarray) -> np.ndarray:
    """Return how much each image counts in a balanced mean, float64 images; the sum is 1.

    Args:
        targets: int images, the true class of each.
        counted: bool classes, which classes count; each of them has images.

    >>> balanced_weights(np.array([0, 0, 1, 2]), np.array([True, True, False]))
    array([0.25, 0.25, 0.5 , 0.  ])
    """
    images = np.bincount(targets, minlength=len(counted))
    return np.where(counted, 1 / np.maximum(images, 1), 0)[targets] / np.sum(counted)


def at_best_temperature(log_probabilities: np.ndarray, targets: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return the log-probabilities at the temperature at which these images are most likely (Guo et al. 2017).

    Label smoothing and mixed images make a classifier less sure than it could be. That is no fault of a recipe: one
    number mends it. So recipes are compared with each classifier at its own best temperature.

    Args:
        log_probabilities: float images×classes.
        targets: int images, the true class of each.
        weights: float images, how much each counts.

    Returns:
        float64 images×classes.
    """
    said = np.asarray(log_probabilities, np.float64)

    def scaled(log_temperature: float) -> np.ndarray:
        return log_softmax(said / np.exp(log_temperature), axis=1)

    def loss(log_temperature: float) -> float:
        return float(weights @ -_of_target(scaled(log_temperature), targets))

    return scaled(minimize_scalar(loss, bounds=(-3, 3), method="bounded").x)


def _of_target(log_probabilities: np.ndarray, targets: np.ndarray) -> np.ndarray:
    return log_probabilities[..., np.arange(len(targets)), targets]
