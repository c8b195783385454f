"""KID against torchmetrics, density and coverage against their definitions and what is expected of equal draws."""

import numpy as np
import pytest
import torch
from torchmetrics.image.kid import poly_mmd

from morelike.evaluate import coverage, features
from tests import judged_stores


def test_kid_is_that_of_torchmetrics():
    random = np.random.default_rng(0)
    real, other = random.normal(0, 1, (50, 12)), random.normal(0.2, 1, (50, 12))
    reference = poly_mmd(torch.from_numpy(real), torch.from_numpy(other), degree=3, gamma=None, coef=1.0)
    assert coverage.kid(real, other) == pytest.approx(float(reference), rel=1e-9)


def test_kid_of_two_draws_of_one_distribution_is_0_in_the_mean_and_not_for_different_numbers_either():
    random = np.random.default_rng(0)
    of_equal = [coverage.kid(random.normal(0, 1, (30, 5)), random.normal(0, 1, (60, 5))) for _ in range(200)]
    assert abs(np.mean(of_equal)) < 3 * np.std(of_equal) / np.sqrt(200)
    assert coverage.kid(random.normal(0, 1, (30, 5)), random.normal(1, 1, (60, 5))) > 5 * np.std(of_equal)


def test_density_and_coverage_are_as_defined():
    random = np.random.default_rng(0)
    real, other, k = random.normal(0, 1, (25, 3)), random.normal(0.3, 1, (40, 3)), 4
    inside = np.zeros((25, 40), bool)
    for i, a in enumerate(real):
        radius = sorted(np.linalg.norm(a - b) for j, b in enumerate(real) if j != i)[k - 1]
        inside[i] = [np.linalg.norm(a - b) < radius for b in other]
    density, covered = coverage.density_and_coverage(real, other, k)
    assert density == pytest.approx(inside.sum() / (k * 40))
    assert covered == pytest.approx(inside.any(1).mean())


def test_of_equal_draws_density_is_1_and_coverage_as_expected():
    random, count, k = np.random.default_rng(0), 60, 5
    draws = random.normal(0, 1, (150, 2, count, 4))
    density, covered = np.mean([coverage.density_and_coverage(*pair, k) for pair in draws], 0)
    missed = np.prod([(count - i) / (2 * count - i) for i in range(1, k + 1)])
    assert covered == pytest.approx(1 - missed, abs=0.01)
    assert density == pytest.approx(1, abs=0.03)


@pytest.mark.parametrize("made", [judged_stores.noise, lambda real, labels: np.repeat(real[:1], len(real), 0)])
def test_noise_and_one_image_over_and_over_cover_little_where_held_out_images_cover_all(tmp_path, made):
    store = judged_stores.beside(tmp_path, made)
    drawn = judged_stores.sampled(store)
    values = features.of_rows(store, drawn.rows, features.random_features(store.shape))
    figures = coverage.compare(drawn, values, np.random.default_rng(0))
    assert figures["synthetic"]["coverage"] < 0.4 < 0.85 < figures["held_out"]["coverage"]
    assert figures["synthetic"]["kid"] > 10 * abs(figures["held_out"]["kid"])
    assert (figures["synthetic"]["images"], figures["held_out"]["images"]) == (180, 120)


def test_as_many_of_each_kind_are_taken_from_each_class_and_few_are_not_measured(tmp_path):
    tables = [judged_stores.rows(["a"] * 20 + ["b"] * 3), judged_stores.rows(["a"] * 8 + ["b"] * 9, synthetic=True)]
    images = [judged_stores.patterns(list(t["label"]), np.random.default_rng(0)) for t in tables]
    store = judged_stores.write(tmp_path, images, tables)
    drawn = judged_stores.sampled(store)
    values = features.of_rows(store, drawn.rows, features.small_pictures)
    figures = coverage.compare(drawn, values, np.random.default_rng(0))
    assert figures["synthetic"]["by_class"]["b"] == {"density": None, "coverage": None, "images": 3}
    assert figures["synthetic"]["by_class"]["a"]["images"] == 8
    assert figures["synthetic"]["images"] == 11
    nothing = {"kid": None, "density": None, "coverage": None, "images": 0}
    assert figures["held_out"] | nothing == figures["held_out"]
