"""The only place that decodes or encodes an image.

At rest, pixels are uint8, H×W×C, C = 1 (grey) or 3 (RGB). In a model they are float32 in [0, 1], N×C×H×W.
OpenCV's BGR order never leaves this file. Opening a file and reading its header is in :mod:`morelike.images.headers`.
"""

import io
import math
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import cv2
import numpy as np
from PIL import Image

from morelike.images import colour, damage, headers, jpeg, loading, tiffs
from morelike.images.colour import WHITE, Colour
from morelike.images.deep import Span
from morelike.images.errors import ImageError, NormalisationError
from morelike.images.headers import MAX_PIXELS, Header
from morelike.images.loading import Loaded

cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)  # this module reports damaged files itself
PLAIN_MODES = {"L": cv2.IMREAD_GRAYSCALE, "RGB": cv2.IMREAD_COLOR}
STORED_JPEG = {
    "L": cv2.IMREAD_GRAYSCALE | cv2.IMREAD_IGNORE_ORIENTATION,
    "RGB": cv2.IMREAD_COLOR_RGB | cv2.IMREAD_IGNORE_ORIENTATION,
}
JPEG_MODES = {"Gray": "L", "YCbCr": "RGB"}  # by simplejpeg's name of what is stored
SIMPLEJPEG_SPACES = {"L": "GRAY", "RGB": "RGB"}  # its names of what is asked for
# Of ITU-T T.81, table B.1: baseline and progressive frames, tables, start, end, scan, the restarts' interval, JFIF and
# comment are usual; the markers of other metadata are APP1 to APP15.
METADATA_MARKERS = {bytes([0xFF, code]) for code in range(0xE1, 0xF0)}
USUAL_MARKERS = METADATA_MARKERS | {
    bytes([0xFF, code]) for code in (0xC0, 0xC2, 0xC4, 0xD8, 0xD9, 0xDA, 0xDB, 0xDD, 0xE0, 0xFE)
}
# Stored mode: the mode in which the pixels of both decoders are compared.
COMPARED_MODES = {"L": "L", "RGB": "RGB", "1": "L", "P": "RGB", "RGBA": "RGB", "LA": "L"}
SECOND_OPINIONS = {"JPEG", "MPO", "PNG", "WEBP", "BMP", "TIFF", "PPM", "JPEG2000"}  # formats that OpenCV reads too
SAME_VALUE_LEVELS = 8  # of 255; two decoders agree on a value up to this difference
FAST_FORMATS = {"JPEG", "PNG", "WEBP"}  # formats that OpenCV decodes to the same pixels as Pillow


@dataclass(frozen=True)
class Picture:
    """A decoded file.

    Attributes:
        header: what the file says of itself.
        converted: upright pixels, and what they were converted from.
        disagreement: share of the values, in [0, 1], on which OpenCV differs by more than 8 levels of 255; NaN where
            there is no second opinion.
    """

    header: Header
    converted: colour.Converted
    disagreement: float

    @property
    def pixels(self) -> np.ndarray:
        """uint8 H×W×1 for a grey image, H×W×3 in RGB order for any other; upright."""
        return self.converted.pixels


@dataclass(frozen=True)
class Unscaled:
    """A deep image of a set whose range is not known yet (see :mod:`morelike.images.deep`).

    Attributes:
        header: what the file says of itself.
        numbers: their kind.
        low: the smallest.
        high: the largest.
    """

    header: Header
    numbers: str
    low: float
    high: float


def read_header(data: bytes, max_pixels: int = MAX_PIXELS) -> Header:
    """Read the header of an encoded image. No pixels are decoded, except of a PNG that may have an orientation.

    Raises:
        ImageError: with code ``empty``, ``not_an_image``, ``unsupported``, ``truncated``, ``decode_error`` or
            ``bomb`` (more than ``max_pixels``).
    """
    with headers.guarded(max_pixels):
        layout = tiffs.foreign(data)
        if layout is not None:
            return headers.of_foreign(layout, max_pixels)
        return headers.header_of(headers.opened(data, max_pixels), data, max_pixels)


