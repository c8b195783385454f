"""Balanced means, their intervals and what is made of them, against SciPy, scikit-learn and simulated worlds."""

import itertools

import numpy as np
import pytest
import scipy.stats
import sklearn.metrics

from morelike.judge.statistics import (
    Interval,
    Sample,
    estimate,
    interval,
    one_standard_error,
    smallest_visible,
    verdict,
)

PHOTOGRAPHS = np.arange(153) % 7  # a small test set: its images' classes
UNEVEN = np.repeat(np.arange(7), [40, 35, 30, 20, 15, 8, 5])
LETTERS = np.arange(300) % 10
PAPYRI = np.random.default_rng(0).integers(0, 30, 153)  # groups that span classes
WORLDS = {
    "seeds make no difference": (PHOTOGRAPHS, None, (0.80, 0.83), {"image": 0.6, "image of arm": 0.4}),
    "seeds dominate": (LETTERS, None, (0.80, 0.80), {"image": 0.3, "seed": 0.1, "noise": 0.1}),
    "images and seeds": (PHOTOGRAPHS, None, (0.80, 0.83), {"image": 0.6, "image of arm": 0.2, "seed": 0.04}),
    "noise of each prediction": (PHOTOGRAPHS, None, (0.80, 0.83), {"image": 0.7, "seed": 0.005, "noise": 0.3}),
    "groups that span classes": (
        PHOTOGRAPHS,
        PAPYRI,
        (0.80, 0.83),
        {"image": 0.3, "group": 0.2, "group of arm": 0.3, "seed": 0.01, "noise": 0.2},
    ),
    "uneven classes": (UNEVEN, None, (0.80, 0.83), {"image": 0.5, "image of arm": 0.2, "seed": 0.02, "noise": 0.1}),
    "97% right": (LETTERS, None, (0.97, 0.97), {"image": 0.6, "image of arm": 0.1, "seed": 0.01, "noise": 0.2}),
    "few images, 97% right": (PHOTOGRAPHS, None, (0.97, 0.97), {"image": 0.6, "image of arm": 0.4}),
}


def simulated(name: str, worlds: int, seeds: int, random: np.random.Generator) -> np.ndarray:
    """Return differences of right or wrong between two arms, worlds×seeds×images.

    An answer is right where a sum of normal effects is above a threshold, so that each arm's true accuracy is known.
    """
    targets, groups, accuracies, variances = WORLDS[name]
    images, total = len(targets), sum(variances.values())

    def effect(of: str, *shape: int) -> np.ndarray | float:
        share = variances.get(of, 0) / total
        return np.sqrt(share) * random.standard_normal((worlds, *shape), np.float32) if share else 0.0

    by_group = np.arange(images) if groups is None else groups
    common = effect("image", 1, images) + (effect("group", 1, 30)[..., by_group] if "group" in variances else 0)
    arms = []
    for accuracy in accuracies:
        own = effect("image of arm", 1, images) + effect("seed", seeds, 1) + effect("noise", seeds, images)
        if "group of arm" in variances:
            own = own + effect("group of arm", 1, 30)[..., by_group]
        right = common + own + scipy.stats.norm.ppf(accuracy) > 0
        arms.append(np.broadcast_to(right, (worlds, seeds, images)))
    return arms[1].astype(np.float32) - arms[0]


