"""The only place that decodes or encodes an image.

At rest, pixels are uint8, H×W×C, C = 1 (grey) or 3 (RGB). In a model they are float32 in [0, 1], N×C×H×W.
OpenCV's BGR order never leaves this file.
"""

import contextlib
import io
import warnings
from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np
from PIL import Image, ImageCms

from morelike.errors import ImageError, NormalisationError

cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)  # damaged files are reported by us
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
}
Image.init()  # registers every format, so that `open` may be told which to try: none that starts a program, as EPS does
FORMATS = tuple(name for name in EXTENSIONS if name in Image.OPEN)
IMAGE_EXTENSIONS = set().union(*EXTENSIONS.values())
PLAIN_MODES = {"L": cv2.IMREAD_GRAYSCALE, "RGB": cv2.IMREAD_COLOR}
FAST_FORMATS = {"JPEG", "PNG", "WEBP"}  # formats that OpenCV decodes to the same pixels as Pillow
PNG_MAY_BE_TURNED = (b"eXIf", b"XML:com.adobe.xmp", b"Raw profile type")  # where a PNG keeps its orientation
SIGNATURES = {b"\xff\xd8\xff": "JPEG", b"\x89PNG\r\n\x1a\n": "PNG", b"GIF8": "GIF", b"II*\0": "TIFF", b"MM\0*": "TIFF"}
EXIF_ORIENTATION = 0x0112


@dataclass(frozen=True)
class Header:
    """What a file says of itself before its pixels are read."""

    format: str
    mode: str
    width_px: int
    height_px: int
    frames: int
    orientation: int


def read_header(data: bytes, max_pixels: int = 100_000_000) -> Header:
    """Read the header of an encoded image; no pixel is decoded, but for a PNG with an orientation.

    Raises:
        ImageError: code ``empty``, ``not_an_image``, ``truncated``, ``decode_error`` or ``bomb`` (more than
            ``max_pixels``).
    """
    with _guarded(max_pixels):
        image = _open(data, max_pixels)
        frames = int(getattr(image, "n_frames", 1))
        may_be_turned = image.format != "PNG" or any(mark in data for mark in PNG_MAY_BE_TURNED)
        orientation = _orientation(image) if may_be_turned else 1
    return Header(image.format or "", image.mode, image.width, image.height, frames, orientation)


def decode(data: bytes, max_pixels: int = 100_000_000) -> np.ndarray:
    """Decode an image to upright pixels (EXIF orientation applied), first frame, second opinion's decoder.

    Pillow loads every byte, so a truncated file is refused and never filled in.

    Returns:
        uint8, H×W×1 for a grey image, H×W×3 in RGB order for any other. Alpha is composited on white; 16-bit
        integers are scaled from [0, 65535] to 8 bits, 32-bit ones and floats from the range that holds them
        ([0, 1], [0, 255], [0, 65535] or their own); CMYK, LAB and palettes are converted to RGB.

    Raises:
        ImageError: ``empty``, ``not_an_image``, ``bomb``, ``truncated``, ``decode_error`` or ``nan``.
    """
    with _guarded(max_pixels):
        image = _open(data, max_pixels)
        image.load()  # before getexif(): its swallowed error can make a later load() succeed
        if image.width * image.height > max_pixels:  # an icon may hold more than its header says
            raise ImageError("bomb", f"{image.width}×{image.height} pixels, limit {max_pixels}")
        pixels = _to_uint8_channels(image)
        return np.ascontiguousarray(orient(pixels, _orientation(image)))


def decode_fast(data: bytes, max_pixels: int = 100_000_000) -> np.ndarray:
    """Decode as :func:`decode` does, through OpenCV where it gives the same picture (about 3× faster).

    For files that :func:`decode` has accepted once: OpenCV fills in what a truncated file lacks.
    """
    header = read_header(data, max_pixels)
    plain = header.format in FAST_FORMATS and header.mode in PLAIN_MODES and header.frames == 1
    if not plain or (header.format == "PNG" and b"tRNS" in data):
        return decode(data, max_pixels)
    flag = PLAIN_MODES[header.mode] | cv2.IMREAD_IGNORE_ORIENTATION
    image = cv2.imdecode(np.frombuffer(data, np.uint8), flag)
    if image is None or image.dtype != np.uint8 or image.shape[:2] != (header.height_px, header.width_px):
        return decode(data, max_pixels)
    image = image[:, :, None] if image.ndim == 2 else image[:, :, ::-1]
    return np.ascontiguousarray(orient(image, header.orientation))


def orient(image: np.ndarray, orientation: int) -> np.ndarray:
    """Turn stored pixels upright by their EXIF orientation (1 to 8; anything else is 1)."""
    if orientation in (5, 6, 7, 8):
        image = image.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        image = image[::-1]
    if orientation in (2, 3, 6, 7):
        image = image[:, ::-1]
    return image


def to_colour(image: np.ndarray, channels: int) -> np.ndarray:
    """Convert H×W×{1,3} uint8 to ``channels`` (1: ITU-R 601 luma, 3: RGB)."""
    if image.shape[2] == channels:
        return image
    if channels == 1:
        return cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)[:, :, None]
    return np.repeat(image, 3, axis=2)


