"""Noise, one short function a kind: uint8 H×W×C in, a new uint8 H×W×C out.

Strengths are in units of pixels in [0, 1]. Every function takes its random generator, also those that
draw nothing, so that all are called alike.
"""

from collections.abc import Sequence

import cv2
import numpy as np

from morelike import params, pixels


def gaussian(image: np.ndarray, rng: np.random.Generator, std: float) -> np.ndarray:
    """Add N(0, ``std``²) to every value (sensor and amplifier noise; Gonzalez & Woods, ch. 5), then clip."""
    return _to_uint8(_to_float(image) + std * rng.standard_normal(image.shape, np.float32))


def salt_and_pepper(image: np.ndarray, rng: np.random.Generator, share: float) -> np.ndarray:
    """Turn each pixel black or white, with probability ``share``/2 each (impulse noise; Gonzalez & Woods, ch. 5)."""
    draw = rng.random(image.shape[:2], np.float32)
    noisy = image.copy()
    noisy[draw < share] = 255
    noisy[draw < share / 2] = 0
    return noisy


def speckle(image: np.ndarray, rng: np.random.Generator, std: float) -> np.ndarray:
    """Multiply every value by 1 + N(0, ``std``²), then clip: white is hit hardest and black not at all."""
    return _to_uint8(_to_float(image) * (1 + std * rng.standard_normal(image.shape, np.float32)))


def poisson(image: np.ndarray, rng: np.random.Generator, peak: float) -> np.ndarray:
    """Count photons: Poisson(value · ``peak``) / ``peak``, of variance value / ``peak``; ``peak`` is at white."""
    return _to_uint8(rng.poisson(_to_float(image) * peak) / peak)


def blur(image: np.ndarray, rng: np.random.Generator, sigma_px: float) -> np.ndarray:
    """Convolve with a Gaussian of std ``sigma_px``; the image is mirrored at its border, so its mean stays."""
    return cv2.GaussianBlur(image, (0, 0), sigma_px, borderType=cv2.BORDER_REFLECT).reshape(image.shape)


def jpeg(image: np.ndarray, rng: np.random.Generator, quality: int) -> np.ndarray:
    """Encode as baseline JPEG (ISO/IEC 10918-1, 4:2:0) at ``quality`` 1 to 100, and decode again."""
    return pixels.through_jpeg(image, quality)


def masking(image: np.ndarray, rng: np.random.Generator, share: float, size_px: int) -> np.ndarray:
    """Black out distinct squares of side ``size_px``, as many as fit into ``share`` of the area.

    Masking noise of Vincent et al. 2008, in squares instead of single pixels. The squares are cells of a
    grid at a random offset, so that none overlap: the area covered is ``share`` less at most one square,
    or all that the grid covers.
    """
    height, width = image.shape[:2]
    size = min(size_px, height, width)
    rows, columns = height // size, width // size
    wanted = min(int(share * height * width / size**2 + 1e-9), rows * columns)
    top, left = rng.integers(height % size + 1), rng.integers(width % size + 1)
    noisy = image.copy()
    for cell in rng.choice(rows * columns, wanted, replace=False):
        y, x = top + cell // columns * size, left + cell % columns * size
        noisy[y : y + size, x : x + size] = 0
    return noisy


KINDS = {kind.__name__: kind for kind in (gaussian, salt_and_pepper, speckle, poisson, blur, jpeg, masking)}


def apply(recipe: Sequence[params.NoiseStep], image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Apply the steps of a recipe in order; ``image`` itself is left as it is."""
    for step in recipe:
        image = KINDS[step.kind](image, rng, **step.model_dump(exclude={"kind"}))
    return image


def _to_float(image: np.ndarray) -> np.ndarray:
    return image.astype(np.float32) / np.float32(255)


def _to_uint8(image: np.ndarray) -> np.ndarray:
    return np.rint(image.clip(0, 1) * 255).astype(np.uint8)