def coverage(name: str, seeds: int = 5, with_groups: bool = True, worlds: int = 2000) -> float:
    """Return how often the 95% interval holds the true difference."""
    targets, groups, accuracies, _ = WORLDS[name]
    images = np.arange(len(targets))
    sample = Sample(targets, groups if with_groups and groups is not None else images)
    random, covered, at_once = np.random.default_rng(1), 0, 500
    for _ in range(worlds // at_once):
        mean, se, df = estimate(sample, simulated(name, at_once, seeds, random))
        reach = scipy.stats.t.ppf(0.975, df) * se
        covered += int((np.abs(mean - (accuracies[1] - accuracies[0])) <= reach).sum())
    return covered / worlds


@pytest.mark.parametrize("name", WORLDS)
def test_the_interval_covers_the_truth_as_often_as_it_says(name):
    assert 0.93 <= coverage(name) <= 0.97


def test_an_interval_that_takes_images_of_a_group_for_independent_covers_too_seldom():
    assert coverage("groups that span classes", with_groups=False) < 0.9


def test_a_percentile_interval_over_three_seeds_covers_too_seldom():
    random = np.random.default_rng(2)
    differences = simulated("seeds dominate", 500, 3, random)
    by_seed = Sample(LETTERS, np.arange(300)).means(differences)
    resampled = by_seed[:, list(itertools.product(range(3), repeat=3))].mean(-1)
    low, high = np.quantile(resampled, [0.025, 0.975], axis=1)
    assert ((low <= 0) & (high >= 0)).mean() < 0.85


def test_the_mean_is_scikit_learns_balanced_accuracy():
    random = np.random.default_rng(0)
    targets, predicted = random.integers(0, 4, 300), random.integers(0, 4, (2, 300))
    expected = np.mean([sklearn.metrics.balanced_accuracy_score(targets, one) for one in predicted])
    assert interval(predicted == targets, targets, np.arange(300), 0.95).mean == pytest.approx(expected)


def test_of_one_class_without_seed_noise_it_is_students_interval():
    values = np.random.default_rng(0).normal(size=20)
    ours = interval(np.tile(values, (5, 1)), np.zeros(20, int), np.arange(20), 0.9, step=0)
    theirs = scipy.stats.ttest_1samp(values, 0).confidence_interval(0.9)
    assert (ours.low, ours.high, ours.df) == pytest.approx((theirs.low, theirs.high, 19))


def test_of_two_classes_without_seed_noise_it_is_welchs_interval():
    """The balanced mean of a and -b is half of what Welch's test compares."""
    random = np.random.default_rng(1)
    a, b = random.normal(size=12), random.normal(1, 3, size=30)
    ours = interval(np.tile(np.r_[a, b], (3, 1)), np.repeat([0, 1], [12, 30]), np.arange(42), 0.95, step=0)
    theirs = scipy.stats.ttest_ind(a, -b, equal_var=False)
    ends = theirs.confidence_interval(0.95)
    assert (2 * ours.low, 2 * ours.high, ours.df) == pytest.approx((ends.low, ends.high, theirs.df))


def test_where_all_images_agree_it_is_students_interval_of_the_seeds():
    by_seed = np.array([0.1, 0.4, 0.2, 0.25, 0.3])
    ours = interval(np.tile(by_seed[:, None], 40), np.arange(40) % 2, np.arange(40), 0.95, step=0)
    theirs = scipy.stats.ttest_1samp(by_seed, 0).confidence_interval(0.95)
    assert (ours.low, ours.high, ours.df) == pytest.approx((theirs.low, theirs.high, 4))


def test_groups_that_span_all_classes_count_as_students_draws():
    """Five patients with an image of each class: the mean over patients is what varies."""
    values = np.random.default_rng(2).normal(size=(5, 3))
    targets, patients = np.tile(np.arange(3), 5), np.repeat(np.arange(5), 3)
    ours = interval(np.tile(values.ravel(), (2, 1)), targets, patients, 0.95, step=0)
    theirs = scipy.stats.ttest_1samp(values.mean(1), 0).confidence_interval(0.95)
    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high))


def test_unequal_groups_have_the_variance_of_the_jackknife():
    random = np.random.default_rng(3)
    values, groups = random.normal(size=30), random.integers(0, 6, 30)
    without = np.array([values[groups != one].mean() for one in range(6)])
    ours = interval(np.tile(values, (2, 1)), np.zeros(30, int), groups, 0.95, step=0)
    assert ours.se**2 == pytest.approx(5 / 6 * np.square(without - values.mean()).sum())


