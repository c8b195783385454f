"""The markers of a JPEG (ITU-T T.81, annex B), read strictly: is there anything but one whole, usual picture?"""

import re
from dataclasses import dataclass

START, END = b"\xff\xd8\xff", b"\xff\xd9"
MOST_SCANS = {0xC0: 1, 0xC2: 64}  # of a baseline and of a progressive frame, both Huffman-coded
SCAN = 0xDA
TABLES = {0xC4, 0xDB, 0xDD}  # of Huffman codes, of quanta, the interval of restarts
COMMENT, JFIF = 0xFE, 0xE0
APPLICATIONS = set(range(0xE0, 0xF0))
USUAL_JFIF = b"\x00\x10JFIF\x00"  # with its length
AFTER_SCAN = re.compile(rb"\xff[^\x00\xd0-\xd7]", re.DOTALL)  # neither a stuffed byte nor a restart


@dataclass(frozen=True, slots=True)
class Frame:
    """What the markers of a usual JPEG say: 8 bits a value, ``components`` 1 (grey) or 3.

    ``bare`` tells whether there is no metadata but JFIF's usual header and comments: neither orientation nor profile.
    """

    width_px: int
    height_px: int
    components: int
    bare: bool


def usual_frame(data: bytes) -> Frame | None:
    """Return the frame of a JPEG that is one usual picture from its first byte to its last, None of anything else.

    Usual is: 8 bits, grey or of three components; one frame, baseline in one scan or progressive; only markers that
    every decoder knows, and none among the coded pixels but restarts; no byte between two segments; and the end marker
    in the last two bytes. Whether the coded pixels are sound is not looked at.
    """
    if not (data.startswith(START) and data.endswith(END)):
        return None
    frame, bare, scans, most_scans = None, True, 0, 0
    place, end = 2, len(data) - len(END)
    while place < end:
        if data[place] != 0xFF:
            return None
        marker, length = data[place + 1], int.from_bytes(data[place + 2 : place + 4])
        after = place + 2 + length
        if length < 2 or after > end:
            return None
        if marker == SCAN:
            scans += 1
            after = AFTER_SCAN.search(data, after).start()  # it finds the end marker, if nothing else
        elif marker in MOST_SCANS and not frame:
            most_scans = MOST_SCANS[marker]
            frame = _size_and_components(data[place + 4 : after])
        elif marker in APPLICATIONS:
            bare = bare and marker == JFIF and data.startswith(USUAL_JFIF, place + 2)
        elif marker not in TABLES and marker != COMMENT:
            return None
        place = after
    return Frame(*frame, bare) if frame and 1 <= scans <= most_scans and place == end else None


def _size_and_components(header: bytes) -> tuple[int, int, int] | None:
    """Read a frame's header: bits, height, width, number of components, three bytes each."""
    if len(header) < 6 or header[0] != 8 or header[5] not in (1, 3) or len(header) != 6 + 3 * header[5]:
        return None
    return int.from_bytes(header[3:5]), int.from_bytes(header[1:3]), header[5]
