"""What is measured on the pixels of an image. Pixel values count from 0 (black) to 1 (white)."""

import math

import cv2
import numpy as np

from morelike.images import pixels

# In a larger image, colourfulness is measured after shrinking it, blur in a middle part of this side.
LONGEST_SIDE_PX = 512
BLUR_TAPS = 9
LEVELS = np.arange(256) / 255


def of_image(image: np.ndarray, luma: np.ndarray) -> dict[str, float]:
    """Return the statistics of a uint8 H×W×{1,3} image with uint8 H×W ``luma``, pixels in [0, 1].

    ``mean``, ``std``, ``min`` and ``max`` are over all values; ``mean_r``, ``mean_g`` and ``mean_b`` per channel.
    ``colourfulness`` is M of Hasler & Süsstrunk, "Measuring colourfulness in natural images" (2003), 0 for grey.
    """
    means = [mean / 255 for mean in cv2.mean(image)[: image.shape[2]]]
    mean = sum(means) / len(means)
    variance = cv2.norm(image, cv2.NORM_L2SQR) / image.size / 255**2 - mean**2
    red, green, blue = means * 3 if len(means) == 1 else means
    return {
        "mean": mean,
        "std": math.sqrt(max(variance, 0.0)),
        "min": float(image.min()) / 255,
        "max": float(image.max()) / 255,
        "mean_r": red,
        "mean_g": green,
        "mean_b": blue,
        "colourfulness": _colourfulness(image),
        "blur": blur_effect(_middle(luma)),
    }


def of_histograms(histograms: np.ndarray) -> dict[str, np.ndarray]:
    """Return what N×256 histograms of luma tell, each as float64 N.

    ``dark`` is the 99th percentile of brightness (its maximum, specks left out), ``light`` the 1st, both in [0, 1].
    ``entropy_bits`` is Shannon's entropy, 0 to 8; ``clipped_share`` the share of pixels at level 0 or 255.
    """
    shares = histograms / histograms.sum(axis=1, keepdims=True)
    cumulated = shares.cumsum(axis=1)
    logs = np.log2(shares, out=np.zeros_like(shares), where=shares > 0)
    return {
        "dark": LEVELS[(cumulated >= 0.99 - 1e-9).argmax(axis=1)],
        "light": LEVELS[(cumulated >= 0.01).argmax(axis=1)],
        "entropy_bits": np.maximum(-(shares * logs).sum(axis=1), 0.0),
        "clipped_share": shares[:, 0] + shares[:, 255],
    }


def histogram(luma: np.ndarray) -> np.ndarray:
    """Count the levels of uint8 H×W ``luma``; float64 256."""
    return cv2.calcHist([luma], [0], None, [256], [0, 256]).ravel().astype(np.float64)


def blur_effect(luma: np.ndarray) -> float:
    """Return the blur of uint8 H×W ``luma``, from 0 (sharp) to 1, or 0 where nothing varies.

    It is the share of the variation between neighbours that survives another blur of 9 taps, along the worse axis
    (Crété et al., "The blur effect: perception and estimation with a new no-reference perceptual blur metric", 2007,
    equations 1 to 6). A sharp image loses most of its variation, a blurred one little.

    The blurred image itself is not needed: two neighbouring means of 9 pixels have 8 pixels in common, so they differ
    by a 9th of the difference of the other two. Everything is counted in 9ths of a level, in whole numbers.
    """
    fine, around = luma.astype(np.uint16), BLUR_TAPS // 2
    wide = cv2.copyMakeBorder(fine, *[around] * 4, cv2.BORDER_REPLICATE)
    inner = slice(around, -around)
    fine *= BLUR_TAPS
    return max(
        _survives(cv2.absdiff(fine[1:], fine[:-1]), cv2.absdiff(wide[BLUR_TAPS:, inner], wide[:-BLUR_TAPS, inner])),
        _survives(
            cv2.absdiff(fine[:, 1:], fine[:, :-1]), cv2.absdiff(wide[inner, BLUR_TAPS:], wide[inner, :-BLUR_TAPS])
        ),
    )


def _survives(sharp: np.ndarray, soft: np.ndarray) -> float:
    """Return the share of the steps ``sharp``, unsigned, that is left in ``soft``."""
    total = cv2.norm(sharp, cv2.NORM_L1)
    return 1 - cv2.norm(cv2.subtract(sharp, soft), cv2.NORM_L1) / total if total else 0.0


def luma_of(image: np.ndarray) -> np.ndarray:
    """Return uint8 H×W of uint8 H×W×{1,3} (ITU-R 601)."""
    return pixels.to_colour(image, 1)[:, :, 0]


def _middle(luma: np.ndarray) -> np.ndarray:
    height, width = luma.shape
    top, left = max(height - LONGEST_SIDE_PX, 0) // 2, max(width - LONGEST_SIDE_PX, 0) // 2
    return luma[top : top + LONGEST_SIDE_PX, left : left + LONGEST_SIDE_PX]


def _colourfulness(image: np.ndarray) -> float:
    if image.shape[2] == 1:
        return 0.0
    scale = LONGEST_SIDE_PX / max(image.shape[:2])
    if scale < 1:
        size = tuple(max(1, round(side * scale)) for side in image.shape[1::-1])
        image = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    red, green, blue = cv2.split(image)
    mean_r, mean_g, mean_b, _ = cv2.mean(image)
    rg, rb, gb = (cv2.norm(*two, cv2.NORM_L2SQR) / red.size for two in ((red, green), (red, blue), (green, blue)))
    mean_rg, mean_yb = mean_r - mean_g, (mean_r + mean_g) / 2 - mean_b
    squares = rg + (rb + gb) / 2 - rg / 4  # of r − g, and of (r + g) / 2 − b by the parallelogram law
    std = math.sqrt(max(squares - mean_rg**2 - mean_yb**2, 0.0))
    return (std + 0.3 * math.hypot(mean_rg, mean_yb)) / 255