def test_the_order_and_the_numbers_of_images_classes_and_clusters_do_not_matter():
    random = np.random.default_rng(4)
    values, targets, clusters = random.normal(size=(3, 50)), random.integers(0, 4, 50), random.integers(0, 20, 50)
    order = random.permutation(50)
    one = interval(values, targets, clusters, 0.95)
    other = interval(values[::-1, order], (7 - targets)[order], (100 - 3 * clusters)[order], 0.95)
    assert [other.low, other.high, other.df] == pytest.approx([one.low, one.high, one.df])


def test_classes_that_do_not_count_change_nothing():
    random = np.random.default_rng(5)
    values, targets = random.normal(size=(3, 60)), np.arange(60) % 3
    kept = targets != 1
    counted = interval(values, targets, np.arange(60), 0.95, counted=np.array([True, False, True]))
    assert counted == interval(values[:, kept], targets[kept], np.flatnonzero(kept), 0.95)


def test_a_handful_of_images_that_all_agree_do_not_make_a_difference_certain():
    sure = interval(np.ones((5, 8)), np.arange(8) % 2, np.arange(8), 0.95)
    assert sure.high - sure.low > 0.4
    many = interval(np.ones((5, 8000)), np.arange(8000) % 2, np.arange(8000), 0.95)
    assert many.high - many.low < 0.001


def test_a_class_with_one_group_has_the_variance_of_the_others():
    random = np.random.default_rng(6)
    values, targets = random.normal(size=41), np.r_[np.arange(40) % 2, 2]
    pooled = np.mean([values[targets == k].var(ddof=1) for k in (0, 1)])
    ours = interval(np.tile(values, (2, 1)), targets, np.arange(41), 0.95, step=0)
    assert ours.se**2 == pytest.approx(pooled * (1 / 20 + 1 / 20 + 1) / 9)


@pytest.mark.parametrize(
    ("values", "clusters", "said"),
    [(np.ones((1, 4)), np.arange(4), "two seeds"), (np.ones((2, 4)), np.arange(4) // 2, "two groups")],
)
def test_what_cannot_be_told_is_refused(values, clusters, said):
    with pytest.raises(ValueError, match=said):
        interval(values, np.arange(4) // 2, clusters, 0.95)


@pytest.mark.parametrize("seeds", [1, 3])
def test_the_first_recipe_within_one_standard_error_of_the_best_is_chosen(seeds):
    random = np.random.default_rng(7)
    targets, images = np.arange(200) % 4, np.arange(200)
    base = random.exponential(1, (seeds, 200))
    noise = random.normal(0, 0.2, (2, 1, 200))
    noise -= noise.mean((1, 2), keepdims=True)
    nll = np.stack([base + 0.3, base + 0.001 + noise[0], base, base + 0.1 + noise[1]])
    chosen, compared = one_standard_error(nll, targets, images)
    assert chosen == 1
    assert [one.difference for one in compared] == pytest.approx([0.3, 0.001, 0, 0.1])
    assert compared[2].se == 0
    assert compared[1].se == pytest.approx(0.2 / np.sqrt(200), rel=0.15)


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0.001, 0.2, "helps"),
        (-0.2, -0.001, "harms"),
        (-0.01, 0.01, "no useful difference"),
        (0.001, 0.009, "no useful difference"),
        (-0.009, -0.001, "no useful difference"),
        (-0.094, 0.077, "cannot tell"),
        (0.0, 0.02, "cannot tell"),
    ],
)
def test_there_are_four_verdicts(low, high, expected):
    assert verdict(Interval((low + high) / 2, low, high, 0.01, 20), margin=0.01) == expected


def test_a_difference_as_small_as_the_smallest_visible_is_seen_four_times_in_five():
    random = np.random.default_rng(8)
    targets, images = np.arange(100) % 2, np.arange(100)
    true = smallest_visible(interval(random.normal(0, 1, (2, 1, 100)).repeat(2, 1)[0], targets, images, 0.95, step=0))
    values = random.normal(true, 1, (1000, 1, 100)).repeat(2, 1)
    mean, se, df = estimate(Sample(targets, images), values, step=0)
    assert (mean - scipy.stats.t.ppf(0.975, df) * se > 0).mean() == pytest.approx(0.8, abs=0.06)
