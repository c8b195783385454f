"""The table that an export is made from: a row per image, real and new."""

from pathlib import Path

import numpy as np
import pandas as pd

from morelike.export import masks
from morelike.storage.labels import NO_ATTRIBUTES
from morelike.storage.shards import ShardStore

SPLITS = ("train", "val", "test")
REAL = {"generator": "", "method": "", "settings": "", "model_sha256": "", "nearest_file": ""}
NEW = {"given_group": "", "mask": "", "attributes": NO_ATTRIBUTES}
MANIFEST = [
    *("path", "split", "label", "synthetic", "generator", "weight", "method", "seed", "source_file", "source_sha256"),
    *("settings", "model_sha256", "nearest_file", "nearest_distance", "given_group", "mask", "sha256", "attributes"),
]
KNOWN_LATER = ("path", "weight", "sha256")  # the rest of the manifest is known before anything is written
PLACES = ("store", "row", "mean_colour")  # where the pixels are, and their mean colour if they are new


def real(resized: ShardStore, of_labels: dict[str, str]) -> pd.DataFrame:
    """Return a row per real image: the columns of the manifest but two, and :data:`PLACES`.

    Args:
        resized: the real images.
        of_labels: the folder of each label.
    """
    names = [f"real_{row:06d}.png" for row in range(len(resized))]
    table = resized.index.rename(columns={"file": "source_file", "sha256": "source_sha256"})
    table = table.assign(**REAL, synthetic=False, seed=-1, nearest_distance=np.nan, row=range(len(resized)))
    table = _with_paths(table.assign(store=str(resized.folder), mean_colour=None), names, of_labels)
    return table.assign(mask=(f"{masks.FOLDER}/" + table["path"]).where(table["mask"] != "", ""))


def synthetic(index: pd.DataFrame, model: str, folder: Path, of_labels: dict[str, str]) -> pd.DataFrame:
    """Return a row per new image, as :func:`real` does.

    Args:
        index: what the model's store says of them, with their ``row`` in it and their ``mean_colour``.
        model: the name of the model.
        folder: of its store.
        of_labels: the folder of each label.
    """
    names = [f"{model}_{row:06d}.png" for row in index["row"]]
    table = index.assign(**NEW, split="train", synthetic=True, store=str(folder))
    return _with_paths(table, names, of_labels)


def in_order(table: pd.DataFrame) -> pd.DataFrame:
    """Return a table in the order of the manifest: train, val, test, and in each by path."""
    order = table["split"].map({split: number for number, split in enumerate(SPLITS)})
    return table.assign(order=order).sort_values(["order", "path"]).drop(columns="order").reset_index(drop=True)


def _with_paths(table: pd.DataFrame, names: list[str], of_labels: dict[str, str]) -> pd.DataFrame:
    paths = table["split"] + "/" + table["label"].map(of_labels) + "/" + pd.Series(names, index=table.index, dtype=str)
    columns = [column for column in MANIFEST if column not in KNOWN_LATER]
    return table.assign(path=paths)[["path", *columns, *PLACES]]
