"""Look at one raw file: a row of facts, or the reason why it cannot be used."""

import contextlib
import hashlib
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

import cv2
import numpy as np

from morelike import pixels
from morelike.audit import likeness
from morelike.errors import ImageError
from morelike.layout import Entry, has_image_extension
from morelike.sources import Source

LONGEST_SIDE_PX = 512  # larger images are shrunk before their colourfulness is measured
DEEP_MODES = ("I", "F")
CODES = (
    "unreadable",
    "empty",
    "truncated",
    "not_an_image",
    "decode_error",
    "bomb",
    "wrong_extension",
    "constant",
    "exact_duplicate",
    "too_small",
    "nan",
    "stray",
)
Row = dict[str, Any]


@dataclass(frozen=True)
class Inspector:
    """Inspects chunks of files; pickles, so it can be sent to worker processes."""

    source: Source
    min_size_px: int
    max_pixels: int

    def __call__(self, entries: list[Entry]) -> list[Row]:
        """Return one row a file, in order: ``code`` is "" for a usable image, else the reason it is not one.

        Rows of usable images hold their statistics, pixels in [0, 1], perceptual hash and small thumbnail.
        """
        rows, thumbnails = [], []
        with _decoders_kept_quiet():
            for entry in entries:
                row = {"file": entry.name, "label": entry.label, "given": entry.split, "code": "", "detail": ""}
                try:
                    facts, thumbnail = self._inspect(entry)
                except ImageError as error:
                    rows.append(row | {"code": error.code, "detail": _one_line(error.detail)})
                    continue
                rows.append(row | facts | {"thumbnail": likeness.small_thumbnail(thumbnail)})
                thumbnails.append(thumbnail)
        hashes = iter(likeness.phash(np.stack(thumbnails))) if thumbnails else iter(())
        return [row if row["code"] else row | {"phash": f"{int(next(hashes)):016x}"} for row in rows]

    def _inspect(self, entry: Entry) -> tuple[Row, np.ndarray]:
        if entry.code and entry.code != "stray":
            raise ImageError(entry.code, entry.detail)
        data = self._read(entry.name)
        header = pixels.read_header(data, self.max_pixels)
        _check_extension(entry.name, header.format)
        image = pixels.decode(data, self.max_pixels)
        height, width = image.shape[:2]
        if min(height, width) < self.min_size_px:
            raise ImageError("too_small", f"{width}×{height} pixels, the shorter side must have {self.min_size_px}")
        if (image == image[0, 0]).all():
            raise ImageError("constant", f"every pixel is {'/'.join(map(str, image[0, 0]))}")
        if entry.code:
            raise ImageError(entry.code, entry.detail)
        facts = {
            "sha256": hashlib.sha256(data).hexdigest(),
            "pixel_sha256": hashlib.sha256(repr(image.shape).encode() + image.tobytes()).hexdigest(),
            "format": header.format,
            "mode": header.mode,
            "width_px": width,
            "height_px": height,
            "orientation": header.orientation,
            "frames": header.frames,
            **statistics(image),
            "notes": ",".join(_notes(header)),
        }
        return facts, likeness.thumbnail(image)

    def _read(self, name: str) -> bytes:
        try:
            return self.source.read(name)
        except ImageError as error:
            if error.code == "bomb" and not has_image_extension(name):
                raise ImageError("not_an_image", f"no image by its name, {error.detail}") from error
            raise


def statistics(image: np.ndarray) -> dict[str, float]:
    """Return the statistics of a uint8 H×W×{1,3} image, pixels in [0, 1].

    ``mean``, ``std``, ``min`` and ``max`` are over all values; ``mean_r``, ``mean_g`` and ``mean_b`` a channel.
    ``colourfulness`` is M of Hasler & Süsstrunk, "Measuring colourfulness in natural images" (2003), 0 for grey.
    """
    means, stds = (values.ravel() / 255 for values in cv2.meanStdDev(image))
    mean = float(means.mean())
    variance = float((stds**2 + means**2).mean()) - mean**2
    red, green, blue = (float(value) for value in np.broadcast_to(means, 3))
    return {
        "mean": mean,
        "std": float(np.sqrt(max(variance, 0.0))),
        "min": float(image.min()) / 255,
        "max": float(image.max()) / 255,
        "mean_r": red,
        "mean_g": green,
        "mean_b": blue,
        "colourfulness": _colourfulness(image),
    }


def _colourfulness(image: np.ndarray) -> float:
    if image.shape[2] == 1:
        return 0.0
    scale = LONGEST_SIDE_PX / max(image.shape[:2])
    if scale < 1:
        size = tuple(max(1, round(side * scale)) for side in image.shape[1::-1])
        image = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    red, green, blue = np.moveaxis(image.astype(np.float32) / 255, 2, 0)
    opponents = np.stack([red - green, (red + green) / 2 - blue]).reshape(2, -1).astype(np.float64)
    return float(np.hypot(*opponents.std(axis=1)) + 0.3 * np.hypot(*opponents.mean(axis=1)))


def _check_extension(name: str, image_format: str) -> None:
    suffix = PurePosixPath(name).suffix.lower()
    if suffix not in pixels.EXTENSIONS.get(image_format, ()):
        expected = ", ".join(sorted(pixels.EXTENSIONS.get(image_format, ())))
        raise ImageError("wrong_extension", f"holds a {image_format} ({expected}), its name ends in {suffix!r}")


def _notes(header: pixels.Header) -> list[str]:
    facts = {
        "animated": header.frames > 1,
        "turned": header.orientation in range(2, 9),
        "transparent": header.mode.lower().endswith("a"),
        "deep": header.mode.startswith(DEEP_MODES),
        "cmyk": header.mode == "CMYK",
    }
    return [note for note, holds in facts.items() if holds]


def _one_line(text: str) -> str:
    return " ".join(text.split())


@contextlib.contextmanager
def _decoders_kept_quiet() -> Iterator[None]:
    """Silence what C libraries write straight to stderr about a damaged file: its quarantine row says it."""
    sys.stderr.flush()
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)