def read(data: bytes, max_pixels: int = MAX_PIXELS, background: Colour = WHITE, span: Span | None = None) -> Picture:
    """Decode the first frame with Pillow, upright, and ask OpenCV for a second opinion.

    Pillow loads every byte, so a truncated file is refused and never filled in. :mod:`morelike.images.damage` says
    what other damage is noticed, :mod:`morelike.images.colour` what becomes of each mode. The numbers of a deep image
    are scaled from ``span``; if it is None, from :data:`morelike.images.deep.FULL`.

    A usual JPEG without any warning of libjpeg-turbo is decoded only once, by simplejpeg: :func:`decoders_agree` proves
    in each process that Pillow and OpenCV would give the same pixels.

    Raises:
        ImageError: with code ``empty``, ``not_an_image``, ``bomb``, ``truncated``, ``damaged``,
            ``decode_error``, ``unsupported``, ``nan``, ``infinite`` or ``out_of_range``.
    """
    sound = _read_once(data, max_pixels) if decoders_agree() else None
    if sound is not None:
        return sound
    with headers.guarded(max_pixels):
        return _picture(data, loading.load(data, max_pixels), max_pixels, background, span)


def survey(data: bytes, max_pixels: int = MAX_PIXELS, background: Colour = WHITE) -> Picture | Unscaled:
    """Decode as :func:`read` does, but of a deep image only tell which numbers it holds.

    Raises:
        ImageError: as :func:`read`, but for ``out_of_range``.
    """
    sound = _read_once(data, max_pixels) if decoders_agree() else None
    if sound is not None:
        return sound
    with headers.guarded(max_pixels):
        loaded = loading.load(data, max_pixels)
        if loaded.numbers is not None:
            _check_damage(data, max_pixels)
            return Unscaled(loaded.header, loaded.numbers.kind, *loaded.numbers.extent())
        return _picture(data, loaded, max_pixels, background)


def _picture(data: bytes, loaded: Loaded, max_pixels: int, background: Colour, span: Span | None = None) -> Picture:
    """Convert what was loaded, and compare it with what OpenCV decodes; ``loaded`` lets its pixels go."""
    header, disagreement = loaded.header, math.nan
    if header.as_stored:
        converted = colour.Converted(np.atleast_3d(np.asarray(loaded.image)))
        loaded.image = None  # before OpenCV decodes it once more: large images are many bytes
        disagreement = second_opinion(data, header, converted.pixels)
    else:
        if loaded.image is not None:
            disagreement = _second_opinion_of_other_modes(data, header, loaded.image)
        converted = loaded.converted(background, span)
    if header.format != "PNG" or math.isnan(disagreement):  # OpenCV refuses a damaged PNG
        _check_damage(data, max_pixels)
    upright = np.ascontiguousarray(orient(converted.pixels, loaded.orientation))
    return Picture(header, replace(converted, pixels=upright), disagreement)


def _check_damage(data: bytes, max_pixels: int) -> None:
    """Raise an ImageError with code ``damaged`` if there is evidence that the pixels are not those that were saved."""
    if tiffs.foreign(data) is None and (said := damage.complaint(data, headers.opened(data, max_pixels))):
        raise ImageError("damaged", said)


def _read_once(data: bytes, max_pixels: int) -> Picture | None:
    """Decode a usual 8-bit grey or YCbCr JPEG without any warning; return None for anything else."""
    found = jpeg.markers(data) if data.startswith(jpeg.START) else []
    markers = set(found)
    if not markers or not markers <= USUAL_MARKERS or found.count(jpeg.SCAN) > jpeg.MOST_SCANS:
        return None
    try:
        height, width, space = jpeg.stored_as(data)
        if space not in JPEG_MODES or width * height > max_pixels:
            return None
        mode = JPEG_MODES[space]
        header = Header("JPEG", mode, 8, width, height, 1, 1, True)
        if not markers.isdisjoint(METADATA_MARKERS):  # perhaps an orientation, a profile or more pictures
            header = read_header(data, max_pixels)
        if not header.as_stored or (header.format, header.mode, header.frames) != ("JPEG", mode, 1):
            return None
        image = jpeg.strictly_decoded(data, SIMPLEJPEG_SPACES[mode])
        if jpeg.unheard(data, jpeg.PROGRESSIVE in markers):
            return None
    except (ImageError, ValueError, IndexError):  # the last, where a header ends too early
        return None
    return Picture(header, colour.Converted(np.ascontiguousarray(orient(image, header.orientation))), 0.0)


