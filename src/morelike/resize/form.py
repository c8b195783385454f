"""The one form that all images get, their masks too: resampled, then padded, cropped or stretched."""

from dataclasses import dataclass

import numpy as np
from PIL import Image

from morelike.images import pixels


@dataclass(frozen=True)
class Form:
    """The form of all stored images: size, channels (1: grey, 3: RGB), and how an image of another shape is fitted."""

    height_px: int
    width_px: int
    channels: int
    fit: str


def to_form(image: np.ndarray, form: Form) -> np.ndarray:
    """Return a uint8 H×W×{1,3} image in ``form``, uint8 too.

    ``pad`` keeps the whole image and fills the rest with the median colour of its border, ``crop`` keeps
    the middle, ``stretch`` changes the aspect.
    """
    image = pixels.to_colour(image, form.channels)
    fitted = antialiased(image, *fitted_size(*image.shape[:2], form))
    return placed(fitted, form, border_colour(fitted) if form.fit == "pad" else 0)


def mask_to_form(labels: np.ndarray, form: Form) -> np.ndarray:
    """Return a uint8 H×W×{1,3} mask in ``form``, where its image has its pixels: of nearest labels, 0 in the border."""
    labels = pixels.to_colour(labels, form.channels)
    nearest = _resampled(labels, *fitted_size(*labels.shape[:2], form), Image.Resampling.NEAREST)
    return placed(nearest, form, 0)


def fitted_size(height: int, width: int, form: Form) -> tuple[int, int]:
    """Return the height and width to resample to before the rest is padded or cropped."""
    if form.fit == "stretch":
        return form.height_px, form.width_px
    choose = min if form.fit == "pad" else max
    scale = choose(form.height_px / height, form.width_px / width)
    return max(round(height * scale), 1), max(round(width * scale), 1)


def border_colour(image: np.ndarray) -> np.ndarray:
    """Return the median of each channel over the outermost pixels of uint8 H×W×C, rounded."""
    border = np.concatenate([image[0], image[-1], image[:, 0], image[:, -1]])
    return np.median(border, axis=0).round()


def placed(fitted: np.ndarray, form: Form, fill: np.ndarray | int) -> np.ndarray:
    """Return ``fitted`` in the middle of ``form``: cropped, or with ``fill`` around it."""
    height, width, channels = fitted.shape
    if form.fit == "crop":
        top, left = (height - form.height_px) // 2, (width - form.width_px) // 2
        return fitted[top : top + form.height_px, left : left + form.width_px]
    if (height, width) == (form.height_px, form.width_px):
        return fitted
    result = np.empty((form.height_px, form.width_px, channels), np.uint8)
    result[:] = fill
    top, left = (form.height_px - height) // 2, (form.width_px - width) // 2
    result[top : top + height, left : left + width] = fitted
    return result


def antialiased(image: np.ndarray, height: int, width: int) -> np.ndarray:
    """Resample uint8 H×W×{1,3} with a bicubic kernel (a = -0.5; Keys 1981) that widens with the reduction.

    A frequency above the new Nyquist limit is suppressed instead of aliased: at 1.5 times the limit 6% of its
    amplitude is left; an area average (OpenCV's INTER_AREA) leaves 30%.
    """
    if image.shape[:2] == (height, width):
        return image
    return _resampled(image, height, width, Image.Resampling.BICUBIC, reducing_gap=3.0)


def _resampled(image: np.ndarray, height: int, width: int, kernel: Image.Resampling, **options: float) -> np.ndarray:
    plane = Image.fromarray(image[:, :, 0] if image.shape[2] == 1 else image)
    resampled = plane.resize((width, height), kernel, **options)
    return np.asarray(resampled).reshape(height, width, image.shape[2])
