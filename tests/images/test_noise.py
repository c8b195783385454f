"""noise and corrupt: measured strengths are the asked ones; the same seed gives the same bytes."""

import json

import cv2
import numpy as np
import pandas as pd
import pytest

from morelike.core import params, randomness
from morelike.corrupt import corrupt
from morelike.images import noise, pixels
from morelike.storage.shards import ShardStore, ShardWriter

CORRUPT = params.load().corrupt


def rng(seed=0):
    return randomness.generator(seed, "test")


def flat(value, size=200, channels=3):
    return np.full((size, size, channels), value, np.uint8)


def picture(height=40, width=32, channels=3, seed=0):
    cells = rng(seed).random((6, 5, channels)).astype(np.float32)
    image = cv2.resize(cells, (width, height), interpolation=cv2.INTER_CUBIC).reshape(height, width, channels)
    return (image.clip(0, 1) * 255).astype(np.uint8)


@pytest.mark.parametrize("std", [0.02, 0.1, 0.15])
def test_gaussian_noise_has_the_std_that_was_asked_for_and_no_bias(std):
    noisy = noise.gaussian(flat(128), rng(), std) / 255
    assert noisy.std() == pytest.approx(std, rel=0.02)
    assert noisy.mean() == pytest.approx(128 / 255, abs=0.002)


def test_gaussian_noise_of_std_0_is_the_image():
    assert (noise.gaussian(picture(), rng(), 0.0) == picture()).all()


@pytest.mark.parametrize("share", [0.0, 0.08, 0.5, 1.0])
def test_salt_and_pepper_hits_its_share_of_pixels_half_black_half_white(share):
    noisy = noise.salt_and_pepper(flat(100), rng(), share)
    hit = (noisy != 100).any(axis=2)
    assert hit.mean() == pytest.approx(share, abs=0.01)
    assert (noisy == 0).all(axis=2).mean() == pytest.approx(share / 2, abs=0.01)
    assert (noisy == 255).all(axis=2).mean() == pytest.approx(share / 2, abs=0.01)


@pytest.mark.parametrize("level", [60, 120, 200])
def test_speckle_grows_with_the_level(level):
    noisy = noise.speckle(flat(level), rng(), 0.08) / 255
    assert noisy.std() == pytest.approx(0.08 * level / 255, rel=0.03)
    assert (noise.speckle(flat(0), rng(), 0.3) == 0).all()


@pytest.mark.parametrize("level", [40, 128])
@pytest.mark.parametrize("peak", [30, 200])
def test_the_variance_of_photon_noise_is_the_mean_over_the_peak(level, peak):
    noisy = noise.poisson(flat(level), rng(), peak) / 255
    assert noisy.mean() == pytest.approx(level / 255, rel=0.02)
    assert noisy.var() == pytest.approx(level / 255 / peak, rel=0.05)


@pytest.mark.parametrize("sigma_px", [0.6, 1.0, 3.0])
def test_blur_keeps_the_mean_and_lowers_the_contrast(sigma_px):
    image = rng().integers(0, 256, (40, 30, 3), dtype=np.uint8)
    blurred = noise.blur(image, rng(), sigma_px)
    assert blurred.mean() == pytest.approx(image.mean(), abs=1)
    assert blurred.std() < 0.8 * image.std()
    assert (noise.blur(flat(77), rng(), sigma_px) == 77).all()


def test_blur_spreads_a_point_to_the_sigma_that_was_asked_for():
    point = np.zeros((41, 41, 1), np.uint8)
    point[17:24, 17:24] = 255
    spread = noise.blur(point, rng(), 2.0)[:, :, 0].astype(float).sum(axis=0)
    places = np.arange(41)
    variance = (spread * (places - 20) ** 2).sum() / spread.sum()
    assert variance == pytest.approx(4.0 + (7**2 - 1) / 12, rel=0.05)


def test_jpeg_at_quality_100_is_nearly_the_image_and_gets_worse_below():
    for channels in (1, 3):
        image = picture(64, 64, channels)
        errors = [np.abs(noise.jpeg(image, rng(), q).astype(int) - image).mean() for q in (100, 50, 10, 1)]
        assert errors[0] < 1.5
        assert errors == sorted(errors)


def test_jpeg_keeps_red_red():
    red = np.zeros((16, 16, 3), np.uint8)
    red[..., 0] = 220
    assert noise.jpeg(red, rng(), 80)[..., 0].mean() > 200


