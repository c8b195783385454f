"""Decode a mask: its values are labels, so none is scaled, blended or given another colour."""

import numpy as np
from PIL import Image

from morelike.images import headers
from morelike.images.errors import ImageError
from morelike.images.headers import MAX_PIXELS
from morelike.images.pixels import orient

MOST_COLOURS = 256  # a picture has more colours, or, if it is small, fewer than 4 pixels per colour


def decode(data: bytes, max_pixels: int = MAX_PIXELS) -> np.ndarray:
    """Return the labels of an encoded mask: uint8, upright, H×W×3 if they are colours, H×W×1 if not.

    - Of a palette the indices are kept, of 1 bit 0 and 255, of grey and RGB the values. RGB without colour is grey.
    - Alpha is left out.
    - Deeper numbers are kept if they are whole and at most 255.

    Raises:
        ImageError: as :func:`morelike.images.pixels.read`, or with code ``mask_values``: numbers that 8 bits cannot
            hold, or so many colours that it is a picture.
    """
    with headers.guarded(max_pixels):
        image = headers.loaded(data, max_pixels)
        labels = np.atleast_3d(_labels(image))
        labels = orient(labels, headers.orientation_of(image))
    if labels.shape[2] == 3:
        if (labels == labels[:, :, :1]).all():
            labels = labels[:, :, :1]
        else:
            _check_colours(labels)
    return np.ascontiguousarray(labels)


def _labels(image: Image.Image) -> np.ndarray:
    if image.mode in ("P", "L"):
        return np.asarray(image)
    if image.mode in ("PA", "LA", "La"):
        return np.asarray(image)[:, :, 0]
    if image.mode == "1":
        return np.asarray(image.convert("L"))
    if image.mode[0] not in "IF":
        return np.asarray(image.convert("RGB"))
    values = np.asarray(image)
    fits = (values >= 0) & (values <= 255) & (values == np.floor(values))
    if not fits.all():
        low, high = float(values.min()), float(values.max())
        raise ImageError(
            "mask_values", f"values from {low:g} to {high:g}, expected whole ones from 0 to 255", high, 255.0
        )
    return values.astype(np.uint8)


def _check_colours(labels: np.ndarray) -> None:
    packed = labels[:, :, 0].astype(np.uint32) << 16 | labels[:, :, 1].astype(np.uint32) << 8 | labels[:, :, 2]
    count, most = len(np.unique(packed)), min(MOST_COLOURS, 16 + packed.size // 4)
    if count > most:
        raise ImageError("mask_values", f"{count} colours, a mask of its size has at most {most}", count, most)
