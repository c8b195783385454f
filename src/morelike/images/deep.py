"""Deep images: more than 8 bits per value, or signed. Which numbers they hold, and how a range of these becomes uint8.

What an image of this kind holds does not say what is white: 12 bits of a camera lie in files of 16. So the range is
given: one for all images of a set.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image

from morelike.images import colour, stored, tiffs
from morelike.images.colour import Colour, Converted
from morelike.images.errors import ImageError

STRIP_PIXELS = 2**20  # what is converted at once, so that a large image takes little more memory than itself
TOLERANCE = 0.05  # of the range: sharpening and resampling overshoot by this; what lies further beyond is no overshoot
WORDS = {"int16": "whole numbers of 16 bits", "int32": "whole numbers of 32 bits or more", "float": "floats"}
WHOLE_ALPHA = 65535.0  # where alpha is opaque, in images of 16 bits
HALVED = {("PNG", "RGB"), ("PNG", "RGBA"), ("PNG", "LA"), ("TIFF", "RGB"), ("TIFF", "RGBA"), ("PPM", "RGB")}
PREMULTIPLIED = (1,)  # of a TIFF's extra channels
PNG_GREY_WITH_ALPHA = 4


@dataclass(frozen=True)
class Span:
    """The numbers that become 0 and 255.

    Attributes:
        black: becomes 0.
        white: becomes 255; above ``black``.
        clips: whether numbers far beyond are clipped, as by a window; else they are a fault.
    """

    black: float
    white: float
    clips: bool = False

    @property
    def tolerance(self) -> float:
        """How far beyond the range a number may lie, where it does not clip."""
        return TOLERANCE * (self.white - self.black)


FULL = {"int16": Span(0.0, 65535.0), "int32": Span(0.0, 65535.0), "float": Span(0.0, 1.0)}


@dataclass(frozen=True)
class Numbers:
    """The stored numbers of a deep image.

    Attributes:
        stored: a Pillow image of one channel, or H×W×{1,2,3,4}, colours as RGB; of 2 and 4 channels the last is alpha.
        kind: ``int16``, ``int32`` (also of 64 bits) or ``float``.
        unsigned: whether negative numbers of Pillow are in truth large ones.
        negative: whether the smallest number is white.
        upright: whether they are turned upright already.
    """

    stored: Image.Image | np.ndarray
    kind: str
    unsigned: bool = False
    negative: bool = False
    upright: bool = False

    @property
    def size(self) -> tuple[int, int]:
        """Height and width."""
        return self.stored.shape[:2] if isinstance(self.stored, np.ndarray) else self.stored.size[::-1]

    @property
    def channels(self) -> int:
        """Channels, with alpha."""
        return self.stored.shape[2] if isinstance(self.stored, np.ndarray) else 1

    def strips(self) -> Iterator[tuple[slice, np.ndarray]]:
        """Yield the rows of each strip, and its numbers, h×W×C."""
        height, width = self.size
        step = max(STRIP_PIXELS // max(width, 1), 1)
        for top in range(0, height, step):
            rows = slice(top, min(top + step, height))
            if isinstance(self.stored, np.ndarray):
                yield rows, self.stored[rows]
            else:
                strip = np.asarray(self.stored.crop((0, rows.start, width, rows.stop)))
                yield rows, np.atleast_3d(strip.view(np.uint32) if self.unsigned else strip)

    def extent(self) -> tuple[float, float]:
        """Return the smallest and the largest number, without alpha.

        Raises:
            ImageError: with code ``nan`` or ``infinite``.
        """
        low, high, bad = np.inf, -np.inf, {"nan": 0, "infinite": 0}
        for _, strip in self.strips():
            colours = _without_alpha(strip)
            if colours.dtype.kind == "f" and not np.isfinite(colours).all():
                bad["nan"] += int(np.isnan(colours).any(axis=2).sum())
                bad["infinite"] += int(np.isinf(colours).any(axis=2).sum())
            else:
                low, high = min(low, float(colours.min())), max(high, float(colours.max()))
        pixels = self.size[0] * self.size[1]
        for code, count in bad.items():
            if count:
                raise ImageError(code, f"{count} of {pixels} pixels", count / pixels, 0.0)
        return low, high

    def scaled(self, span: Span) -> np.ndarray:
        """Return uint8 H×W×C: ``span`` becomes [0, 255], what lies beyond is clipped. Alpha counts to 65535."""
        image = np.empty((*self.size, self.channels), np.uint8)
        has_alpha = self.channels in (2, 4)
        for rows, strip in self.strips():
            scaled = _levels(_without_alpha(strip), span.black, span.white)
            colours = image[rows, :, :-1] if has_alpha else image[rows]
            np.subtract(255, scaled, colours) if self.negative else np.copyto(colours, scaled)
            if has_alpha:
                image[rows, :, -1:] = _levels(strip[:, :, -1:], 0.0, WHOLE_ALPHA if strip.dtype.itemsize > 1 else 255.0)
        return image


def coloured(image: np.ndarray, info: dict[str, Any], background: Colour) -> Converted:
    """Convert what :meth:`Numbers.scaled` returned as an image of 8 bits; of Pillow's ``info`` the profile is used."""
    if not info.get("icc_profile") and image.shape[2] in (1, 3):
        return Converted(image)
    flat = Image.fromarray(image[:, :, 0] if image.shape[2] == 1 else image)
    flat.info["icc_profile"] = info.get("icc_profile")
    return colour.convert(flat, background)


