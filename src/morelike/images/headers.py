"""Open an encoded image with Pillow: its format, what its header says, or why it cannot be opened.

Use it through :mod:`morelike.images.pixels`.
"""

import contextlib
import io
import math
import re
import warnings
from collections.abc import Iterator
from dataclasses import dataclass

from PIL import Image

from morelike.images import colour, dicom, heif, jpeg, kinds, tiffs
from morelike.images.errors import ImageError

EXTENSIONS = {
    "JPEG": {".jpg", ".jpeg", ".jpe", ".jfif"},
    "MPO": {".jpg", ".jpeg", ".jpe", ".jfif", ".mpo"},
    "PNG": {".png", ".apng"},
    "TIFF": {".tif", ".tiff"},
    "JPEG2000": {".jp2", ".j2k", ".jpx", ".jpc", ".j2c", ".jpf"},
    "PPM": {".ppm", ".pgm", ".pbm", ".pnm", ".pfm"},
    "BMP": {".bmp", ".dib"},
    "DIB": {".bmp", ".dib"},
    "GIF": {".gif"},
    "WEBP": {".webp"},
    "AVIF": {".avif", ".avifs"},
    "ICO": {".ico"},
    "TGA": {".tga", ".icb", ".vda", ".vst"},
    "QOI": {".qoi"},
    "PSD": {".psd"},
    "HEIF": {".heic", ".heif", ".hif"},
    "DICOM": {".dcm"},
}
Image.init()  # registers every format, so that FORMATS can leave out those that start a program, as EPS does
FORMATS = tuple(name for name in EXTENSIONS if name in Image.OPEN)
IMAGE_EXTENSIONS = set().union(*EXTENSIONS.values())
AS_STORED_MODES = ("L", "RGB")
MAX_PIXELS = 52_000_000  # decoding one takes less than 1 GiB
PIXELS_ALLOWED = {"JPEG2000": 0.7, "DICOM": 0.5}  # shares of the limit; their decoders hold a value in 32 or 64 bits
MOST_PAGES = 10_000  # of a TIFF
COUNTED_BY_SEEKING = {"GIF"}
PNG_MAY_BE_TURNED = (b"eXIf", b"XML:com.adobe.xmp", b"Raw profile type")  # where a PNG keeps its orientation
JPEG_FORMATS = {"JPEG", "MPO"}
EXTRAS = ((kinds.is_heif, heif.opened), (kinds.is_dicom, dicom.opened))  # what packages beside Pillow open
PPM_LARGEST = re.compile(rb"P6" + rb"(?:\s|#[^\n]*\n)+\d+" * 2 + rb"(?:\s|#[^\n]*\n)+(\d+)")
EXIF_ORIENTATION = 0x0112
TIFF_BITS_PER_SAMPLE = 258


@dataclass(frozen=True)
class Header:
    """What an image file's header says.

    Attributes:
        format: Pillow's name of the file format.
        mode: Pillow's mode of the stored pixels.
        bits: per value of a channel; 8 for a palette.
        width_px: as stored, not turned.
        height_px: as stored, not turned.
        frames: the number of frames or pages.
        orientation: of EXIF, 1 to 8; 1 is upright.
        as_stored: whether the stored values are the pixels: 8-bit grey or RGB, without alpha or foreign profile.
    """

    format: str
    mode: str
    bits: int
    width_px: int
    height_px: int
    frames: int
    orientation: int
    as_stored: bool


@contextlib.contextmanager
def guarded(max_pixels: int) -> Iterator[None]:
    """Turn whatever Pillow raises into an ImageError, silence its warnings, and set its own limit to ``max_pixels``.

    Raises:
        ImageError: the one that was raised; else with code ``bomb``, ``truncated`` or ``decode_error``.
    """
    before = Image.MAX_IMAGE_PIXELS
    Image.MAX_IMAGE_PIXELS = (max_pixels + 1) // 2  # Pillow warns above it, and raises above twice that
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except ImageError:
        raise
    except (Image.DecompressionBombError, MemoryError) as error:
        counted = re.search(r"\((\d+) pixels\)", str(error))
        pixels = float(counted[1]) if counted else math.nan
        raise ImageError("bomb", str(error) or "not enough memory to decode it", pixels, max_pixels) from error
    except Exception as error:
        code = "truncated" if "truncated" in str(error).lower() else "decode_error"
        raise ImageError(code, f"the pixels cannot be decoded: {error}") from error
    finally:
        Image.MAX_IMAGE_PIXELS = before


