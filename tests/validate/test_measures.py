import numpy as np
import pytest
from scipy.ndimage import convolve1d, gaussian_filter
from scipy.stats import entropy

from morelike.validate import measures


def noise(height=16, width=12, channels=3, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (height, width, channels), dtype=np.uint8)


def measured(image):
    return measures.of_image(image, measures.luma_of(image))


def told(*lumas):
    return measures.of_histograms(np.stack([measures.histogram(luma) for luma in lumas]))


def test_statistics_are_those_of_numpy():
    image = noise()
    values = image / 255
    got = measured(image)
    assert got["mean"] == pytest.approx(values.mean())
    assert got["std"] == pytest.approx(values.std())
    assert (got["min"], got["max"]) == (values.min(), values.max())
    assert [got[f"mean_{c}"] for c in "rgb"] == pytest.approx(values.mean(axis=(0, 1)))
    red, green, blue = values.reshape(-1, 3).T
    opponents = red - green, (red + green) / 2 - blue
    spread = np.hypot(opponents[0].std(), opponents[1].std())
    shift = np.hypot(opponents[0].mean(), opponents[1].mean())
    assert got["colourfulness"] == pytest.approx(spread + 0.3 * shift, rel=1e-5)


def test_grey_has_no_colour_however_it_is_stored():
    grey = np.repeat(noise(channels=1), 3, axis=2)
    assert measured(grey)["colourfulness"] == measured(grey[:, :, :1])["colourfulness"] == 0


def test_entropy_and_clipping_are_those_of_the_levels():
    luma = noise(40, 40, 1)[:, :, 0]
    luma[:20] = 0
    luma[20:25] = 255
    got = told(luma)
    counts = np.bincount(luma.ravel(), minlength=256)
    assert got["entropy_bits"][0] == pytest.approx(entropy(counts, base=2))
    assert got["clipped_share"][0] == pytest.approx(np.isin(luma, (0, 255)).mean())


def test_dark_and_light_are_percentiles_that_specks_do_not_move():
    black = np.full((50, 50), 10, np.uint8)
    black[0, :20] = 255  # 0.8% of the pixels
    white = 255 - black
    got = told(black, white)
    assert got["dark"][0] == pytest.approx(10 / 255)
    assert got["light"][1] == pytest.approx(245 / 255)
    assert got["dark"][1] == pytest.approx(245 / 255)


def crete(luma):
    """Equations 1 to 6 of Crété et al. (2007), written out."""
    image, results = luma.astype(float), []
    for axis in (0, 1):
        blurred = convolve1d(image, np.full(9, 1 / 9), axis=axis, mode="nearest")
        sharp, soft = (np.abs(np.diff(field, axis=axis)) for field in (image, blurred))
        results.append((sharp.sum() - np.maximum(0, sharp - soft).sum()) / sharp.sum())
    return max(results)


def test_blur_is_cretes_and_grows_with_blurring():
    image = noise(64, 64, 1)[:, :, 0]
    images = [image, *(gaussian_filter(image, sigma) for sigma in (1, 2, 4))]
    got = [measures.blur_effect(one) for one in images]
    assert got == pytest.approx([crete(one) for one in images], rel=1e-4)
    assert got == sorted(got)
    assert measures.blur_effect(np.full((9, 9), 7, np.uint8)) == 0
