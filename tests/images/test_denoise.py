"""denoise: the classical denoisers do what OpenCV and SciPy do, on any form of image."""

import cv2
import numpy as np
import pytest
from scipy import ndimage

from morelike.images.denoise import DENOISERS
from tests.pictures import picture


@pytest.mark.parametrize("name", DENOISERS)
@pytest.mark.parametrize("shape", [(28, 28, 1), (17, 23, 3), (1, 1, 1), (2, 5, 3)])
def test_every_strength_keeps_the_form_and_leaves_its_input_alone(name, shape):
    image = picture(*shape)
    before = image.copy()
    for strength in DENOISERS[name].strengths:
        restored = DENOISERS[name](image, strength)
        assert (restored.shape, restored.dtype) == (shape, np.uint8)
    assert (image == before).all()


def test_non_local_means_is_that_of_opencv():
    image = picture(20, 24, 3)
    theirs = cv2.fastNlMeansDenoising(image, None, h=20.0, templateWindowSize=7, searchWindowSize=21)
    assert (DENOISERS["non-local means"](image, 20.0) == theirs).all()


def test_the_median_is_that_of_scipy():
    image = picture(20, 24, 1)
    assert (DENOISERS["median"](image, 5.0) == ndimage.median_filter(image, (5, 5, 1), mode="nearest")).all()


def test_the_gaussian_is_that_of_scipy_to_a_level():
    image = picture(20, 24, 3)
    theirs = ndimage.gaussian_filter(image.astype(float), (1.0, 1.0, 0), mode="mirror", truncate=3.0)
    assert np.abs(DENOISERS["Gaussian"](image, 1.0) - theirs).max() <= 1.5


@pytest.mark.parametrize("name", DENOISERS)
def test_noise_of_its_own_kind_gets_less_at_some_strength(name):
    clean = cv2.GaussianBlur(picture(48, 48, 1), (0, 0), 4.0).reshape(48, 48, 1)
    draw = np.random.default_rng(0)
    noisy = (clean + draw.normal(0, 20, clean.shape)).clip(0, 255).astype(np.uint8)
    errors = [np.square(DENOISERS[name](noisy, s) - clean.astype(float)).mean() for s in DENOISERS[name].strengths]
    assert min(errors) < 0.5 * np.square(noisy - clean.astype(float)).mean()
