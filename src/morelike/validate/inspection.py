"""Collect the facts of raw files in chunks, or the reason why a file has none. No limit is applied here."""

import hashlib
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from morelike.core import isolation
from morelike.images import pixels, stderr
from morelike.images.colour import WHITE, Colour
from morelike.images.errors import ImageError
from morelike.storage.labels import Entry, has_image_extension
from morelike.storage.sources import Source
from morelike.validate import hashing, measures
from morelike.validate.known_digests import KnownDigests

IMAGE_MEASURES = ["mean", "std", "min", "max", "mean_r", "mean_g", "mean_b", "colourfulness", "blur"]
HISTOGRAM_MEASURES = ["dark", "light", "entropy_bits", "clipped_share"]
Row = dict[str, Any]


@dataclass(frozen=True)
class Inspector:
    """Inspects chunks of files; pickles, so it can be sent to worker processes.

    Attributes:
        source: where the files are.
        max_pixels: larger images are refused before they are decoded.
        background: RGB, 0 to 255; transparent images are laid on it.
        known: digests of the contents whose facts are known already.
        cpu_seconds: a file that takes more processor time ends the process; None if the process must live on.
    """

    source: Source
    max_pixels: int
    background: Colour = WHITE
    known: KnownDigests = field(default_factory=lambda: KnownDigests(Path()))
    cpu_seconds: float | None = None

    def __call__(self, entries: list[Entry]) -> tuple[list[Row], list[Row]]:
        """Return a row per file, in order, and a row of facts per new content; nulls are left out of the rows.

        A file's ``sha256`` is "" if it could not be read, and ``code`` says why; else ``code`` is what its entry has.
        """
        seen = []
        facts = _Facts(self.max_pixels, self.background)
        with stderr.muted():
            for entry in entries:
                row = {"sha256": "", "code": entry.code, "detail": entry.detail}
                if entry.code in ("", "stray"):
                    try:
                        with isolation.limited(self.cpu_seconds):
                            row["sha256"] = self._inspect(entry, facts)
                    except ImageError as error:
                        row |= _fault(error)
                seen.append(row)
        return seen, facts.whole()

    def _inspect(self, entry: Entry, facts: "_Facts") -> str:
        """Add the facts of a content that is new, and return its sha256."""
        data = self._read(entry.name)
        digest = hashlib.sha256(data).hexdigest()
        if digest not in facts and digest not in self.known:
            facts.add(digest, data)
        return digest

    def _read(self, name: str) -> bytes:
        try:
            return self.source.read(name)
        except ImageError as error:
            if error.code == "bomb" and not has_image_extension(name):
                raise ImageError("not_an_image", f"no image by its name, {error.detail}") from error
            raise


class _Facts:
    """Rows of facts. Hashes and histograms are evaluated at the end, for all images at once."""

    def __init__(self, max_pixels: int, background: Colour):
        self.settings = max_pixels, background
        self.rows: dict[str, Row] = {}
        self.measured: list[str] = []
        self.thumbnails: list[np.ndarray] = []
        self.histograms: list[np.ndarray] = []

    def __contains__(self, digest: str) -> bool:
        return digest in self.rows

    def add(self, digest: str, data: bytes) -> None:
        row = {"sha256": digest, "code": "", "detail": ""}
        self.rows[digest] = row
        try:
            picture = pixels.read(data, *self.settings)
        except ImageError as error:
            row |= _fault(error)
            return
        luma = measures.luma_of(picture.pixels)
        thumbnail, histogram = hashing.thumbnail(luma), measures.histogram(luma)
        cut = hashing.thumbnail(hashing.cut(luma))
        row |= _of_picture(picture, bool(histogram.max() == luma.size)) | measures.of_image(picture.pixels, luma)
        row["thumbnail"] = hashing.small_thumbnail(thumbnail)
        self.measured.append(digest)
        self.thumbnails += [thumbnail, cut]
        self.histograms.append(histogram)

    def whole(self) -> list[Row]:
        if self.measured:
            columns = measures.of_histograms(np.stack(self.histograms))
            hashes = hashing.in_hex(hashing.phash(np.stack(self.thumbnails)))
            columns |= {"phash": hashes[::2], "phash_cut": hashes[1::2]}
            values = zip(*(column.tolist() for column in columns.values()), strict=True)
            for digest, row in zip(self.measured, values, strict=True):
                self.rows[digest] |= zip(columns, row, strict=True)
        return list(self.rows.values())


def _of_picture(picture: pixels.Picture, of_one_level: bool) -> Row:
    header, converted, image = picture.header, picture.converted, picture.pixels
    return {
        "pixel_sha256": _pixel_digest(image),
        "format": header.format,
        "mode": header.mode,
        "profile": converted.profile,
        "bits": header.bits,
        "width_px": image.shape[1],
        "height_px": image.shape[0],
        "orientation": header.orientation,
        "frames": header.frames,
        "white": converted.white,
        "transparent_share": converted.transparent_share,
        "disagreement": 0.0 if math.isnan(picture.disagreement) else picture.disagreement,
        "alpha": converted.alpha,
        "constant": of_one_level and bool((image == image[0, 0]).all()),
    }


def _pixel_digest(image: np.ndarray) -> str:
    digest = hashlib.sha256(repr(image.shape).encode())
    digest.update(image)  # its buffer, not a copy
    return digest.hexdigest()


def _fault(error: ImageError) -> Row:
    return {"code": error.code, "detail": " ".join(error.detail.split()), "value": error.value, "limit": error.limit}
