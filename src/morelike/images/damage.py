"""What decoders notice of damage and go on without a word: the evidence that a picture is not what was saved.

Pillow refuses most damaged files by itself. This module asks on, for a file that Pillow has decoded. A format whose
coded pixels have no checksum may hide damage from every decoder: a changed byte in WebP, JPEG 2000 or raw pixels
gives another valid picture.
"""

import io
import zlib
from collections.abc import Iterable, Iterator
from functools import cache

import cv2
import numpy as np
from PIL import Image

from morelike.images import jpeg

PNG_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}  # by colour type; ISO/IEC 15948, table 11.1
# Of each pass of an interlaced PNG: first row and column, steps to the next.
ADAM7 = [(0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1)]
TIFF_OFFSETS, TIFF_COUNTS = (273, 324), (279, 325)  # of strips, of tiles
TIFF_COMPRESSION, TIFF_JPEG_TABLES = 259, 347
TIFF_JPEG, TIFF_PACKBITS, TIFF_DEFLATE = 7, 32773, (8, 32946)
JPEG_2000_CODESTREAM, JPEG_2000_STYLE = b"\xff\x4f\xff\x51", b"\xff\x52"
FEWEST_ZEROS = 512  # in a row; lost blocks of a disk have them, coded pixels do not, but for flat ones:
PIXELS_PER_ZERO = 4096  # a flat WebP has a zero per 10,000 pixels
MOST_PRECINCTS = 4000  # of a JPEG 2000 that says that it has any; each that is empty is a zero
INFLATED_AT_ONCE = 2**20


def complaint(data: bytes, image: Image.Image) -> str:
    """Return what tells that the pixels of a file are damaged, "" if nothing does.

    Args:
        data: the whole file, which Pillow decodes without an error.
        image: the same, opened by Pillow and not yet loaded.
    """
    return EXAMINERS.get(image.format or "", _short_of_raw)(data, image)


def _short_of_raw(data: bytes, image: Image.Image) -> str:
    """Pillow takes the last row of raw pixels without the bytes that fill it up; a lost byte has moved all others."""
    if not image.tile or image.tile[0].codec_name != "raw":
        return ""
    _, box, offset, arguments = image.tile[0]
    stride = arguments[1] if isinstance(arguments, tuple) and len(arguments) > 1 else 0
    expected = offset + stride * (box[3] - box[1])
    return f"{len(data)} bytes, its header says {expected}" if stride and len(data) < expected else ""


def _of_jpeg(data: bytes, _image: Image.Image) -> str:
    return jpeg.complaint(data)


