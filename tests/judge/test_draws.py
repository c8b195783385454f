"""A recipe's draws: a class first, synthetic with one probability for all, the same real images for one seed."""

import numpy as np
import pytest

from morelike.judge.draws import Draws
from morelike.judge.recipes import Recipe
from tests.judging import CLASSICAL

TARGETS = np.repeat([0, 1, 2, 0, 1, 2], [90, 9, 1, 50, 400, 0])  # real ones, then synthetic ones; class 2 has none
REAL, SYNTHETIC = np.arange(100), np.arange(100, 550)


def drawn(recipe: dict, left: float = 1.0, real=REAL, synthetic=SYNTHETIC) -> tuple[np.ndarray, np.ndarray]:
    draws = Draws(real, synthetic, TARGETS, Recipe(augment=CLASSICAL, **recipe), seed=3)
    batches = [draws.batch(step, 200, left) for step in range(60)]
    return tuple(np.concatenate(parts) for parts in zip(*batches, strict=True))


def test_classes_are_drawn_alike_and_synthetic_images_with_one_probability_for_all():
    rows, classes = drawn({"synthetic": 0.25})
    assert np.array_equal(TARGETS[rows], classes)
    assert np.bincount(classes) / len(classes) == pytest.approx([1 / 3] * 3, abs=0.02)
    for k in (0, 1):
        assert np.isin(rows[classes == k], SYNTHETIC).mean() == pytest.approx(0.25, abs=0.025)
    assert set(rows[classes == 2]) == {99}  # its only image: there is no synthetic one


def test_the_share_of_synthetic_images_falls_with_what_is_left_of_it():
    for left in (0.5, 0.0):
        assert np.isin(drawn({"synthetic": 0.5}, left)[0], SYNTHETIC).mean() == pytest.approx(left / 3, abs=0.02)


def test_recipes_with_one_seed_see_the_same_classes_and_real_images_where_neither_draws_a_synthetic_one():
    without, classes = drawn({"synthetic": 0.0}, synthetic=SYNTHETIC[:0])
    some, same_classes = drawn({"synthetic": 0.25})
    assert np.array_equal(classes, same_classes)
    is_real = some < 100
    assert 0.7 < is_real.mean() < 0.9
    assert np.array_equal(some[is_real], without[is_real])


def test_a_folder_is_drawn_image_by_image():
    rows, classes = drawn({"draw": "folder", "synthetic": 1.0})
    assert np.isin(rows, SYNTHETIC).mean() == pytest.approx(450 / 550, abs=0.02)
    assert np.array_equal(TARGETS[rows], classes)


def test_synthetic_images_alone_stay_so_to_the_end():
    rows, _ = drawn({"synthetic": 1.0}, left=0.0, real=REAL[:0])
    assert np.isin(rows, SYNTHETIC).all()