@pytest.mark.parametrize(("share", "size_px"), [(0.0, 4), (0.1, 4), (0.5, 3), (0.25, 1), (1.0, 8), (0.3, 99)])
@pytest.mark.parametrize("shape", [(64, 64, 3), (37, 23, 1)])
def test_masking_covers_its_share_of_the_area_less_at_most_a_square(share, size_px, shape):
    image = np.full(shape, 200, np.uint8)
    noisy = noise.masking(image, rng(), share, size_px)
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
        reached |= noise.masking(flat(200, 30), rng(seed), 0.2, 4)[:, :, 0] == 0
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


def test_every_kind_in_params_has_its_function_and_the_other_way_round():
    assert set(noise.KINDS) == {step.kind for recipe in CORRUPT.recipes.values() for step in recipe}


@pytest.fixture
def resized(tmp_path):
    images = np.stack([picture(20, 16, seed=seed) for seed in range(300)])
    writer = ShardWriter(tmp_path / "resized", *images.shape[1:])
    writer.append(images)
    table = {"file": [f"a/{row}.png" for row in range(300)], "label": "a", "split": "train"}
    writer.close(pd.DataFrame(table | {"sha256": [f"{row:064x}" for row in range(300)]}))
    return tmp_path / "resized"


def test_noisy_twins_stand_row_for_row_with_what_was_measured(resized, tmp_path):
    measured = corrupt.write_noisy(resized, tmp_path / "noisy", CORRUPT.recipes, 0, workers=1)
    clean, noisy = ShardStore(resized), ShardStore(tmp_path / "noisy")
    assert list(noisy.index["file"]) == list(clean.index["file"])
    assert list(noisy.index.columns) == ["file", "label", "split", "recipe", "psnr_db", "ssim"]
    for row in (0, 127, 128, 299):
        a, b = clean.read([row])[0] / 255, noisy.read([row])[0] / 255
        assert noisy.index["psnr_db"][row] == pytest.approx(-10 * np.log10(((a - b) ** 2).mean()))
    assert sum(measured[name]["images"] for name in CORRUPT.recipes) == measured["images"] == 300
    rows = noisy.index[noisy.index["recipe"] == "blur"]
    assert measured["blur"]["psnr_db_mean"] == pytest.approx(rows["psnr_db"].mean())
    assert measured["blur"]["ssim_std"] == pytest.approx(np.std(rows["ssim"]))
    assert json.loads(json.dumps(measured, allow_nan=False)) == measured


def test_every_recipe_is_drawn_about_equally_often(resized, tmp_path):
    measured = corrupt.write_noisy(resized, tmp_path / "noisy", CORRUPT.recipes, 0, workers=1)
    expected = 300 / len(CORRUPT.recipes)
    assert all(abs(measured[name]["images"] - expected) < 4 * np.sqrt(expected) for name in CORRUPT.recipes)


def test_noise_depends_neither_on_the_workers_nor_on_the_order_but_on_the_seed(resized, tmp_path):
    corrupt.write_noisy(resized, tmp_path / "one", CORRUPT.recipes, 0, workers=1)
    corrupt.write_noisy(resized, tmp_path / "two", CORRUPT.recipes, 0, workers=2)
    for path in (tmp_path / "one").iterdir():
        assert path.read_bytes() == (tmp_path / "two" / path.name).read_bytes()
    store = ShardStore(resized)
    backwards = ShardWriter(tmp_path / "backwards", *store.shape)
    backwards.append(store.read(range(299, -1, -1)))
    backwards.close(store.index.iloc[::-1])
    corrupt.write_noisy(tmp_path / "backwards", tmp_path / "three", CORRUPT.recipes, 0, workers=1)
    forwards, turned = (ShardStore(tmp_path / name).read(range(300)) for name in ("one", "three"))
    assert (forwards == turned[::-1]).all()
    corrupt.write_noisy(resized, tmp_path / "four", CORRUPT.recipes, 1, workers=1)
    assert (forwards != ShardStore(tmp_path / "four").read(range(300))).any()


def test_a_recipe_that_changes_nothing_is_measured_without_infinities(resized, tmp_path):
    recipes = {"none": [params.Gaussian(kind="gaussian", std=0.0)]}
    measured = corrupt.write_noisy(resized, tmp_path / "noisy", recipes, 0, workers=1)
    assert measured["none"]["psnr_db_mean"] == 100.0
    assert measured["none"]["psnr_db_std"] == 0.0
    assert measured["none"]["ssim_mean"] == pytest.approx(1.0)
    assert (ShardStore(tmp_path / "noisy").read([7]) == ShardStore(resized).read([7])).all()


def test_noisy_pixels_survive_as_png():
    noisy = noise.apply(CORRUPT.recipes["worn"], picture(), rng())
    assert (pixels.decode(pixels.encode_png(noisy)) == noisy).all()