@cache
def decoders_agree() -> bool:
    """Prove on drawn JPEGs that Pillow, OpenCV and simplejpeg give the same pixels, and simplejpeg refuses damage.

    Every kind is decoded sound, with quantisation so coarse that the arithmetic overflows, and with damaged pixels.
    """
    y, x = np.mgrid[0:37, 0:43]
    drawn = np.stack([128 + 100 * np.sin(x / 3), (x * y * 37) % 256, (x + y) * 3], axis=2).astype(np.uint8)
    kinds = [{"progressive": prog, "subsampling": factor} for prog in (False, True) for factor in range(3)]
    pictures = [(drawn, kind) for kind in kinds] + [(drawn[:, :, 1], {})]
    try:
        return all(_decoded_alike(Image.fromarray(picture), kind) for picture, kind in pictures)
    except (OSError, ValueError, cv2.error):  # one of them was built without JPEG
        return False


def _decoded_alike(drawn: Image.Image, options: dict[str, Any]) -> bool:
    file = io.BytesIO()
    drawn.save(file, "JPEG", **options)
    sound = file.getvalue()
    quanta, scan = sound.find(b"\xff\xdb") + 5, sound.rfind(b"\xff\xda") + 10
    overflowing = sound[:quanta] + b"\xff" * 64 + sound[quanta + 64 :]
    damaged = sound[: scan + 8] + sound[-2:]
    for data in (sound, overflowing):
        once = jpeg.strictly_decoded(data, SIMPLEJPEG_SPACES[drawn.mode])
        theirs = cv2.imdecode(np.frombuffer(data, np.uint8), STORED_JPEG[drawn.mode])
        for other in (np.asarray(Image.open(io.BytesIO(data))), theirs):
            if other is None or not np.array_equal(np.atleast_3d(other), once):
                return False
    try:
        jpeg.strictly_decoded(damaged, SIMPLEJPEG_SPACES[drawn.mode])
    except ValueError:
        return True
    return False


def decode(
    data: bytes, max_pixels: int = MAX_PIXELS, background: Colour = WHITE, span: Span | None = None
) -> np.ndarray:
    """Return the pixels of :func:`read`: uint8, upright, H×W×1 for a grey image, H×W×3 in RGB order for any other.

    Raises:
        ImageError: as :func:`read`.
    """
    with headers.guarded(max_pixels):
        loaded = loading.load(data, max_pixels)
        return np.ascontiguousarray(orient(loaded.converted(background, span).pixels, loaded.orientation))


def decode_fast(
    data: bytes, max_pixels: int = MAX_PIXELS, background: Colour = WHITE, span: Span | None = None
) -> np.ndarray:
    """Decode as :func:`decode` does, with OpenCV where that gives the same picture (about 3 times as fast).

    Only for files that :func:`read` has accepted, as OpenCV fills in what a truncated file lacks.

    Raises:
        ImageError: as :func:`read`.
    """
    header = read_header(data, max_pixels)
    if not (header.as_stored and header.format in FAST_FORMATS and header.frames == 1):
        return decode(data, max_pixels, background, span)
    flag = PLAIN_MODES[header.mode] | cv2.IMREAD_IGNORE_ORIENTATION
    image = cv2.imdecode(np.frombuffer(data, np.uint8), flag)
    if image is None or image.dtype != np.uint8 or image.shape[:2] != (header.height_px, header.width_px):
        return decode(data, max_pixels, background, span)
    image = image[:, :, None] if image.ndim == 2 else image[:, :, ::-1]
    return np.ascontiguousarray(orient(image, header.orientation))


def second_opinion(data: bytes, header: Header, ours: np.ndarray) -> float:
    """Return the share of the values ``ours`` from which those that OpenCV decodes differ by more than 8 levels of 255.

    ``ours`` is uint8 H×W×{1,3}, as stored, not turned. The result is 1 if OpenCV finds another size, NaN if OpenCV
    cannot read the file or the file has several frames.
    """
    if header.format not in SECOND_OPINIONS or header.frames > 1:
        return math.nan
    plain = PLAIN_MODES.get(header.mode)
    flags = cv2.IMREAD_UNCHANGED if plain is None else plain | cv2.IMREAD_IGNORE_ORIENTATION
    theirs = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    if theirs is None:
        return math.nan
    if theirs.shape[:2] != (header.height_px, header.width_px):
        return 1.0
    if theirs.dtype == np.uint16:
        theirs = (theirs >> 8).astype(np.uint8)
    if theirs.dtype != np.uint8:
        return math.nan
    if theirs.ndim == 3:  # an alpha channel is left out
        theirs = cv2.cvtColor(theirs, cv2.COLOR_BGR2RGB, theirs if theirs.shape[2] == 3 else None)
    theirs = np.atleast_3d(theirs)
    if ours.shape == theirs.shape and cv2.norm(ours, theirs, cv2.NORM_INF) == 0:
        return 0.0
    return float((cv2.absdiff(*np.broadcast_arrays(ours, theirs)) > SAME_VALUE_LEVELS).mean())


