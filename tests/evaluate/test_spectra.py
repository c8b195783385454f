"""Power spectra, on waves and noise whose spectrum is known."""

import itertools

import numpy as np
import pytest

from morelike.evaluate import spectra
from tests import judged_stores


@pytest.mark.parametrize(("height", "width", "channels"), [(32, 32, 1), (31, 24, 3)])
def test_white_noise_has_its_variance_in_every_band_above_the_mean(height, width, channels):
    random = np.random.default_rng(0)
    images = random.normal(128, 30, (300, height, width, channels)).round().astype(np.uint8)
    power = spectra.radial_power(images, 8).mean(0)[1:]  # the first band lacks what went with the mean
    assert power == pytest.approx(np.full(7, images.var() / 255**2), rel=0.05)


@pytest.mark.parametrize("cycles_per_pixel", [0.1, 0.22, 0.34, 0.47])
def test_a_wave_is_in_the_band_of_its_frequency_whatever_its_direction(cycles_per_pixel):
    down, right = np.mgrid[:64, :64]
    for angle in (0, 0.5, np.pi / 2):
        phase = 2 * np.pi * cycles_per_pixel * (down * np.sin(angle) + right * np.cos(angle))
        image = (127.5 + 100 * np.sin(phase))[None, :, :, None].round().astype(np.uint8)
        assert spectra.radial_power(image, 8).argmax() == int(cycles_per_pixel * 16)


@pytest.mark.parametrize("side", [1, 2, 3, 5])
def test_tiny_images_have_fewer_bands_and_constant_ones_no_power(side):
    power = spectra.radial_power(np.full((2, side, side, 3), 200, np.uint8), 8)
    assert power.shape == (2, max(1, side // 2))
    assert power == pytest.approx(0, abs=1e-10)


@pytest.mark.parametrize(
    ("made", "low", "high"),
    [
        (lambda real, labels: real, 1, 1),
        (judged_stores.fresh, 0.85, 1.15),
        (judged_stores.blurred, 0, 0.5),
        (judged_stores.noise, 2, np.inf),
    ],
)
def test_the_ratio_at_the_fine_end_is_1_for_copies_less_for_blur_and_more_for_noise(tmp_path, made, low, high):
    store = judged_stores.beside(tmp_path, made)
    figures = spectra.ratio(store, judged_stores.sampled(store))
    assert low <= figures["ratio"][-1] <= high
    assert len(figures["ratio"]) == len(figures["cycles_per_pixel"]) == 6
    assert figures["cycles_per_pixel"][-1] == 0.5


@pytest.mark.parametrize(("height", "width"), [(16, 20), (15, 21)])
def test_rings_are_means_over_the_whole_spectrum(height, width):
    image = np.random.default_rng(0).integers(0, 256, (1, height, width, 1)).astype(np.uint8)
    window = np.outer(np.hanning(height + 2)[1:-1], np.hanning(width + 2)[1:-1])
    levels = image[0, :, :, 0] / 255
    whole = np.abs(np.fft.fft2((levels - (levels * window).sum() / window.sum()) * window)) ** 2 / (window**2).sum()
    radius = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.fftfreq(width))
    ends = [0, 0.125, 0.25, 0.375, np.inf]
    means = [whole[(radius > 0) & (low <= radius) & (radius < high)].mean() for low, high in itertools.pairwise(ends)]
    assert spectra.radial_power(image, 4)[0] == pytest.approx(means, rel=1e-4)