def encode_png(image: np.ndarray) -> bytes:
    """Encode uint8 H×W×{1,3} (RGB order) as PNG; the same pixels always give the same bytes."""
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] not in (1, 3):
        raise NormalisationError(f"expected uint8 H×W×1 or H×W×3 to encode, got {image.dtype} {image.shape}")
    ok, data = cv2.imencode(".png", image[:, :, ::-1] if image.shape[2] == 3 else image)
    if not ok:
        raise NormalisationError(f"OpenCV could not encode an image of shape {image.shape} as PNG")
    return data.tobytes()


def through_jpeg(image: np.ndarray, quality: int) -> np.ndarray:
    """Encode uint8 H×W×{1,3} as JPEG (4:2:0, ``quality`` 1 to 100) and decode it again: its artefacts stay."""
    grey = image.shape[2] == 1
    _, data = cv2.imencode(".jpg", image if grey else image[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])
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
        NormalisationError: on a non-finite value; nothing here turns NaN into a picture.
    """
    if not np.isfinite(images).all():
        raise NormalisationError(f"{int((~np.isfinite(images)).sum())} values are NaN or infinite")
    return np.ascontiguousarray(np.rint(images.clip(0, 1) * 255).astype(np.uint8).transpose(0, 2, 3, 1))


@contextlib.contextmanager
def _guarded(max_pixels: int) -> Iterator[None]:
    """Word whatever Pillow raises as an ImageError, keep it quiet, and lend it our limit for what it checks itself."""
    before = Image.MAX_IMAGE_PIXELS
    Image.MAX_IMAGE_PIXELS = (max_pixels + 1) // 2  # Pillow warns above it, and raises above twice that
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except ImageError:
        raise
    except (Image.DecompressionBombError, MemoryError) as error:
        raise ImageError("bomb", str(error) or "not enough memory to decode it") from error
    except Exception as error:
        code = "truncated" if "truncated" in str(error).lower() else "decode_error"
        raise ImageError(code, f"the pixels cannot be decoded: {error}") from error
    finally:
        Image.MAX_IMAGE_PIXELS = before


def _open(data: bytes, max_pixels: int) -> Image.Image:
    if not data:
        raise ImageError("empty", "the file has 0 bytes")
    try:
        image = Image.open(io.BytesIO(data), formats=FORMATS)
    except Image.DecompressionBombError:
        raise
    except Exception as error:
        raise _not_opened(data) from error
    if image.width * image.height > max_pixels:
        raise ImageError("bomb", f"{image.width}×{image.height} pixels, limit {max_pixels}")
    if image.width == 0 or image.height == 0:
        raise ImageError("not_an_image", f"{image.width}×{image.height} pixels")
    return image


def _not_opened(data: bytes) -> ImageError:
    """Tell an image with a damaged header from what never was one."""
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        declared = int.from_bytes(data[4:8], "little") + 8
        if declared > len(data):
            return ImageError("truncated", f"a WEBP of {declared} bytes, of which there are {len(data)}")
        return ImageError("decode_error", "begins as a WEBP, but its header cannot be read")
    for signature, name in SIGNATURES.items():
        if data.startswith(signature):
            return ImageError("decode_error", f"begins as a {name}, but its header cannot be read")
    return ImageError("not_an_image", "no known image format")


def _orientation(image: Image.Image) -> int:
    try:
        return int(image.getexif().get(EXIF_ORIENTATION, 1))
    except Exception:  # noqa: BLE001 - broken EXIF: the pixels stand as they are stored
        return 1


def _to_uint8_channels(image: Image.Image) -> np.ndarray:
    if image.mode.startswith("I;16"):
        return _scaled_to_8_bits(np.asarray(image), 65535.0)
    if image.mode in ("I", "F"):
        values = np.asarray(image)
        return _scaled_to_8_bits(values, _white(values))
    if image.mode in ("LA", "PA", "RGBA", "La", "RGBa") or "transparency" in image.info:
        rgba = image.convert("RGBA")
        white = Image.new("RGBA", rgba.size, "white")
        flat = Image.alpha_composite(white, rgba)
        grey = image.mode in ("1", "L", "LA", "La")
        return np.asarray(flat.convert("L"))[:, :, None] if grey else np.asarray(flat.convert("RGB"))
    if image.mode in ("L", "1"):
        return np.asarray(image.convert("L"))[:, :, None]
    if image.mode == "LAB":
        lab, srgb = ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB")
        image = ImageCms.profileToProfile(image, lab, srgb, outputMode="RGB")
    return np.asarray(image.convert("RGB"))


def _white(values: np.ndarray) -> float:
    """Return the value of white: the smallest usual range that holds the values, or their maximum."""
    if not np.isfinite(values).all():
        raise ImageError("nan", f"{int((~np.isfinite(values)).sum())} pixels are NaN or infinite")
    high = float(values.max())
    if values.dtype.kind == "f" and high <= 1:
        return 1.0
    return next((white for white in (255.0, 65535.0) if high <= white), high)


def _scaled_to_8_bits(values: np.ndarray, white: float) -> np.ndarray:
    scaled = values.astype(np.float32)
    scaled *= 255.0 / white
    return np.rint(scaled, out=scaled).clip(0, 255).astype(np.uint8)[:, :, None]