def check_range(low: float, high: float, span: Span) -> None:
    """Check that the numbers of an image lie in the range, but for a small overshoot.

    Raises:
        ImageError: with code ``out_of_range``.
    """
    far_below, far_above = span.black - span.tolerance, span.white + span.tolerance
    if not span.clips and (low < far_below or high > far_above):
        beyond, limit = (low, far_below) if low < far_below else (high, far_above)
        detail = f"values from {low:g} to {high:g}, expected {span.black:g} to {span.white:g}, the range of the set"
        raise ImageError("out_of_range", detail, beyond, limit)


def is_halved(image: Image.Image, bits: int) -> bool:
    """Tell whether Pillow keeps only the high byte of an image's 16 bits, so that OpenCV must read it."""
    premultiplied = image.format == "TIFF" and image.tag_v2.get(tiffs.EXTRA) == PREMULTIPLIED
    return bits == 16 and (image.format, image.mode) in HALVED and not premultiplied


def of_pillow(image: Image.Image, data: bytes, bits: int) -> Numbers | None:
    """Return the numbers of an image that Pillow has loaded, None if they are 8-bit; ``data`` is the whole file."""
    tags = image.tag_v2 if image.format == "TIFF" else {}
    negative = tags.get(tiffs.PHOTOMETRIC) == 0
    if image.mode.startswith("I;16"):
        return Numbers(image, "int16", negative=negative)
    if image.mode == "I":
        unsigned = image.format == "TIFF" and bits == 32 and max(tags.get(tiffs.NUMBER, (1,))) == tiffs.UNSIGNED
        return Numbers(image, "int16" if bits <= 16 else "int32", unsigned, negative)
    if image.mode == "F":
        return Numbers(image, "float", negative=negative)
    if is_halved(image, bits):
        found = stored.numbers(data)
        if image.format == "PNG" and data[25] == PNG_GREY_WITH_ALPHA:
            found = found[:, :, [0, 3]]
        if found.shape[2] == 4 and image.mode == "RGB" and "transparency" not in image.info:
            found = found[:, :, :3]  # the fourth is no transparency
        return Numbers(found, "int16", upright=image.format == "TIFF")
    return None


def of_tiff(data: bytes, layout: tiffs.Layout) -> Numbers:
    """Return the numbers of a TIFF that Pillow cannot read.

    Raises:
        ImageError: as :func:`morelike.images.tiffs.read`.
    """
    found = tiffs.read(data, layout)
    whole = "int16" if layout.bits <= 16 else "int32"
    return Numbers(found, "float" if layout.number == tiffs.FLOAT else whole, upright=True)


def _without_alpha(strip: np.ndarray) -> np.ndarray:
    return strip[:, :, :-1] if strip.shape[2] in (2, 4) else strip


def _levels(numbers: np.ndarray, black: float, white: float) -> np.ndarray:
    scaled = numbers.astype(np.result_type(numbers.dtype, np.float32))
    scaled -= black
    scaled *= 255.0 / (white - black)
    return np.rint(scaled, out=scaled).clip(0, 255, out=scaled).astype(np.uint8)
