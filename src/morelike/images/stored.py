"""The numbers of an image as they are stored, by OpenCV, where Pillow keeps 8 bits of them or cannot open the file."""

import cv2
import numpy as np

from morelike.images.errors import ImageError

PNG_START = b"\x89PNG\r\n\x1a\n"
ANIMATION = (b"acTL", b"fcTL", b"fdAT")  # chunks of a PNG


def numbers(data: bytes) -> np.ndarray:
    """Return the numbers of the first image, H×W×{1,3,4}, colours as RGB; of a TIFF, turned upright.

    Raises:
        ImageError: with code ``decode_error``.
    """
    found = cv2.imdecode(np.frombuffer(still(data), np.uint8), cv2.IMREAD_UNCHANGED)
    if found is None:
        raise ImageError("decode_error", "the pixels cannot be decoded: OpenCV refuses them")
    found = np.atleast_3d(found)
    if found.shape[2] < 4:
        return found[:, :, ::-1]
    for row in found:  # not all at once, which would take as much memory again
        row[:, [0, 2]] = row[:, [2, 0]]
    return found


def still(data: bytes) -> bytes:
    """Return a PNG without its animation, of whose 16 bits OpenCV makes black; any other file as it is."""
    if not data.startswith(PNG_START) or ANIMATION[0] not in data:
        return data
    kept, place = [PNG_START], len(PNG_START)
    while place + 8 <= len(data):
        end = place + 12 + int.from_bytes(data[place : place + 4], "big")
        if data[place + 4 : place + 8] not in ANIMATION:
            kept.append(data[place:end])
        place = end
    return b"".join(kept)
