"""The findings of an audit as one offline HTML page, with thumbnails of each fault."""

import base64
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd

from morelike.audit import audited as auditing
from morelike.audit.audited import Audited, Reader
from morelike.audit.workers import without_main
from morelike.core import compute, files, progress
from morelike.core.text import printable
from morelike.images import pixels, stderr
from morelike.images.errors import ImageError
from morelike.pages import rendering

TEMPLATE = "page.html.j2"
SHOWN = 12  # findings of each fault
SIDE_PX = 160  # the longer side of a thumbnail
SMALL_PX = 64  # up to here PNG is the smaller file
JPEG_QUALITY = 80
FILES_PER_CHUNK = 8


@without_main()
def write(audited: Audited, out: Path | str, workers: int | None = None) -> None:
    """Write the page to ``out``, whole. It shows up to ``SHOWN`` files of each fault, and how many more there are."""
    shown = audited.findings.groupby("code", sort=False).head(SHOWN)
    files.write_text(Path(out), render(audited, shown, _thumbnails(audited, shown["file"], workers)))


def render(audited: Audited, shown: pd.DataFrame, thumbnails: dict[str, str]) -> str:
    """Return the page. ``shown`` are the findings to show, ``thumbnails`` a ``data:`` address per file that has one."""
    counts = audited.summary
    faults = [
        one | {"shown": [_figure(row, thumbnails) for row in shown[shown["code"] == one["code"]].to_dict("records")]}
        for one in auditing.counted(audited)
    ]
    context = {"counts": counts, "faults": faults, "side_px": SIDE_PX, "root": audited.reader.source.root.name}
    return rendering.render(Path(__file__).with_name(TEMPLATE), context)


def thumbnail(image: np.ndarray) -> str:
    """Return uint8 H×W×{1,3}, shrunk to at most ``SIDE_PX``, as a ``data:`` address."""
    longest = max(image.shape[:2])
    if longest > SIDE_PX:
        size = [max(1, round(side * SIDE_PX / longest)) for side in image.shape[1::-1]]
        image = cv2.resize(image, size, interpolation=cv2.INTER_AREA).reshape(size[1], size[0], -1)
    small = max(image.shape[:2]) <= SMALL_PX
    data = pixels.encode_png(image) if small else pixels.encode_jpeg(image, JPEG_QUALITY)
    return f"data:image/{'png' if small else 'jpeg'};base64,{base64.b64encode(data).decode()}"


def _figure(finding: dict[str, Any], thumbnails: dict[str, str]) -> dict[str, str]:
    """Return what is shown of a finding; one of the whole set, or of a file without pixels, has no image."""
    name = finding["file"] or finding["label"] or "the set"
    return {
        "name": printable(name),
        "label": printable(finding["label"]) if finding["file"] else "",
        "detail": printable(finding["detail"]),
        "image": thumbnails.get(finding["file"], ""),
        "of_set": not finding["file"],
    }


def _thumbnails(audited: Audited, shown: pd.Series, workers: int | None) -> dict[str, str]:
    names = sorted(set(shown) & audited.decodable)
    return dict(_drawn(audited.reader, names, workers))


def _drawn(reader: Reader, names: list[str], workers: int | None) -> Iterator[tuple[str, str]]:
    chunks = compute.chunks(names, FILES_PER_CHUNK)
    drawn = compute.map_ordered(partial(_draw, reader), chunks, workers)
    for chunk, images in zip(chunks, progress.track(drawn, len(chunks), "thumbnails"), strict=True):
        yield from zip(chunk, images, strict=True)


def _draw(reader: Reader, names: list[str]) -> list[str]:
    with stderr.muted():
        return [_thumbnail_of(reader, name) for name in names]


def _thumbnail_of(reader: Reader, name: str) -> str:
    try:
        return thumbnail(reader.pixels(reader.source.read(name)))
    except ImageError:  # it has changed since the audit
        return ""