def opened(data: bytes, max_pixels: int) -> Image.Image:
    """Open an image without decoding its pixels; call it inside :func:`guarded`.

    Raises:
        ImageError: with code ``empty``, ``not_an_image``, ``unsupported``, ``truncated``, ``decode_error`` or ``bomb``
            (of pixels, or of scans in a JPEG).
    """
    if not data:
        raise ImageError("empty", "the file has 0 bytes")
    try:
        image = _opened(data)
    except (Image.DecompressionBombError, ImageError):
        raise
    except Exception as error:
        raise kinds.not_opened(data) from error
    if image.format in JPEG_FORMATS and (scans := jpeg.scans(data)) > jpeg.MOST_SCANS:
        raise ImageError("bomb", f"{scans} scans, limit {jpeg.MOST_SCANS}", scans, jpeg.MOST_SCANS)
    if image.format == "TIFF" and kinds.is_camera_raw(data, image.tag_v2):
        raise kinds.not_read("a camera's raw photograph, with a small preview")
    if image.width * image.height > max_pixels * PIXELS_ALLOWED.get(image.format or "", 1):
        raise _bomb(image, int(max_pixels * PIXELS_ALLOWED.get(image.format or "", 1)))
    if image.width == 0 or image.height == 0:
        raise ImageError("not_an_image", f"{image.width}×{image.height} pixels")
    return image


def _opened(data: bytes) -> Image.Image:
    try:
        return Image.open(io.BytesIO(data), formats=FORMATS)
    except Image.UnidentifiedImageError:
        opener = next((opener for is_kind, opener in EXTRAS if is_kind(data)), None)
        if opener is None:
            raise
        return opener(data)


def loaded(data: bytes, max_pixels: int) -> Image.Image:
    """Open an image and decode its first frame; call it inside :func:`guarded`.

    Raises:
        ImageError: as :func:`opened`.
    """
    image = opened(data, max_pixels)
    image.load()  # before getexif(): its swallowed error can make a later load() succeed
    image.__dict__.pop("_decoder", None)  # that of WebP and AVIF keeps copies of the pixels
    if image.width * image.height > max_pixels:  # an icon may hold more than its header says
        raise _bomb(image, max_pixels)
    return image


def header_of(image: Image.Image, data: bytes, max_pixels: int) -> Header:
    """Return the header of an opened image; ``data`` is the whole file."""
    may_be_turned = image.format != "PNG" or any(mark in data for mark in PNG_MAY_BE_TURNED)
    if image.format == "TIFF":
        frames = _checked_pages(tiffs.pages(data))
    else:
        seeks = image.format in COUNTED_BY_SEEKING  # on another object: seeking drops the loaded frame
        frames = int(getattr(opened(data, max_pixels) if seeks else image, "n_frames", 1))
    bits = _bits(image, data)
    as_stored = (
        image.mode in AS_STORED_MODES
        and bits <= 8
        and not colour.has_alpha(image)
        and not (image.format == "PNG" and b"tRNS" in data)
        and colour.foreign_profile(image) is None
    )
    orientation = orientation_of(image) if may_be_turned else 1
    size = image.width, image.height
    return Header(image.format or "", image.mode, bits, *size, frames, orientation, as_stored)


def of_foreign(layout: tiffs.Layout, max_pixels: int) -> Header:
    """Return the header of a TIFF that Pillow cannot read.

    Raises:
        ImageError: with code ``not_an_image`` or ``bomb``.
    """
    size = layout.width_px, layout.height_px
    if not all(size):
        raise ImageError("not_an_image", f"{size[0]}×{size[1]} pixels")
    words = size[0] * size[1] * layout.channels * layout.bits // 64  # a pixel counts as up to 8 bytes
    if max(size[0] * size[1], words) > max_pixels:
        detail = f"{size[0]}×{size[1]} pixels of {layout.words}, limit {max_pixels} pixels or 8 times as many bytes"
        raise ImageError("bomb", detail, size[0] * size[1], max_pixels)
    kind = {1: "F" if layout.number == tiffs.FLOAT else "I", 3: "RGB", 4: "RGBA"}.get(layout.channels, "I")
    mode = f"{kind};{layout.bits}"
    return Header("TIFF", mode, layout.bits, *size, _checked_pages(layout.pages), layout.orientation, as_stored=False)


def _checked_pages(count: int) -> int:
    if count > MOST_PAGES:
        raise ImageError("bomb", f"{count} pages, limit {MOST_PAGES}", count, MOST_PAGES)
    return count


def _bits(image: Image.Image, data: bytes) -> int:
    if image.format == "PNG":
        return 8 if image.mode == "P" else data[24]  # in the IHDR chunk, which is always the first
    if image.format == "TIFF":
        return int(max(image.tag_v2.get(TIFF_BITS_PER_SAMPLE, (1,))))
    if image.format == "PPM" and image.mode == "RGB":
        largest = PPM_LARGEST.match(data)
        return 16 if largest and int(largest[1]) == 65535 else 8  # Pillow scales what declares less to 8 bits
    return {"1": 1, "I": 16 if image.format == "PPM" else 32, "F": 32}.get(image.mode, 16 if ";16" in image.mode else 8)


def _bomb(image: Image.Image, max_pixels: int) -> ImageError:
    pixels = image.width * image.height
    return ImageError("bomb", f"{image.width}×{image.height} pixels, limit {max_pixels}", pixels, max_pixels)


def orientation_of(image: Image.Image) -> int:
    """Return the EXIF orientation of an opened image, 1 if it has none or its EXIF cannot be read."""
    try:
        return int(image.getexif().get(EXIF_ORIENTATION, 1))
    except Exception:  # noqa: BLE001 - broken EXIF: the pixels stand as they are stored
        return 1