def _second_opinion_of_other_modes(data: bytes, header: Header, image: Image.Image) -> float:
    """Compare palettes and alpha too, but not a TIFF's palette (OpenCV gives its indices) nor a very large image."""
    small = image.width * image.height <= loading.MOST_COMPARED_PIXELS
    if not small or header.mode not in COMPARED_MODES or (header.format, header.mode) == ("TIFF", "P"):
        return math.nan
    return second_opinion(data, header, np.atleast_3d(np.asarray(image.convert(COMPARED_MODES[header.mode]))))


def orient(image: np.ndarray, orientation: int) -> np.ndarray:
    """Turn stored pixels, H×W×C, upright by their EXIF orientation (1 to 8; anything else counts as 1); a view."""
    if orientation in (5, 6, 7, 8):
        image = image.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        image = image[::-1]
    if orientation in (2, 3, 6, 7):
        image = image[:, ::-1]
    return image


def to_colour(image: np.ndarray, channels: int) -> np.ndarray:
    """Convert uint8 H×W×{1,3} to uint8 H×W×``channels`` (1: ITU-R 601 luma, 3: RGB)."""
    if image.shape[2] == channels:
        return image
    if channels == 1:
        return cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)[:, :, None]
    return np.repeat(image, 3, axis=2)


def encode_png(image: np.ndarray) -> bytes:
    """Encode uint8 H×W×{1,3} (RGB order) as PNG; the same pixels always give the same bytes.

    Raises:
        NormalisationError: if the array has another dtype or shape, or OpenCV cannot encode it.
    """
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] not in (1, 3):
        raise NormalisationError(f"expected uint8 H×W×1 or H×W×3 to encode, got {image.dtype} {image.shape}")
    ok, data = cv2.imencode(".png", image[:, :, ::-1] if image.shape[2] == 3 else image)
    if not ok:
        raise NormalisationError(f"OpenCV could not encode an image of shape {image.shape} as PNG")
    return data.tobytes()


def encode_jpeg(image: np.ndarray, quality: int) -> bytes:
    """Encode uint8 H×W×{1,3} (RGB order) as JPEG: 4:2:0, ``quality`` 1 to 100."""
    stored = image if image.shape[2] == 1 else image[:, :, ::-1]
    return cv2.imencode(".jpg", stored, [cv2.IMWRITE_JPEG_QUALITY, quality])[1].tobytes()


def through_jpeg(image: np.ndarray, quality: int) -> np.ndarray:
    """Encode uint8 H×W×{1,3} as JPEG (4:2:0, ``quality`` 1 to 100) and decode it: a copy with JPEG's artefacts."""
    grey = image.shape[2] == 1
    data = np.frombuffer(encode_jpeg(image, quality), np.uint8)
    decoded = cv2.imdecode(data, cv2.IMREAD_GRAYSCALE if grey else cv2.IMREAD_COLOR)
    return decoded[:, :, None] if grey else np.ascontiguousarray(decoded[:, :, ::-1])


def to_float(images: np.ndarray) -> np.ndarray:
    """Convert uint8 N×H×W×C at rest to float32 N×C×H×W in [0, 1].

    Raises:
        NormalisationError: if the array is not uint8 N×H×W×{1,3}.

    >>> to_float(np.full((1, 2, 2, 1), 255, np.uint8)).max()
    np.float32(1.0)
    """
    if images.dtype != np.uint8 or images.ndim != 4 or images.shape[3] not in (1, 3):
        raise NormalisationError(f"expected uint8 N×H×W×1 or N×H×W×3, got {images.dtype} {images.shape}")
    return np.ascontiguousarray(images.transpose(0, 3, 1, 2), dtype=np.float32) / np.float32(255)


def to_uint8(images: np.ndarray) -> np.ndarray:
    """Convert float N×C×H×W in [0, 1] to uint8 N×H×W×C, rounding; out-of-range values are clipped.

    Raises:
        NormalisationError: if a value is NaN or infinite.
    """
    if not np.isfinite(images).all():
        raise NormalisationError(f"{int((~np.isfinite(images)).sum())} values are NaN or infinite")
    return np.ascontiguousarray(np.rint(images.clip(0, 1) * 255).astype(np.uint8).transpose(0, 2, 3, 1))
