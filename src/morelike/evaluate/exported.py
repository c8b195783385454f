"""Read an exported dataset back, as its users will: the PNGs and the manifest, nothing else."""

import hashlib
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from morelike.core import compute
from morelike.core.progress import track
from morelike.images import pixels
from morelike.storage import shards, tables
from morelike.storage.errors import StoreError

FILES_PER_TASK = 64
COLUMNS = ["path", "split", "label", "synthetic", "generator", "given_group", "source_file", "nearest_distance"]


def manifest(augmented: Path) -> pd.DataFrame:
    """Return the columns :data:`COLUMNS` and ``sha256`` of the manifest, a row per image.

    Raises:
        StoreError: no manifest, no images.
        DamagedFile: the manifest cannot be read.
    """
    path = augmented / "manifest.parquet"
    if not path.is_file():
        raise StoreError(f"{augmented}: no exported dataset here (manifest.parquet is missing); run `dvc repro`")
    table = tables.read(path, [*COLUMNS, "sha256"])
    if table.empty:
        raise StoreError(f"{path}: expected a row per image, got none")
    return table


def unpack(augmented: Path, rows: pd.DataFrame, folder: Path) -> shards.ShardStore:
    """Decode every image of ``augmented`` once, on all cores, into a store in ``folder``.

    Args:
        augmented: the dataset.
        rows: its :func:`manifest`.
        folder: to write.

    Returns:
        A store whose index has the columns :data:`COLUMNS` of the manifest, row for row; ``given_group`` is ``group``.

    Raises:
        StoreError: an image is missing, or not as it was exported.
    """
    first = _image(augmented / rows["path"].iloc[0], rows["sha256"].iloc[0])
    writer = shards.ShardWriter(folder, *first.shape)
    tasks = compute.chunks(list(zip(rows["path"], rows["sha256"], strict=True)), FILES_PER_TASK)
    decoded = compute.map_ordered(partial(_decode, augmented, first.shape), tasks)
    for images in track(decoded, len(tasks), "evaluate: decoding"):
        writer.append(images)
    writer.close(rows[COLUMNS].rename(columns={"given_group": "group"}))
    return shards.ShardStore(folder)


def _image(path: Path, sha256: str) -> np.ndarray:
    try:
        data = path.read_bytes()
    except FileNotFoundError as error:
        raise StoreError(f"{path}: expected an image of the dataset, found nothing; run `dvc repro`") from error
    if hashlib.sha256(data).hexdigest() != sha256:
        raise StoreError(f"{path} is damaged: expected the sha256 {sha256}; delete the dataset and run `dvc repro`")
    return pixels.decode_fast(data)


def _decode(augmented: Path, shape: tuple[int, int, int], task: list[tuple[str, str]]) -> np.ndarray:
    images = np.empty((len(task), *shape), np.uint8)
    for number, (path, sha256) in enumerate(task):
        images[number] = _image(augmented / path, sha256)
    return images
