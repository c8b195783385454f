"""What images are compared by: fixed, bounded, and the same however they are read."""

import numpy as np
import pytest

from morelike.evaluate import features
from tests import judged_stores
from tests.pictures import picture

SPACES = {
    "pixels": features.small_pictures,
    "gradients": features.gradients,
    "network": features.random_features((70, 90, 3)),
    "appearance": features.appearance((70, 90, 3)),
}


@pytest.mark.parametrize("name", SPACES)
def test_features_of_an_image_depend_neither_on_its_batch_nor_on_the_call(name):
    images = np.stack([picture(70, 90, 3, seed) for seed in range(5)])
    together = SPACES[name](images)
    assert together.dtype == np.float32
    assert together.ndim == 2
    assert np.isfinite(together).all()
    alone = np.concatenate([SPACES[name](images[k : k + 1]) for k in range(5)])
    assert together == pytest.approx(alone, abs=1e-5)
    assert len(np.unique(together, axis=0)) == 5


@pytest.mark.parametrize("name", SPACES)
@pytest.mark.parametrize("level", [0, 255])
def test_constant_images_have_finite_features(name, level):
    assert np.isfinite(SPACES[name](np.full((2, 70, 90, 3), level, np.uint8))).all()


def test_rows_are_read_in_order_whatever_the_batch(tmp_path, monkeypatch):
    store = judged_stores.beside(tmp_path, judged_stores.fresh, per_class=5, held_out=5)
    rows = np.array([3, 1, 40, 2])
    at_once = features.of_rows(store, rows, features.small_pictures)
    monkeypatch.setattr(features, "MOST_AT_ONCE", 3)
    assert np.array_equal(features.of_rows(store, rows, features.small_pictures), at_once)
    assert features.of_rows(store, rows[:0], features.small_pictures).shape == (0, 144)


def test_distances_between_small_pictures_are_the_rms_of_pixels():
    images = np.stack([picture(20, 30, 3, seed) for seed in range(2)])
    small = features.small_pictures(images)
    rms = np.sqrt(((images[0] / 255 - images[1] / 255) ** 2).mean())
    assert np.linalg.norm(small[0] - small[1]) == pytest.approx(rms, rel=1e-5)
    assert features.small_pictures(np.zeros((1, 200, 300, 3), np.uint8)).shape[1] <= features.MOST_VALUES


@pytest.mark.parametrize("turns", range(4))
def test_a_ramp_is_one_orientation(turns):
    ramp = np.rot90(np.tile(np.arange(0, 210, 10), (21, 1)), turns)[None, :, :, None].astype(np.uint8)
    histogram = features.gradients(ramp).reshape(features.ORIENTATIONS, -1).sum(1)
    expected = {0: 0, 1: 6, 2: 4, 3: 2}[turns]  # of eight: 0 grows to the right, 2 downwards
    assert histogram.argmax() == expected
    assert histogram[expected] == pytest.approx(histogram.sum())
