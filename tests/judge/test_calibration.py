"""Scores of probabilities, against scikit-learn and torchmetrics."""

import numpy as np
import pytest
import sklearn.metrics
import torch
import torchmetrics.functional.classification
from scipy.special import log_softmax

from morelike.judge import calibration
from morelike.judge.calibration import balanced_weights, brier, calibration_gap, negative_log_likelihood
from morelike.judge.statistics import interval

CLASSES = 4


def said(seed: int, seeds: int = 2, images: int = 400, sharpness: float = 2.0) -> tuple[np.ndarray, np.ndarray]:
    """Return log-probabilities, seeds×images×classes, and targets that they know something of."""
    random = np.random.default_rng(seed)
    targets = random.integers(0, CLASSES, images)
    logits = random.normal(0, 1, (seeds, images, CLASSES)) + sharpness * np.eye(CLASSES)[targets]
    return torch.log_softmax(torch.tensor(logits * sharpness, dtype=torch.float32), -1).numpy(), targets


def test_log_likelihood_and_brier_score_are_scikit_learns():
    log_probabilities, targets = said(0)
    probabilities = np.exp(log_probabilities.astype(np.float64))
    probabilities /= probabilities.sum(-1, keepdims=True)
    nll, scores = negative_log_likelihood(log_probabilities, targets), brier(log_probabilities, targets)
    for seed in range(2):
        assert nll[seed].mean() == pytest.approx(sklearn.metrics.log_loss(targets, probabilities[seed]), abs=1e-6)
        expected = np.square(probabilities[seed] - np.eye(CLASSES)[targets]).sum(1)
        assert scores[seed] == pytest.approx(expected, abs=1e-6)


def test_the_brier_score_of_two_classes_is_twice_scikit_learns():
    log_probabilities, targets = said(1)
    pair = np.logaddexp.reduce(log_probabilities.reshape(2, 400, 2, 2), -1)
    truth = targets // 2
    expected = sklearn.metrics.brier_score_loss(truth, np.exp(pair[0, :, 1]).clip(0, 1))
    assert brier(pair, truth)[0].mean() == pytest.approx(2 * expected, abs=1e-5)


def test_the_calibration_error_is_torchmetrics():
    log_probabilities, targets = said(2)
    gaps = calibration_gap(log_probabilities, targets, np.ones(400))
    for seed in range(2):
        expected = torchmetrics.functional.classification.multiclass_calibration_error(
            torch.tensor(log_probabilities[seed]).exp(), torch.tensor(targets), CLASSES, n_bins=15
        )
        assert gaps[seed].mean() == pytest.approx(float(expected), abs=1e-6)


def test_the_balanced_calibration_error_is_that_of_classes_made_equal():
    """Each image of the smaller classes, repeated until all classes are of one size, gives the same error."""
    log_probabilities, _ = said(3, seeds=1, images=14)
    targets = np.repeat(np.arange(3), [2, 4, 8])
    repeats = np.repeat([4, 2, 1], [2, 4, 8])
    weights = balanced_weights(targets, np.array([True, True, True, False]))
    ours = (weights * calibration_gap(log_probabilities, targets, weights)).sum()
    expected = torchmetrics.functional.classification.multiclass_calibration_error(
        torch.tensor(np.repeat(log_probabilities[0], repeats, axis=0)).exp(),
        torch.tensor(np.repeat(targets, repeats)),
        CLASSES,
        n_bins=15,
    )
    assert ours == pytest.approx(float(expected), abs=1e-6)


def test_doubled_confidence_is_a_larger_calibration_error_and_the_interval_sees_it():
    log_probabilities, targets = said(4, images=2000, sharpness=1.0)
    bold = torch.log_softmax(torch.tensor(4 * log_probabilities), -1).numpy()
    weights = balanced_weights(targets, np.ones(CLASSES, bool))
    gaps = [calibration_gap(one, targets, weights) for one in (log_probabilities, bold)]
    found = interval(gaps[1] - gaps[0], targets, np.arange(2000), 0.95)
    assert found.low > 0.02


def test_the_paired_difference_of_likelihoods_is_more_certain_than_each():
    log_probabilities, targets = said(5)
    worse = np.log(0.95 * np.exp(log_probabilities) + 0.05 / CLASSES)
    one, other = (negative_log_likelihood(each, targets) for each in (log_probabilities, worse))
    paired = interval(other - one, targets, np.arange(400), 0.95, step=0)
    alone = interval(one, targets, np.arange(400), 0.95, step=0)
    assert paired.se < alone.se / 3


def test_temperature_undoes_what_makes_a_classifier_unsure_and_changes_no_decision():
    random = np.random.default_rng(0)
    truth = random.dirichlet([0.3] * 4, 4000)
    targets = np.array([random.choice(4, p=row) for row in truth])
    weights = np.full(4000, 1 / 4000)
    unsure = log_softmax(0.2 * np.log(truth + 1e-9), axis=1)
    mended = calibration.at_best_temperature(unsure, targets, weights)
    right = calibration.at_best_temperature(np.log(truth + 1e-9), targets, weights)
    assert np.allclose(mended, right, atol=1e-3)
    assert np.array_equal(mended.argmax(1), unsure.argmax(1))
    before, after = (calibration.negative_log_likelihood(one, targets).mean() for one in (unsure, mended))
    assert after < before - 0.1
