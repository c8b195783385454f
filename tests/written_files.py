"""Deep TIFF, PNG and PPM files, written byte by byte: kinds that other libraries refuse to write."""

import struct
import zlib
from itertools import zip_longest

import numpy as np

COLOUR_TYPES = {1: 0, 2: 4, 3: 2, 4: 6}  # of PNG, by channels
NUMBERS = {"u": 1, "i": 2, "f": 3}  # SampleFormat


def tiff(
    *pages: np.ndarray, planar: bool = False, tags: dict[int, int] | None = None, subfiles: tuple[int, ...] = ()
) -> bytes:
    """Return an uncompressed, little-endian TIFF of H×W or H×W×C pages; ``tags`` replaces or adds whole numbers.

    ``subfiles`` are the pages' kinds: 1 is a reduced copy.
    """
    data, last = b"II*\0" + bytes(4), 4
    for page, subfile in zip_longest(pages, subfiles):
        more = (tags or {}) if subfile is None else {254: subfile}
        data, last = _with_page(data, last, page, planar, more)
    return data


def _with_page(data: bytes, last: int, page: np.ndarray, planar: bool, tags: dict[int, int]) -> tuple[bytes, int]:
    """Append a page, and write where it begins at the place ``last``; return all, and where the next one's goes."""
    page = page if page.ndim == 3 else page[:, :, None]
    height, width, channels = page.shape
    planes = [page[:, :, c] for c in range(channels)] if planar else [page]
    starts = [len(data) + sum(one.nbytes for one in planes[:n]) for n in range(len(planes))]
    data += b"".join(np.ascontiguousarray(one).tobytes() for one in planes)
    bits, number = 8 * page.dtype.itemsize, NUMBERS[page.dtype.kind]
    values = {256: width, 257: height, 258: [bits] * channels, 259: 1, 262: 2 if channels in (3, 4) else 1}
    values |= {273: starts, 277: channels, 278: height, 279: [one.nbytes for one in planes], 284: 1 + planar}
    values |= {339: [number] * channels} | ({338: 2} if channels in (2, 4) else {}) | tags
    start = len(data) + len(data) % 2
    data = data[:last] + struct.pack("<I", start) + data[last + 4 :] + bytes(len(data) % 2)
    entries, far, beyond = b"", b"", start + 2 + 12 * len(values) + 4
    for tag, value in sorted(values.items()):
        kind, code = (3, "H") if tag in (258, 259, 262, 274, 277, 284, 338, 339) else (4, "I")
        many = value if isinstance(value, list) else [value]
        body = struct.pack(f"<{len(many)}{code}", *many)
        if len(body) > 4:
            body, far = struct.pack("<I", beyond + len(far)), far + body + bytes(len(body) % 2)
        entries += struct.pack("<HHI", tag, kind, len(many)) + body.ljust(4, b"\0")
    data += struct.pack("<H", len(values)) + entries + bytes(4) + far
    return data, beyond - 4


def png(numbers: np.ndarray, *chunks: tuple[bytes, bytes]) -> bytes:
    """Return a PNG of 16 bits per value, of H×W×{1,2,3,4}, with more ``chunks``."""

    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    height, width, channels = numbers.shape
    head = struct.pack(">IIBBBBB", width, height, 16, COLOUR_TYPES[channels], 0, 0, 0)
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in numbers)
    parts = [(b"IHDR", head), *chunks, (b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*part) for part in parts)


def netpbm(numbers: np.ndarray, largest: int = 65535) -> bytes:
    """Return a PGM or PPM of H×W×{1,3}, whose white is ``largest``."""
    height, width, channels = numbers.shape
    head = b"P%d %d %d %d\n" % (5 if channels == 1 else 6, width, height, largest)
    return head + numbers.astype(">u2" if largest > 255 else "u1").tobytes()
