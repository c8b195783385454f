"""noise: measured strengths are the asked ones; the same seed gives the same bytes."""

from pathlib import Path
from typing import get_args

import numpy as np
import pytest

from morelike.core import randomness, settings
from morelike.corrupt.settings import Corrupt
from morelike.images import noise, pixels
from tests.pictures import picture

CORRUPT = settings.read(Path(__file__).resolve().parents[2] / "params.yaml").section("corrupt", Corrupt)


def rng(seed=0):
    return randomness.generator(seed, "test")


def flat(value, size=200, channels=3):
    return np.full((size, size, channels), value, np.uint8)


@pytest.mark.parametrize("std", [0.02, 0.1, 0.15])
def test_gaussian_noise_has_the_std_that_was_asked_for_and_no_bias(std):
    noisy = noise.Gaussian(kind="gaussian", std=std)(flat(128), rng()) / 255
    assert noisy.std() == pytest.approx(std, rel=0.02)
    assert noisy.mean() == pytest.approx(128 / 255, abs=0.002)


def test_gaussian_noise_of_std_0_is_the_image():
    assert (noise.Gaussian(kind="gaussian", std=0.0)(picture(), rng()) == picture()).all()


@pytest.mark.parametrize("share", [0.0, 0.08, 0.5, 1.0])
def test_salt_and_pepper_hits_its_share_of_pixels_half_black_half_white(share):
    noisy = noise.SaltAndPepper(kind="salt_and_pepper", share=share)(flat(100), rng())
    hit = (noisy != 100).any(axis=2)
    assert hit.mean() == pytest.approx(share, abs=0.01)
    assert (noisy == 0).all(axis=2).mean() == pytest.approx(share / 2, abs=0.01)
    assert (noisy == 255).all(axis=2).mean() == pytest.approx(share / 2, abs=0.01)


@pytest.mark.parametrize("level", [60, 120, 200])
def test_speckle_grows_with_the_level(level):
    noisy = noise.Speckle(kind="speckle", std=0.08)(flat(level), rng()) / 255
    assert noisy.std() == pytest.approx(0.08 * level / 255, rel=0.03)
    assert (noise.Speckle(kind="speckle", std=0.3)(flat(0), rng()) == 0).all()


@pytest.mark.parametrize("level", [40, 128])
@pytest.mark.parametrize("peak", [30, 200])
def test_the_variance_of_photon_noise_is_the_mean_over_the_peak(level, peak):
    noisy = noise.Poisson(kind="poisson", peak=peak)(flat(level), rng()) / 255
    assert noisy.mean() == pytest.approx(level / 255, rel=0.02)
    assert noisy.var() == pytest.approx(level / 255 / peak, rel=0.05)


@pytest.mark.parametrize("sigma_px", [0.6, 1.0, 3.0])
def test_blur_keeps_the_mean_and_lowers_the_contrast(sigma_px):
    image = rng().integers(0, 256, (40, 30, 3), dtype=np.uint8)
    blurred = noise.Blur(kind="blur", sigma_px=sigma_px)(image, rng())
    assert blurred.mean() == pytest.approx(image.mean(), abs=1)
    assert blurred.std() < 0.8 * image.std()
    assert (noise.Blur(kind="blur", sigma_px=sigma_px)(flat(77), rng()) == 77).all()


def test_blur_spreads_a_point_to_the_sigma_that_was_asked_for():
    point = np.zeros((41, 41, 1), np.uint8)
    point[17:24, 17:24] = 255
    spread = noise.Blur(kind="blur", sigma_px=2.0)(point, rng())[:, :, 0].astype(float).sum(axis=0)
    places = np.arange(41)
    variance = (spread * (places - 20) ** 2).sum() / spread.sum()
    assert variance == pytest.approx(4.0 + (7**2 - 1) / 12, rel=0.05)


def test_jpeg_at_quality_100_is_nearly_the_image_and_gets_worse_below():
    for channels in (1, 3):
        image = picture(64, 64, channels)
        copies = [noise.Jpeg(kind="jpeg", quality=quality)(image, rng()) for quality in (100, 50, 10, 1)]
        errors = [np.abs(copy.astype(int) - image).mean() for copy in copies]
        assert errors[0] < 1.5
        assert errors == sorted(errors)


def test_jpeg_keeps_red_red():
    red = np.zeros((16, 16, 3), np.uint8)
    red[..., 0] = 220
    assert noise.Jpeg(kind="jpeg", quality=80)(red, rng())[..., 0].mean() > 200


@pytest.mark.parametrize(("share", "size_px"), [(0.0, 4), (0.1, 4), (0.5, 3), (0.25, 1), (1.0, 8), (0.3, 99)])
@pytest.mark.parametrize("shape", [(64, 64, 3), (37, 23, 1)])
def test_masking_covers_its_share_of_the_area_less_at_most_a_square(share, size_px, shape):
    image = np.full(shape, 200, np.uint8)
    noisy = noise.Masking(kind="masking", share=share, size_px=size_px)(image, rng())
    size = min(size_px, *shape[:2])
    masked = (noisy == 0).all(axis=2)
    area = shape[0] * shape[1]
    grid = (shape[0] // size) * (shape[1] // size) * size**2
    assert masked.sum() <= share * area + 1e-9
    assert masked.sum() > min(share * area, grid) - size**2
    assert masked.sum() % size**2 == 0
    assert (noisy[~masked] == 200).all()


def test_masks_reach_every_part_of_the_image():
    reached = np.zeros((30, 30), bool)
    for seed in range(200):
        reached |= noise.Masking(kind="masking", share=0.2, size_px=4)(flat(200, 30), rng(seed))[:, :, 0] == 0
    assert reached.all()


@pytest.mark.parametrize("name", sorted(CORRUPT.recipes))
@pytest.mark.parametrize("shape", [(28, 28, 1), (33, 17, 3), (1, 1, 1), (2, 5, 3)])
def test_every_recipe_keeps_the_form_and_leaves_its_input_alone(name, shape):
    image = picture(*shape)
    before = image.copy()
    noisy = noise.apply(CORRUPT.recipes[name], image, rng())
    assert (noisy.shape, noisy.dtype) == (shape, np.uint8)
    assert (image == before).all()


@pytest.mark.parametrize("name", sorted(CORRUPT.recipes))
def test_the_same_seed_gives_the_same_bytes(name):
    recipe = CORRUPT.recipes[name]
    assert (noise.apply(recipe, picture(), rng(5)) == noise.apply(recipe, picture(), rng(5))).all()


@pytest.mark.parametrize("name", ["gaussian", "salt_and_pepper", "speckle", "poisson", "masking"])
def test_another_seed_gives_other_noise(name):
    recipe = CORRUPT.recipes[name]
    assert (noise.apply(recipe, picture(), rng(5)) != noise.apply(recipe, picture(), rng(6))).any()


def test_the_steps_of_a_recipe_are_applied_in_order():
    steps = CORRUPT.recipes["worn"]
    one_by_one, stream = picture(), rng()
    for step in steps:
        one_by_one = noise.apply([step], one_by_one, stream)
    assert (noise.apply(steps, picture(), rng()) == one_by_one).all()


def test_every_kind_of_noise_is_in_params_and_the_other_way_round():
    kinds = get_args(get_args(noise.NoiseStep)[0])
    assert set(kinds) == {type(step) for recipe in CORRUPT.recipes.values() for step in recipe}


def test_noisy_pixels_survive_as_png():
    noisy = noise.apply(CORRUPT.recipes["worn"], picture(), rng())
    assert (pixels.decode(pixels.encode_png(noisy)) == noisy).all()
