"""Collect the facts of raw files in chunks, or the reason why a file has none. No limit is applied here."""

import hashlib
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from morelike.core import isolation
from morelike.images import pixels, stacks, stderr
from morelike.images.colour import WHITE, Colour
from morelike.images.deep import Span
from morelike.images.errors import ImageError
from morelike.images.headers import Header
from morelike.storage.labels import OF_PLACE, Entry, has_image_extension
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
        span: the range of deep images; None if it is not known yet, then only their numbers are looked at.
        cpu_seconds: a file that takes more processor time ends the process; None if the process must live on.
    """

    source: Source
    max_pixels: int
    background: Colour = WHITE
    known: KnownDigests = field(default_factory=lambda: KnownDigests(Path()))
    span: Span | None = None
    cpu_seconds: float | None = None

    def __call__(self, entries: list[Entry]) -> tuple[list[Row], list[Row]]:
        """Return a row per entry, in order, and a row of facts per new content; nulls are left out of the rows.

        ``content`` is the sha256 of a file, or a digest of that and the page for a slice of a stack. It and ``sha256``
        are "" if the file could not be read, and ``code`` says why; else ``code`` is what its entry has.
        """
        seen = []
        facts = _Facts(self.max_pixels, self.background, self.span)
        path, data, digest = "", b"", ""
        with stderr.muted():
            for entry in entries:
                row = {"sha256": "", "content": "", "code": entry.code, "detail": entry.detail}
                if entry.code in ("", *OF_PLACE):
                    try:
                        if entry.path != path:  # slices of a stack follow each other
                            path, data = "", self._read(entry.path)
                            path, digest = entry.path, hashlib.sha256(data).hexdigest()
                        content = _content_of(digest, entry.page)
                        row |= {"sha256": digest, "content": content}
                        if content not in facts and content not in self.known:
                            with isolation.limited(self.cpu_seconds):
                                facts.add(content, data, entry.page)
                    except ImageError as error:
                        row |= _fault(error)
                seen.append(row)
        return seen, facts.whole()

    def _read(self, name: str) -> bytes:
        try:
            return self.source.read(name)
        except ImageError as error:
            if error.code == "bomb" and not has_image_extension(name):
                raise ImageError("not_an_image", f"no image by its name, {error.detail}") from error
            raise


class _Facts:
    """Rows of facts. Hashes and histograms are evaluated at the end, for all images at once."""

    def __init__(self, max_pixels: int, background: Colour, span: Span | None = None):
        self.max_pixels, self.background, self.span = max_pixels, background, span
        self.rows: dict[str, Row] = {}
        self.measured: list[str] = []
        self.thumbnails: list[np.ndarray] = []
        self.histograms: list[np.ndarray] = []

    def __contains__(self, content: str) -> bool:
        return content in self.rows

    def add(self, content: str, data: bytes, page: int = 0) -> None:
        row = {"content": content, "code": "", "detail": ""}
        self.rows[content] = row
        try:
            picture = self._picture(stacks.alone(data, page, self.max_pixels))
        except ImageError as error:
            row |= _fault(error)
            return
        row |= _of_header(picture.header)
        if page:
            row |= {"frames": 1, "format": stacks.format_of(data)}
        if isinstance(picture, pixels.Unscaled):
            row |= {"numbers": picture.numbers, "low": picture.low, "high": picture.high}
            return
        luma = measures.luma_of(picture.pixels)
        thumbnail, histogram = hashing.thumbnail(luma), measures.histogram(luma)
        cut = hashing.thumbnail(hashing.cut(luma))
        row |= _of_picture(picture, bool(histogram.max() == luma.size)) | measures.of_image(picture.pixels, luma)
        row["thumbnail"] = hashing.small_thumbnail(thumbnail)
        self.measured.append(content)
        self.thumbnails += [thumbnail, cut]
        self.histograms.append(histogram)

    def whole(self) -> list[Row]:
        if self.measured:
            columns = measures.of_histograms(np.stack(self.histograms))
            hashes = hashing.in_hex(hashing.phash(np.stack(self.thumbnails)))
            columns |= {"phash": hashes[::2], "phash_cut": hashes[1::2]}
            values = zip(*(column.tolist() for column in columns.values()), strict=True)
            for content, row in zip(self.measured, values, strict=True):
                self.rows[content] |= zip(columns, row, strict=True)
        return list(self.rows.values())

    def _picture(self, data: bytes) -> pixels.Picture | pixels.Unscaled:
        if self.span is None:
            return pixels.survey(data, self.max_pixels, self.background)
        return pixels.read(data, self.max_pixels, self.background, self.span)


def _content_of(digest: str, page: int) -> str:
    return hashlib.sha256(f"{digest} {page}".encode()).hexdigest() if page else digest


def _of_header(header: Header) -> Row:
    names = ("format", "mode", "bits", "orientation", "frames")
    return {name: getattr(header, name) for name in names}


def _of_picture(picture: pixels.Picture, of_one_level: bool) -> Row:
    converted, image = picture.converted, picture.pixels
    names = ("profile", "numbers", "low", "high", "black", "white", "transparent_share", "alpha")
    return {
        "pixel_sha256": pixel_digest(image),
        "width_px": image.shape[1],
        "height_px": image.shape[0],
        **{name: getattr(converted, name) for name in names},
        "disagreement": 0.0 if math.isnan(picture.disagreement) else picture.disagreement,
        "constant": of_one_level and bool((image == image[0, 0]).all()),
    }


def pixel_digest(image: np.ndarray) -> str:
    """Return the sha256 of the shape and the values of uint8 H×W×C pixels, in hex."""
    digest = hashlib.sha256(repr(image.shape).encode())
    digest.update(image)  # its buffer, not a copy
    return digest.hexdigest()


def _fault(error: ImageError) -> Row:
    return {"code": error.code, "detail": " ".join(error.detail.split()), "value": error.value, "limit": error.limit}
