"""Write the masks of the exported real images, beside the splits: loaders of classes do not take them for images."""

from pathlib import Path

import pandas as pd

from morelike.images import pixels
from morelike.storage.shards import ShardStore

FOLDER = "__masks__"  # Hugging Face's imagefolder looks into no folder that begins so
MASKS_AT_ONCE = 64


def write(table: pd.DataFrame, resized: Path, out: Path) -> None:
    """Write the mask of each image that has one as PNG.

    Args:
        table: a row per exported image, columns ``source_file`` and ``mask``, the path of its mask in ``out`` or "".
        resized: the store of the images, with that of their masks in it.
        out: the folder of the dataset.
    """
    masked = table[table["mask"] != ""]
    if masked.empty:
        return
    store = ShardStore(Path(resized) / "masks")
    rows = pd.Series(range(len(store)), index=store.index["file"])
    for start in range(0, len(masked), MASKS_AT_ONCE):
        part = masked.iloc[start : start + MASKS_AT_ONCE]
        labels = store.read(rows[part["source_file"]].to_numpy())
        for mask, path in zip(labels, part["mask"], strict=True):
            (out / path).parent.mkdir(parents=True, exist_ok=True)
            (out / path).write_bytes(pixels.encode_png(mask))
