"""How close an image is to its reference: PSNR and SSIM of each image, on uint8 pixels.

torchmetrics is only compared with in the tests: its SSIM takes 14 to 120 times as long on a CPU core and refuses images
of 5 pixels or less, and its PSNR of an identical pair is infinite.
"""

import cv2
import numpy as np

from morelike.images.errors import NormalisationError

IDENTICAL_PSNR_DB = 100.0  # instead of infinity for an identical pair: JSON and means cannot hold it
WINDOW_PX, WINDOW_SIGMA_PX = 11, 1.5
K1, K2 = 0.01, 0.03


def psnr_db(images: np.ndarray, references: np.ndarray) -> np.ndarray:
    """Return the peak signal-to-noise ratio of each image, 10·log10(255² / MSE), at most 100 dB.

    Both are uint8 N×H×W×C; the result is float64 of length N. Higher is closer.

    Raises:
        NormalisationError: when the two differ in shape or are not uint8.

    >>> psnr_db(np.full((1, 2, 2, 1), 255, np.uint8), np.zeros((1, 2, 2, 1), np.uint8))
    array([0.])
    """
    _same_form(images, references)
    errors = images.astype(np.float64) - references
    mse = (errors**2).mean(axis=(1, 2, 3))
    smallest = 255.0**2 / 10 ** (IDENTICAL_PSNR_DB / 10)
    return 10 * np.log10(255.0**2 / np.maximum(mse, smallest))


def ssim(images: np.ndarray, references: np.ndarray) -> np.ndarray:
    """Return the mean structural similarity of each image: 1 for an identical pair, lower for others.

    Wang et al. 2004, "Image quality assessment: from error visibility to structural similarity", eq. 13:
    Gaussian window of 11×11 px with a std of 1.5 px, K1 = 0.01, K2 = 0.03, around every pixel; mean over pixels and
    channels. The image is mirrored at its border, so images smaller than the window are measured too.
    Both are uint8 N×H×W×C; the result is float64 of length N.

    Raises:
        NormalisationError: when the two differ in shape or are not uint8.
    """
    _same_form(images, references)
    return np.array([_ssim(image, reference) for image, reference in zip(images, references, strict=True)])


def _ssim(image: np.ndarray, reference: np.ndarray) -> float:
    x, y = image.astype(np.float64), reference.astype(np.float64)
    mean_x, mean_y = _windowed(x), _windowed(y)
    var_x = _windowed(x * x) - mean_x**2
    var_y = _windowed(y * y) - mean_y**2
    covariance = _windowed(x * y) - mean_x * mean_y
    c1, c2 = (K1 * 255) ** 2, (K2 * 255) ** 2
    luminance = (2 * mean_x * mean_y + c1) / (mean_x**2 + mean_y**2 + c1)
    structure = (2 * covariance + c2) / (var_x + var_y + c2)
    return float((luminance * structure).mean())


def _windowed(values: np.ndarray) -> np.ndarray:
    """Gaussian-weighted local means of H×W×C."""
    window = (WINDOW_PX, WINDOW_PX)
    return cv2.GaussianBlur(values, window, WINDOW_SIGMA_PX, borderType=cv2.BORDER_REFLECT_101).reshape(values.shape)


def _same_form(images: np.ndarray, references: np.ndarray) -> None:
    if images.shape != references.shape or images.ndim != 4 or images.dtype != np.uint8 or references.dtype != np.uint8:
        raise NormalisationError(
            f"expected two uint8 N×H×W×C arrays of one shape to compare, got {images.dtype} {images.shape} "
            f"and {references.dtype} {references.shape}"
        )
