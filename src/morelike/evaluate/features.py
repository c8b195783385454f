"""What images are compared by: short vectors of numbers, from uint8 N×H×W×C to float32 N×D."""

from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from morelike.evaluate.spectra import radial_power
from morelike.images import pixels
from morelike.storage.shards import ShardStore

Features = Callable[[np.ndarray], np.ndarray]  # uint8 N×H×W×C to float32 N×D

MOST_AT_ONCE, VALUES_AT_ONCE = 256, 2**22  # memory must not grow with the size of images
MOST_VALUES = 32 * 32 * 3  # of a small picture
SIDE_PX = 64  # longer sides are reduced to it before a network or gradients
ORIENTATIONS, CELLS = 8, 7
LEVELS = (0, 0.05, 0.25, 0.5, 0.75, 0.95, 1)
FINEST_BANDS = 32
ROUNDING_POWER = 1e-6  # of rounding to 256 levels, about: below it a spectrum means nothing


def of_rows(store: ShardStore, rows: np.ndarray, features: Features) -> np.ndarray:
    """Return the features of some rows of a store, float32 N×D, read in batches."""
    size = max(1, min(MOST_AT_ONCE, VALUES_AT_ONCE // int(np.prod(store.shape))))
    none = features(np.zeros((1, *store.shape), np.uint8))[:0]
    return np.concatenate([none, *(features(images) for images in store.batches(rows, size))]).astype(np.float32)


def small_pictures(images: np.ndarray) -> np.ndarray:
    """Return the pixels themselves, of images reduced by area to at most 3,072 values.

    Scaled so that a Euclidean distance is the rms of the difference of pixels in [0, 1].
    """
    height, width, channels = images.shape[1:]
    shrink = min(1.0, (MOST_VALUES / (height * width * channels)) ** 0.5)
    flat = _reduced(images, shrink).flatten(1).numpy()
    return flat / np.float32(flat.shape[1] ** 0.5)


def gradients(images: np.ndarray) -> np.ndarray:
    """Return histograms of gradient orientations in 7×7 cells, of length 1 per image (after Dalal and Triggs 2005).

    Orientations are over the full circle, 8 bins, each gradient shared by the two nearest. A linear classifier on them
    learns shapes from few images: of 1,081 digits it knew 90% (five classes had 20 each), from pixels 75%.
    """
    grey = _reduced(images, SIDE_PX / max(images.shape[1:3])).mean(1)
    down, right = torch.gradient(grey, dim=(1, 2))
    turn = torch.atan2(down, right) * (ORIENTATIONS / (2 * np.pi))
    half = ORIENTATIONS / 2
    offsets = [(torch.remainder(turn - k + half, ORIENTATIONS) - half).abs() for k in range(ORIENTATIONS)]
    shared = torch.stack([(1 - offset).clamp(min=0) for offset in offsets], 1)
    histograms = F.adaptive_avg_pool2d(shared * torch.hypot(down, right)[:, None], CELLS).flatten(1)
    return F.normalize(histograms).numpy()


def random_features(shape: tuple[int, int, int]) -> Features:
    """Return a network of fixed random weights, for images of ``shape`` (height, width, channels).

    Three 3×3 convolutions of stride 2 with ReLU (16, 32 and 32 channels), each averaged over the image, the last over
    its quarters: D = 176. Random networks see what images have and no trained one was told of (Naeem et al. 2020 use
    them for images unlike photographs).
    """
    drawn = torch.Generator().manual_seed(0)
    weights, channels = [], shape[2]
    for width in (16, 32, 32):
        weights.append(torch.randn(width, channels, 3, 3, generator=drawn) * (2 / (9 * channels)) ** 0.5)
        channels = width

    def features(images: np.ndarray) -> np.ndarray:
        x, pooled = _reduced(images, SIDE_PX / max(shape[:2])) * 2 - 1, []
        for weight, parts in zip(weights, (1, 1, 2), strict=True):
            x = F.relu(F.conv2d(x, weight, stride=2, padding=1))
            pooled.append(F.adaptive_avg_pool2d(x, parts).flatten(1))
        return torch.cat(pooled, 1).numpy()

    return features


def appearance(shape: tuple[int, int, int]) -> Features:
    """Return what gives synthetic images away: log power spectrum, quantiles of levels, :func:`random_features`."""
    network = random_features(shape)

    def features(images: np.ndarray) -> np.ndarray:
        spectrum = np.log(radial_power(images, FINEST_BANDS) + ROUNDING_POWER)
        levels = np.quantile(images.reshape(len(images), -1, images.shape[3]) / 255, LEVELS, axis=1)
        levels = levels.transpose(1, 0, 2).reshape(len(images), len(LEVELS) * images.shape[3])
        return np.hstack([spectrum, levels, network(images)]).astype(np.float32)

    return features


def augmented(features: Features, augment: Callable[[Tensor], Tensor]) -> Features:
    """Return ``features`` of augmented images; ``augment`` maps float32 N×C×H×W in [0, 1] to the same."""
    return lambda images: features(pixels.to_uint8(augment(torch.from_numpy(pixels.to_float(images))).numpy()))


def _reduced(images: np.ndarray, scale: float) -> Tensor:
    """Return float32 N×C×H×W in [0, 1], reduced by area where ``scale`` is below 1."""
    floats = torch.from_numpy(pixels.to_float(images))
    if scale >= 1:
        return floats
    size = [max(1, int(side * scale)) for side in floats.shape[2:]]
    return F.interpolate(floats, size=size, mode="area")
