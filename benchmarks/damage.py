"""Files of each format, damaged in each way: how many are refused, and how many pass with wrong pixels.

A picture that is accepted with more than 1% of its pixels more than 8 of 255 levels off the undamaged ones is harmed.
"""

import io
import random
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

sys.path.insert(0, str(Path(__file__).resolve().parent))
import images

from morelike.core import compute
from morelike.images import pixels, stderr
from morelike.images.errors import ImageError

SIDE_PX, SEED = 300, 0
HARM_SHARE, SAME_LEVELS, DISAGREE_SHARE = 0.01, 8, 0.001
SECTOR, BLOCK = 512, 4096
ENDINGS = ("harmed", "unharmed", "refused")
FORMATS: dict[str, tuple[str, str, dict]] = {
    "JPEG": ("JPEG", "RGB", {"quality": 90}),
    "JPEG, progressive": ("JPEG", "RGB", {"quality": 90, "progressive": True}),
    "JPEG, restarts": ("JPEG", "RGB", {"quality": 90, "restart_marker_rows": 1}),
    "JPEG, CMYK": ("JPEG", "CMYK", {"quality": 90}),
    "PNG": ("PNG", "RGB", {}),
    "PNG, palette": ("PNG", "P", {}),
    "GIF": ("GIF", "P", {}),
    "TIFF, deflate": ("TIFF", "RGB", {"compression": "tiff_adobe_deflate"}),
    "TIFF, LZW": ("TIFF", "RGB", {"compression": "tiff_lzw"}),
    "TIFF, JPEG": ("TIFF", "RGB", {"compression": "jpeg"}),
    "TIFF, PackBits": ("TIFF", "RGB", {"compression": "packbits"}),
    "TIFF, raw": ("TIFF", "RGB", {}),
    "WebP": ("WEBP", "RGB", {"quality": 90}),
    "WebP, lossless": ("WEBP", "RGB", {"lossless": True}),
    "JPEG 2000": ("JPEG2000", "RGB", {}),
    "AVIF": ("AVIF", "RGB", {"quality": 90}),
    "QOI": ("QOI", "RGB", {}),
    "BMP": ("BMP", "RGB", {}),
    "PPM": ("PPM", "RGB", {}),
}
ENDS = {"JPEG": b"\xff\xd9", "JPEG2000": b"\xff\xd9", "PNG": b"\0\0\0\0IEND\xaeB`\x82", "GIF": b"\0;"}
Damage = Callable[[bytes, int, str], bytes]
DAMAGES: dict[str, Damage] = {
    "hole": lambda data, place, _: data[:place] + data[place + SECTOR :],
    "zeros": lambda data, place, _: data[:place] + bytes(len(data[place : place + BLOCK])) + data[place + BLOCK :],
    "cut": lambda data, place, _: data[:place],
    "closed": lambda data, place, kind: data[:place] + ENDS.get(kind, b""),
    "byte lost": lambda data, place, _: data[:place] + data[place + 1 :],
    "bit": lambda data, place, _: data[:place] + bytes([data[place] ^ 16]) + data[place + 1 :],
}


def main() -> None:
    """Print a row per format, a column per damage: how many of the planted ones pass with wrong pixels."""
    asked = images.arguments(__doc__, 60)
    sources = images.unlike(images.sources(asked.images), asked.count)
    print(f"{len(sources)} images per format and damage; harmed / accepted unharmed / refused")
    print("| | " + " | ".join(DAMAGES) + " |\n" + "| --- " * (1 + len(DAMAGES)) + "|")
    tasks = [(name, sources) for name in FORMATS]
    for name, counts in zip(FORMATS, compute.map_ordered(outcomes, tasks), strict=True):
        cells = [" / ".join(str(counts[damage, end]) for end in ENDINGS) for damage in DAMAGES]
        print(f"| {name} | " + " | ".join(cells) + " |", flush=True)


def outcomes(task: tuple[str, list[np.ndarray]]) -> Counter:
    """Count what becomes of the files of one format, by damage."""
    name, sources = task
    kind, mode, options = FORMATS[name]
    counts: Counter = Counter()
    with stderr.muted():
        for row, source in enumerate(sources):
            data = _encoded(source, kind, mode, options)
            right = pixels.read(data).pixels.astype(int)
            place = random.Random(SEED + row).randrange(len(data) // 4, 3 * len(data) // 4)
            for damage, plant in DAMAGES.items():
                counts[damage, _outcome(plant(data, place, kind), right)] += 1
    return counts


def _encoded(source: np.ndarray, kind: str, mode: str, options: dict) -> bytes:
    image = Image.fromarray(np.ascontiguousarray(source[:, :, ::-1]))
    factor = max(1.0, SIDE_PX / min(image.size))
    image = image.resize((round(image.width * factor), round(image.height * factor)), Image.Resampling.BICUBIC)
    file = io.BytesIO()
    image.convert(mode).save(file, kind, **options)
    return file.getvalue()


def _outcome(data: bytes, right: np.ndarray) -> str:
    try:
        picture = pixels.read(data)
    except ImageError:
        return "refused"
    if picture.disagreement > DISAGREE_SHARE:
        return "refused"
    if picture.pixels.shape != right.shape:
        return "harmed"
    wrong = (np.abs(picture.pixels - right) > SAME_LEVELS).any(axis=2).mean()
    return "harmed" if wrong > HARM_SHARE else "unharmed"


if __name__ == "__main__":
    main()
