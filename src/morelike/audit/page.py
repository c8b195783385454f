"""The findings of an audit as one offline HTML page, with thumbnails of each fault."""

import base64
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd

from morelike.audit import audited as auditing
from morelike.audit.audited import Audited
from morelike.audit.errors import AuditError
from morelike.audit.reading import Reader, Stored, stored_in
from morelike.audit.workers import without_main
from morelike.core import compute, progress
from morelike.core.files import write_text
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
    write_text(Path(out), render(audited, shown, _thumbnails(audited, shown["file"], workers)))


def render(audited: Audited, shown: pd.DataFrame, thumbnails: dict[str, str]) -> str:
    """Return the page. ``shown`` are the findings to show, ``thumbnails`` a ``data:`` address per file that has one."""
    counts = audited.summary
    faults = [
        one | {"shown": [_figure(row, thumbnails) for row in shown[shown["code"] == one["code"]].to_dict("records")]}
        for one in auditing.counted(audited)
    ]
    context = {
        "counts": counts,
        "faults": faults,
        "side_px": SIDE_PX,
        "root": audited.reader.source.root.resolve().name,
    }
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
        "name": name,
        "label": finding["label"] if finding["file"] else "",
        "detail": finding["detail"],
        "image": thumbnails.get(finding["file"], ""),
        "of_set": not finding["file"],
    }


def _thumbnails(audited: Audited, shown: pd.Series, workers: int | None) -> dict[str, str]:
    files = stored_in(audited.decodable[audited.decodable["file"].isin(shown)])
    chunks = compute.chunks(files, FILES_PER_CHUNK)
    drawn = compute.map_ordered(partial(_draw, audited.reader), chunks, workers)
    addresses = [address for chunk in progress.track(drawn, len(chunks), "thumbnails") for address in chunk]
    return {stored.file: address for stored, address in zip(files, addresses, strict=True)}


def _draw(reader: Reader, files: list[Stored]) -> list[str]:
    with stderr.muted():
        return [_drawn(reader, stored) for stored in files]


def _drawn(reader: Reader, stored: Stored) -> str:
    try:
        return thumbnail(reader.pixels(stored, reader.data(stored)))
    except (ImageError, AuditError):  # it has changed since the audit
        return ""
