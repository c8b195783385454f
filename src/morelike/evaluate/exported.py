"""Read an exported dataset back, as its users will: the PNGs and the manifest, nothing else."""

from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from morelike.core import compute
from morelike.core.progress import track
from morelike.images import pixels
from morelike.storage import shards
from morelike.storage.errors import StoreError

FILES_PER_TASK = 64
COLUMNS = ["path", "split", "label", "synthetic", "nearest_distance"]


def unpack(augmented: Path, folder: Path) -> shards.ShardStore:
    """Decode every image of ``augmented`` once, on all cores, into a store in ``folder``.

    Returns:
        A store whose index has the columns :data:`COLUMNS` of the manifest, row for row.

    Raises:
        StoreError: no manifest, no images, or images of different sizes.
        ImageError: an image that cannot be decoded.
    """
    manifest_path = augmented / "manifest.parquet"
    if not manifest_path.is_file():
        raise StoreError(f"{augmented}: no exported dataset here (manifest.parquet is missing); run `dvc repro`")
    manifest = pd.read_parquet(manifest_path, columns=COLUMNS)
    if manifest.empty:
        raise StoreError(f"{manifest_path}: expected a row per image, got none")
    first = pixels.decode_fast((augmented / manifest["path"].iloc[0]).read_bytes())
    writer = shards.ShardWriter(folder, *first.shape)
    tasks = compute.chunks(list(manifest["path"]), FILES_PER_TASK)
    decoded = compute.map_ordered(partial(_decode, augmented, first.shape), tasks)
    for images in track(decoded, len(tasks), "evaluate: decoding"):
        writer.append(images)
    writer.close(manifest)
    return shards.ShardStore(folder)


def _decode(augmented: Path, shape: tuple[int, int, int], paths: list[str]) -> np.ndarray:
    images = np.empty((len(paths), *shape), np.uint8)
    for number, path in enumerate(paths):
        image = pixels.decode_fast((augmented / path).read_bytes())
        if image.shape != shape:
            raise StoreError(f"{augmented / path}: expected {shape} (height, width, channels), got {image.shape}")
        images[number] = image
    return images
