"""Audit the masks that lie beside images: they can be read, hold labels, and fit their images."""

import hashlib
from functools import partial

import numpy as np
import pandas as pd

from morelike.core import compute, progress
from morelike.images import masks, stderr
from morelike.images.errors import ImageError
from morelike.storage.sources import Source
from morelike.validate import rules

MASKS_PER_CHUNK = 128
FACTS = {
    **dict.fromkeys(["mask", "sha256"], "str"),
    **dict.fromkeys(["width_px", "height_px", "channels"], "int64"),
    **dict.fromkeys(["code", "detail"], "str"),
    **dict.fromkeys(["value", "limit"], "float64"),
}
KEPT = ["mask", "file", "sha256", "width_px", "height_px", "channels"]
Table = pd.DataFrame


def inspected(source: Source, table: Table, max_pixels: int, workers: int | None = None) -> Table:
    """Read the mask of every image that has one, on all cores.

    Args:
        source: the raw images.
        table: a row per image, columns ``file``, ``label``, ``mask``, ``width_px``, ``height_px``.
        max_pixels: larger masks are refused.
        workers: the number of processes, as many as cores if None.

    Returns:
        A row per mask: the columns of :data:`FACTS` (sizes are 0 where ``code`` says why there are none); of its image
        ``file``, ``label``, ``image_width_px`` and ``image_height_px`` (NaN if it could not be read).
    """
    images = table.loc[table["mask"] != "", ["file", "label", "mask", "width_px", "height_px"]].reset_index(drop=True)
    chunks = compute.chunks(images["mask"].tolist(), MASKS_PER_CHUNK)
    rows: list[tuple] = []
    if chunks:
        read = compute.map_ordered(partial(_facts, source, max_pixels), chunks, workers)
        rows += [row for part in progress.track(read, len(chunks), "validate: masks") for row in part]
    facts = pd.DataFrame(rows, columns=list(FACTS)).astype(FACTS)
    of_image = {"width_px": "image_width_px", "height_px": "image_height_px"}
    return pd.concat([facts, images.drop(columns="mask").rename(columns=of_image)], axis=1)


def faults(found: Table, used: set[str]) -> Table:
    """Find the masks that cannot be read, are no masks, have another size than their image, or lost it.

    Args:
        found: of :func:`inspected`.
        used: the images that are not quarantined.
    """
    of_mask = found.assign(file=found["mask"], image=found["file"])
    broken, sound = of_mask[of_mask["code"] != ""], of_mask[of_mask["code"] == ""]
    has_image = sound["image"].isin(used)
    there, lost = sound[has_image], sound[~has_image]
    sizes = (there["width_px"] == there["image_width_px"]) & (there["height_px"] == there["image_height_px"])
    quarantined = [f"its image {image} is quarantined" for image in lost["image"]]
    found_alone = rules.found_in(lost, "mask_alone", quarantined)
    found_wrong = rules.found_in(there[~sizes], "mask_size", [_sizes(row) for row in there[~sizes].itertuples()])
    return rules.gathered([broken[rules.FINDING], found_alone, found_wrong])


def _sizes(row) -> str:
    image = f"{row.image_width_px:.0f}×{row.image_height_px:.0f}"
    return f"{row.width_px}×{row.height_px} pixels, its image {row.image} has {image}"


def _facts(source: Source, max_pixels: int, names: list[str]) -> list[tuple]:
    with stderr.muted():
        return [_fact(source, max_pixels, name) for name in names]


def _fact(source: Source, max_pixels: int, name: str) -> tuple:
    digest = ""
    try:
        data = source.read(name)
        digest = hashlib.sha256(data).hexdigest()
        height, width, channels = masks.decode(data, max_pixels).shape
    except ImageError as error:
        detail = " ".join(error.detail.split())
        return name, digest, 0, 0, 0, error.code, detail, error.value, error.limit
    return name, digest, width, height, channels, "", "", np.nan, np.nan
