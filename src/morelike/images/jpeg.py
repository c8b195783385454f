"""The structure of a JPEG file, and what libjpeg-turbo complains of while it decodes one.

Markers are those of ITU-T T.81, table B.1.
"""

import re
from collections.abc import Iterator

import numpy as np
import simplejpeg

START = b"\xff\xd8\xff"
END = b"\xff\xd9"
SCAN = b"\xff\xda"
PROGRESSIVE = b"\xff\xc2"
MOST_SCANS = 100  # usual progressive files have 10; each scan is a pass over all pixels, whatever few bytes it takes
ADOBE, COMMENT, METADATA = 0xEE, 0xFE, range(0xE0, 0xF0)
HUFFMAN, FIRST_AC_TABLE, END_OF_BLOCK = 0xC4, 0x10, 0x00
ZEROS = bytes(512)  # a lost block of a disk
LONE_MARKERS = {0x01, *range(0xD0, 0xD9)}  # have no length
# In the coded pixels 0xFF is followed by 0 or a restart; anything else is the next marker.
MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]", re.DOTALL)
# What libjpeg-turbo says of a JPEG that it was not built to read.
NOT_BUILT_IN = ("data precision", "JPEG process", "color conversion", "compile time", "arithmetic coding")
DECODED_AS = {"Gray": "GRAY", "CMYK": "CMYK", "YCCK": "CMYK"}  # by simplejpeg's colour spaces; any other becomes RGB


def strictly_decoded(data: bytes, space: str) -> np.ndarray:
    """Decode a JPEG to uint8 H×W×C, as stored; ``space`` is simplejpeg's name of the wanted colour space.

    Raises:
        ValueError: if libjpeg-turbo has an error or a warning.
    """
    return simplejpeg.decode_jpeg(data, space, strict=True)


def stored_as(data: bytes) -> tuple[int, int, str]:
    """Return the height and width in pixels, and simplejpeg's name of the colour space, from the header of a JPEG.

    Raises:
        ValueError: if libjpeg-turbo cannot read it.
    """
    return simplejpeg.decode_jpeg_header(data)[:3]


def complaint(data: bytes) -> str:
    """Return what libjpeg-turbo complains of in the pixels of a JPEG that another decoder accepts, "" if of nothing.

    What it says of metadata, of bytes between the segments and of zeros that fill up the pixels is left out.
    """
    try:
        space = DECODED_AS.get(stored_as(data)[2], "RGB")
    except ValueError:
        return ""  # of a kind that simplejpeg does not read
    said = ""
    for form in _forms(data):
        said = _complaint(form, space)
        if not said:
            return unheard(form, PROGRESSIVE in markers(form))
    return said


def _forms(data: bytes) -> Iterator[bytes]:
    """Yield a JPEG as it is, then without what may be wrong in it while its pixels are right."""
    yield data
    essential = _essential(data)
    yield essential + END
    yield essential.rstrip(b"\0") + END


def _complaint(data: bytes, space: str) -> str:
    try:
        strictly_decoded(data, space)
    except ValueError as error:
        said = str(error)
        return "" if any(kind in said for kind in NOT_BUILT_IN) else said
    return ""


def _essential(data: bytes) -> bytes:
    """Leave out metadata and what lies between the segments before the first scan, and all from the end marker on."""
    parts, found = [START[:2]], list(segments(data))
    for marker, start, end in found:
        if marker == SCAN[1]:
            last = data.find(END, found[-1][2])
            return b"".join([*parts, data[start : last if last >= 0 else len(data)]])
        if marker == ADOBE or not (marker == COMMENT or marker in METADATA):
            parts.append(data[start:end])
    return b"".join(parts)


def markers(data: bytes) -> list[bytes]:
    """Return the markers in a file, restarts left out; among them what looks like one in metadata or after the end."""
    return MARKER.findall(data)


def unheard(data: bytes, progressive: bool) -> str:
    """Return what tells of damage that libjpeg-turbo does not notice, "" if nothing does: lost scans, and lost blocks.

    Fields of the headers: T.81, B.2.2 to B.2.4.
    """
    if progressive:
        return _lost_scans(data)
    return _lost_block(data) if ZEROS in data else ""


def _lost_block(data: bytes) -> str:
    """Find zeros among the coded pixels, unless zero is the code of a flat block's end, as in an optimised table."""
    first_symbol: dict[int, int] = {}  # by class and number of the table; the first code is all zeros
    for marker, start, end in segments(data):
        if marker == HUFFMAN:
            table = start + 4
            while table + 17 < end:
                first_symbol[data[table]] = data[table + 17]
                table += 17 + sum(data[table + 1 : table + 17])
        elif marker == SCAN[1]:
            place = data.find(ZEROS, start, end)
            if place >= 0 and first_symbol.get(FIRST_AC_TABLE, END_OF_BLOCK) != END_OF_BLOCK:
                return f"zeros in a row among the coded pixels, from byte {place} on"
    return ""


def _lost_scans(data: bytes) -> str:
    """Tell whether the scans of a progressive JPEG bring each value to its full precision."""
    missing: dict[int, np.ndarray] = {}
    for marker, start, _ in segments(data):
        if marker == PROGRESSIVE[1]:
            missing = {data[start + 10 + 3 * row]: np.ones(64, np.uint8) for row in range(data[start + 9])}
        elif marker == SCAN[1]:
            count = data[start + 4]
            first, last, bits = data[start + 5 + 2 * count : start + 8 + 2 * count]
            for row in range(count):
                missing.get(data[start + 5 + 2 * row], np.empty(64))[first : last + 1] = bits & 0x0F
    lacking = sum(1 for values in missing.values() if values.any())
    return f"scans are missing: {lacking} of {len(missing)} channels are not complete" if lacking else ""


def scans(data: bytes) -> int:
    """Count the scans of the first picture in a JPEG file; exact where there are more than ``MOST_SCANS``."""
    count = markers(data).count(SCAN)
    if count <= MOST_SCANS:
        return count
    return sum(marker == SCAN[1] for marker, _, _ in segments(data))


def segments(data: bytes) -> Iterator[tuple[int, int, int]]:
    """Yield the segments of the first picture in a JPEG file: marker, start and end; a scan goes with its coded pixels.

    >>> list(segments(bytes.fromhex("ffd8 ffdb0003 05 00 ffda0002 1234ff00 ffd9")))
    [(219, 2, 7), (218, 8, 16)]
    """
    place = 2
    while (start := data.find(b"\xff", place)) >= 0 and start + 4 <= len(data):
        marker = data[start + 1]
        if marker == END[1]:
            return
        if marker in LONE_MARKERS or marker in (0, 0xFF):
            place = start + (1 if marker == 0xFF else 2)
            continue
        place = start + 2 + int.from_bytes(data[start + 2 : start + 4])
        if marker == SCAN[1]:
            found = MARKER.search(data, place)
            place = found.start() if found else len(data)
        yield marker, start, place