def _of_png(data: bytes, _image: Image.Image) -> str:
    """Check the sums of the pixels' chunks, and that they hold as many bytes as the header asks for."""
    width, height = int.from_bytes(data[16:20]), int.from_bytes(data[20:24])
    bits, channels, interlaced = data[24], PNG_CHANNELS.get(data[25], 0), data[28]
    passes = ADAM7 if interlaced else [(0, 0, 1, 1)]
    sizes = [(-((y - height) // down), -((x - width) // across)) for y, x, down, across in passes]
    expected = sum(rows * (1 + (columns * bits * channels + 7) // 8) for rows, columns in sizes if rows and columns)
    parts = []
    for kind, start, end in _png_chunks(data):
        if kind == b"IDAT":
            if zlib.crc32(data[start - 4 : end]) != int.from_bytes(data[end : end + 4]):
                return f"the checksum of the pixels at byte {start} is wrong"
            parts.append(data[start:end])
    return _of_deflated(parts, expected)


def _png_chunks(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Yield each chunk up to the end of the image: its type, where its content starts and ends."""
    place = 8
    while place + 8 <= len(data):
        length, kind = int.from_bytes(data[place : place + 4]), data[place + 4 : place + 8]
        if kind == b"IEND":
            return
        yield kind, place + 8, place + 8 + length
        place += 12 + length


def _of_deflated(parts: Iterable[bytes], expected: int | None = None) -> str:
    """Inflate zlib data (RFC 1950) in pieces: check its sum, and that it ends, or gives ``expected`` bytes or more."""
    inflater, inflated = zlib.decompressobj(), 0
    try:
        for part in parts:
            left = part
            while left and not inflater.eof:
                inflated += len(inflater.decompress(left, INFLATED_AT_ONCE))
                left = inflater.unconsumed_tail
        inflated += len(inflater.flush())
    except zlib.error as error:
        return f"the compressed pixels are damaged: {error}"
    if expected is None:
        return "" if inflater.eof else "the compressed pixels have no end"
    return f"the compressed pixels end after {inflated} of {expected} bytes" if inflated < expected else ""


def _of_gif(data: bytes, image: Image.Image) -> str:
    single = getattr(image, "n_frames", 1) == 1
    refused = single and _opencv_reads_gif() and cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR) is None
    return "OpenCV refuses its pixels" if refused else ""


@cache
def _opencv_reads_gif() -> bool:
    file = io.BytesIO()
    Image.new("P", (9, 7), 1).save(file, "GIF")
    return cv2.imdecode(np.frombuffer(file.getvalue(), np.uint8), cv2.IMREAD_COLOR) is not None


def _of_webp(data: bytes, image: Image.Image) -> str:
    """Look for zeros in the chunks of pixels, by the container of RFC 9649."""
    usual = image.width * image.height // PIXELS_PER_ZERO
    place = 12
    while place + 8 <= len(data):
        kind, end = data[place : place + 4], place + 8 + int.from_bytes(data[place + 4 : place + 8], "little")
        if kind in (b"VP8 ", b"VP8L"):
            return _zeros(data.find(bytes(max(FEWEST_ZEROS, usual)), place, end))
        place = end + end % 2
    return ""


def _of_jpeg_2000(data: bytes, _image: Image.Image) -> str:
    """Look for more zeros in a row than a tile has packets; an empty packet is a zero (ISO/IEC 15444-1, B.10.3)."""
    start = max(data.find(JPEG_2000_CODESTREAM), 0)
    style = data.find(JPEG_2000_STYLE, start)
    channels = int.from_bytes(data[start + 40 : start + 42])
    layers, levels = int.from_bytes(data[style + 6 : style + 8]), data[style + 9] if style + 9 < len(data) else 0
    packets = MOST_PRECINCTS if data[style + 4] & 1 else layers * (levels + 1) * channels
    return _zeros(data.find(bytes(max(FEWEST_ZEROS, packets + 1)), start))


def _of_avif(data: bytes, _image: Image.Image) -> str:
    if b"Exif" in data:  # it lies among the pixels, and its notes may hold zeros
        return ""
    return _zeros(data.find(bytes(FEWEST_ZEROS), max(data.find(b"mdat"), 0)))


def _of_qoi(data: bytes, _image: Image.Image) -> str:
    return _zeros(data.find(bytes(FEWEST_ZEROS)))


def _zeros(place: int) -> str:
    return f"{FEWEST_ZEROS} or more zeros in a row among the coded pixels" if place >= 0 else ""


def _of_tiff(data: bytes, image: Image.Image) -> str:
    """Look at each strip or tile whose compression has a checksum, complaints of its own, or never zeros in a row."""
    tags = image.tag_v2
    compression = tags.get(TIFF_COMPRESSION)
    if compression in TIFF_DEFLATE:
        found = (_of_deflated([part]) for part in _tiff_parts(data, tags))
    elif compression == TIFF_JPEG:
        tables = tags.get(TIFF_JPEG_TABLES, b"")[:-2] or jpeg.START[:2]
        found = (jpeg.complaint(tables + part[2:]) for part in _tiff_parts(data, tags))
    elif compression == TIFF_PACKBITS:
        found = (_zeros(part.find(bytes(FEWEST_ZEROS))) for part in _tiff_parts(data, tags))
    else:
        return ""
    return next((said for said in found if said), "")


def _tiff_parts(data: bytes, tags) -> Iterator[bytes]:
    offsets = next((tags[tag] for tag in TIFF_OFFSETS if tag in tags), ())
    counts = next((tags[tag] for tag in TIFF_COUNTS if tag in tags), ())
    return (data[start : start + count] for start, count in zip(offsets, counts, strict=False))


EXAMINERS = {
    "JPEG": _of_jpeg,
    "MPO": _of_jpeg,
    "PNG": _of_png,
    "GIF": _of_gif,
    "WEBP": _of_webp,
    "JPEG2000": _of_jpeg_2000,
    "AVIF": _of_avif,
    "HEIF": _of_avif,
    "QOI": _of_qoi,
    "TIFF": _of_tiff,
}
