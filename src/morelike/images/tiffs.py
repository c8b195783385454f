"""TIFFs that Pillow cannot open or reads wrongly: their layout, and their numbers by OpenCV. And: single pages."""

import io
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

import numpy as np
from PIL import TiffImagePlugin

from morelike.images import stored
from morelike.images.errors import ImageError

SIGNATURES = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")  # of TIFF and BigTIFF
SUBFILE, WIDTH, HEIGHT, BITS, PHOTOMETRIC, ORIENTATION, CHANNELS = 254, 256, 257, 258, 262, 274, 277
PLANAR, EXTRA, NUMBER = 284, 338, 339
UNSIGNED, SIGNED, FLOAT = 1, 2, 3  # what NUMBER, the sample format, may say
WORDS = {UNSIGNED: "whole numbers", SIGNED: "signed whole numbers", FLOAT: "floats"}
OPENCV_READS = {UNSIGNED: (8, 16, 32, 64), SIGNED: (16, 32, 64), FLOAT: (32, 64)}  # bits
LARGEST_GREY = 1  # of PHOTOMETRIC, more are colours
ALPHA = (1, 2)  # of EXTRA
REDUCED = 1  # bit of SUBFILE: a smaller copy of another page
MOST_PAGES = 1_000_000


@dataclass(frozen=True)
class Layout:
    """How the numbers of the first page are stored.

    Attributes:
        width_px: as stored.
        height_px: as stored.
        bits: per number.
        number: ``UNSIGNED``, ``SIGNED`` or ``FLOAT``.
        channels: numbers per pixel.
        planar: whether each of several channels is stored by itself.
        colours: whether the channels are those of a colour space.
        alpha: whether one of the channels is transparency.
        orientation: as EXIF counts it, 1 to 8.
        pages: in the file, without reduced copies.
    """

    width_px: int
    height_px: int
    bits: int
    number: int
    channels: int
    planar: bool
    colours: bool
    alpha: bool
    orientation: int
    pages: int

    @property
    def words(self) -> str:
        """The kind of image in words."""
        return f"{self.bits}-bit {WORDS[self.number]}, {self.channels} channels" + (" in planes" * self.planar)

    @property
    def pillow_reads(self) -> bool:
        """Whether Pillow opens it and reads it rightly, but for the low bytes of colours."""
        if self.channels > 1 and not self.colours and not (self.channels == 2 and self.alpha and self.bits == 8):
            return False  # it would drop all channels but the first
        if self.channels == 1:
            deep = {UNSIGNED: (12, 16, 32), SIGNED: (16, 32), FLOAT: (32,)}
            shallow = self.bits <= 8 and self.number != FLOAT  # signed bytes are mostly unsigned ones in truth
            return shallow or self.bits in deep[self.number]
        return self.number == UNSIGNED and (self.bits <= 8 or (self.bits == 16 and not self.planar))


def foreign(data: bytes) -> Layout | None:
    """Return the layout of a TIFF that Pillow cannot open or reads wrongly; None for any other file."""
    if not data.startswith(SIGNATURES):
        return None
    try:
        layout = _layout(data)
    except (IndexError, KeyError, ValueError, TypeError, OSError, SyntaxError, struct.error):
        return None  # Pillow says what is wrong with it
    return None if layout.pillow_reads else layout


def read(data: bytes, layout: Layout) -> np.ndarray:
    """Return the numbers of a foreign TIFF, H×W×{1,3,4}, colours as RGB, turned upright.

    Raises:
        ImageError: with code ``unsupported`` or ``decode_error``.
    """
    if layout.channels not in (1, 3, 4) or layout.planar or layout.bits not in OPENCV_READS[layout.number]:
        raise ImageError(
            "unsupported",
            f"a TIFF of {layout.words}; save it with 1, 3 or 4 channels, not in planes, floats in 32 or 64 bits",
        )
    return stored.numbers(data)


def alone(data: bytes, page: int) -> bytes:
    """Return a TIFF of one page: ``page``, counted from 1 without reduced copies.

    Raises:
        ImageError: with code ``decode_error`` if there is no such page.
    """
    found = next(islice(_images(data), page - 1, page), None)
    if found is None:
        raise ImageError("decode_error", f"its page {page} cannot be found")
    start, following = found
    place, form = _first(data)
    patched = bytearray(data)
    struct.pack_into(form, patched, place, start)
    struct.pack_into(form, patched, following, 0)
    return bytes(patched)


def pages(data: bytes) -> int:
    """Count the pages of a TIFF, without reduced copies; at least 1."""
    return max(sum(1 for _ in _images(data)), 1)


def _images(data: bytes) -> Iterator[tuple[int, int]]:
    """Yield the pages of :func:`_chain` that are no reduced copies, as thumbnails are."""
    form = _first(data)[1]
    skip, entry_bytes = (2, 12) if form[1] == "I" else (8, 20)
    for start, following in _chain(data):
        entries = range(start + skip, following, entry_bytes)
        tags = {struct.unpack_from(f"{form[0]}H", data, entry)[0]: entry for entry in entries}
        kind = struct.unpack_from(form, data, tags[SUBFILE] + entry_bytes // 2 + 2)[0] if SUBFILE in tags else 0
        if not kind & REDUCED:
            yield start, following


def _layout(data: bytes) -> Layout:
    tags = TiffImagePlugin.ImageFileDirectory_v2(data[:16] if data[2:4] in (b"+\0", b"\0+") else data[:8])
    file = io.BytesIO(data)
    file.seek(tags.next)
    tags.load(file)
    bits, channels = max(tags.get(BITS, (1,))), tags.get(CHANNELS, 1)
    number = max(tags.get(NUMBER, (UNSIGNED,)))
    return Layout(
        width_px=int(tags[WIDTH]),
        height_px=int(tags[HEIGHT]),
        bits=bits,
        number=number if number in WORDS else UNSIGNED,
        channels=channels,
        planar=channels > 1 and tags.get(PLANAR) == 2,
        colours=tags.get(PHOTOMETRIC, 0) > LARGEST_GREY,
        alpha=any(one in ALPHA for one in tags.get(EXTRA, ())),
        orientation=int(tags.get(ORIENTATION, 1)),
        pages=pages(data),
    )


def _first(data: bytes) -> tuple[int, str]:
    """Return where a TIFF says where its first page begins, and the form of such a number."""
    order, big = "<" if data[:2] == b"II" else ">", data[2:4] in (b"+\0", b"\0+")
    return (8, f"{order}Q") if big else (4, f"{order}I")


def _chain(data: bytes) -> Iterator[tuple[int, int]]:
    """Yield for each page where its tags begin, and where it says where the next one's do.

    It ends at a page that does not lie in the file, or was there before.
    """
    place, form = _first(data)
    count_form, entry_bytes = (f"{form[0]}H", 12) if form[1] == "I" else (f"{form[0]}Q", 20)
    seen: set[int] = set()
    while len(seen) < MOST_PAGES:
        try:
            (start,) = struct.unpack_from(form, data, place)
            (count,) = struct.unpack_from(count_form, data, start)
            place = start + struct.calcsize(count_form) + count * entry_bytes
            struct.unpack_from(form, data, place)
        except struct.error:
            return
        if not start or start in seen:
            return
        seen.add(start)
        yield start, place
