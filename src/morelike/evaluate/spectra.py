"""Power spectra: do the synthetic images have the fine detail of real ones?"""

import numpy as np
from scipy.fft import rfft2

from morelike.evaluate.sample import Sample
from morelike.images import pixels
from morelike.storage.shards import ShardStore

BANDS = 8


def radial_power(images: np.ndarray, bands: int) -> np.ndarray:
    """Return the power spectrum, averaged over rings of equal width, mean over the channels.

    Each channel's mean is taken off, and a Hann window keeps the borders of the image out of the spectrum. White noise
    of variance v has power v in every band but the first, where the mean is missing. Spectra of generated images were
    first compared so by Durall et al. 2020.

    Args:
        images: uint8 N×H×W×C.
        bands: rings from 0 to 0.5 cycles per pixel; fewer where half the shorter side has fewer pixels. The last one
            also takes the corners beyond 0.5.

    Returns:
        float64 N×bands.
    """
    height, width = images.shape[1:3]
    bands = _fitting(bands, height, width)
    window = np.outer(np.hanning(height + 2)[1:-1], np.hanning(width + 2)[1:-1]).astype(np.float32)
    levels = pixels.to_float(images)
    mean = np.einsum("nchw,hw->nc", levels, window / window.sum())[:, :, None, None]
    half = rfft2((levels - mean) * window)
    power = (half.real**2 + half.imag**2).mean(1) / (window**2).sum()
    return power.reshape(len(images), -1).astype(np.float64) @ _rings(height, width, bands)


def ratio(store: ShardStore, sample: Sample) -> dict:
    """Return synthetic over real power in each band, over the classes that have both; each class counts alike.

    Returns:
        ``ratio``, a float per band (None without power in the real images; empty where nothing can be compared), and
        ``cycles_per_pixel``, the upper end of each band. 1 is right, less at the end is blur, more is noise or a grid.
    """
    bands = _fitting(BANDS, *store.shape[:2])
    spectra = [np.empty((2, 0, bands))]
    for k in range(len(sample.classes)):
        kinds = [sample.rows[kind & (sample.label == k)] for kind in (sample.real, sample.synthetic)]
        if all(len(rows) for rows in kinds):
            spectra.append(np.stack([_mean_power(store, rows) for rows in kinds])[:, None])
    spectra = np.concatenate(spectra, 1)
    if not spectra.shape[1]:
        return {"ratio": [], "cycles_per_pixel": []}
    real, synthetic = spectra.mean(1)
    ratios = [float(s / r) if r > 0 else None for s, r in zip(synthetic, real, strict=True)]
    return {"ratio": ratios, "cycles_per_pixel": [0.5 * (k + 1) / bands for k in range(bands)]}


def _rings(height: int, width: int, bands: int) -> np.ndarray:
    """Return the weight of each frequency of a half spectrum in the mean of each ring, float64 frequencies×bands."""
    right = np.fft.rfftfreq(width)
    radius = np.hypot(np.fft.fftfreq(height)[:, None], right).ravel()
    twice = np.where((right > 0) & (right < 0.5), 2.0, 1.0)  # the other half mirrors these
    band = np.minimum((radius * 2 * bands).astype(int), bands - 1)
    rings = (band[:, None] == np.arange(bands)) * (np.tile(twice, height) * (radius > 0))[:, None]
    return rings / np.maximum(rings.sum(0), 1)


def _fitting(bands: int, height: int, width: int) -> int:
    return max(1, min(bands, min(height, width) // 2))


def _mean_power(store: ShardStore, rows: np.ndarray) -> np.ndarray:
    total = sum(radial_power(images, BANDS).sum(0) for images in store.batches(rows, 64))
    return total / len(rows)
