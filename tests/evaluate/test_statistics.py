"""Recall, balanced accuracy, the two-level bootstrap and the verdict, against scikit-learn, SciPy and known truths."""

import numpy as np
import pytest
import scipy.stats
import sklearn.metrics

from morelike.evaluate.statistics import Interval, bootstrap_recalls, interval, recalls, verdict


def test_recalls_and_balanced_accuracy_equal_those_of_scikit_learn():
    random = np.random.default_rng(0)
    targets, predicted = random.integers(0, 4, 300), random.integers(0, 4, 300)
    ours = recalls(predicted == targets, targets, 4)
    assert np.allclose(ours, sklearn.metrics.recall_score(targets, predicted, average=None))
    assert np.isclose(ours.mean(), sklearn.metrics.balanced_accuracy_score(targets, predicted))


def test_a_class_without_test_images_has_no_recall_and_does_not_count():
    ours = recalls(np.array([True, False]), np.array([0, 2]), 3)
    assert np.array_equal(np.isnan(ours), [False, True, False])
    resampled = bootstrap_recalls(np.ones((1, 3, 2), bool), np.array([0, 2]), 3, 100, np.random.default_rng(0))
    assert np.array_equal(np.isnan(resampled).all((0, 1)), [False, True, False])


def test_with_one_seed_of_one_class_the_interval_is_that_of_scipys_bootstrap():
    random = np.random.default_rng(1)
    correct = random.random(400) < 0.8
    ours = bootstrap_recalls(correct[None, None], np.zeros(400, int), 1, 5000, random)[:, 0, 0]
    reference = scipy.stats.bootstrap((correct,), np.mean, n_resamples=5000, method="percentile", rng=2)
    mine = interval(correct.mean(), ours, 0.95)
    assert [mine.low, mine.high] == pytest.approx(list(reference.confidence_interval), abs=0.006)
    assert ours.std() == pytest.approx(reference.standard_error, rel=0.05)


def test_images_and_seeds_are_paired_between_arms():
    random = np.random.default_rng(2)
    one = random.random((1, 3, 200)) < 0.7
    resampled = bootstrap_recalls(np.concatenate([one, one]), np.arange(200) % 2, 2, 300, random)
    assert np.array_equal(resampled[:, 0], resampled[:, 1])


def test_the_spread_of_the_seeds_alone_widens_the_interval_without_bias():
    """All images right or wrong together: the variance of the mean of three seeds is s²/3."""
    share = np.array([0.2, 0.5, 0.8])
    correct = np.arange(1000) < 1000 * share[:, None]
    resampled = bootstrap_recalls(correct[None], np.zeros(1000, int), 1, 20000, np.random.default_rng(3))
    assert resampled.var() == pytest.approx(share.var(ddof=1) / 3, rel=0.05)


def test_the_interval_of_a_difference_covers_the_truth_as_often_as_it_says():
    random, covered, worlds = np.random.default_rng(4), 0, 200
    for _ in range(worlds):
        ease = random.beta(0.6, 0.15, 300)  # of each image, common to both arms and all seeds
        shift = random.normal(0, 0.01, (2, 3, 1))  # of each training run
        correct = random.random((2, 3, 300)) < np.clip(ease + shift, 0, 1)
        resampled = bootstrap_recalls(correct, np.arange(300) % 3, 3, 200, random).mean(2)
        mine = interval(0.0, resampled[:, 1] - resampled[:, 0], 0.95)
        covered += mine.low <= 0 <= mine.high
    assert covered / worlds > 0.92


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [(0.001, 0.2, "helps"), (-0.2, -0.001, "harms"), (-0.1, 0.1, "does not help"), (0.0, 0.0, "does not help")],
)
def test_the_verdict_needs_zero_outside_the_interval(low, high, expected):
    assert verdict(Interval((low + high) / 2, low, high)) == expected
