"""The table of labels in each split of an export, in the form of Hugging Face's imagefolder."""

import io
import json
from pathlib import Path

import pandas as pd

from morelike.storage import tables

COLUMNS = [
    *("file_name", "label", "synthetic", "generator", "weight", "method", "seed"),
    *("source_file", "nearest_distance"),
]
WHERE_KNOWN = ["given_group", "mask"]
NONE = "none"  # a loader reads an empty cell as a missing number


def write(manifest: pd.DataFrame, out: Path) -> bool:
    """Write ``metadata.csv`` into each split; return False if it had to be ``provenance.csv``.

    Beside :data:`COLUMNS` it has each of :data:`WHERE_KNOWN` that any image has, and a column per attribute that came
    with the raw images. CSV has no types: a class named ``None`` or ``007`` would be read back as nothing or 7. A name
    such as ``=1+1`` must be read as it is there, and must not run in a spreadsheet. Loaders that find no
    ``metadata.csv`` take the labels from the folders.
    """
    of_split = {split: rows for split, rows in manifest.groupby("split", sort=False) if len(rows)}
    survives = _labels_survive_csv([sorted(set(rows["label"])) for rows in of_split.values()])
    survives &= tables.is_for_people(manifest[["label", "source_file"]])
    known = [column for column in WHERE_KNOWN if (manifest[column] != "").any()]
    attributes = _attributes(manifest)
    for split, rows in of_split.items():
        table = rows.assign(file_name=rows["path"].str.removeprefix(f"{split}/"))[[*COLUMNS, *known]]
        table = table.join(attributes).replace("", NONE)
        tables.write_csv(out / split / ("metadata.csv" if survives else "provenance.csv"), table)
    return survives


def _attributes(manifest: pd.DataFrame) -> pd.DataFrame:
    """Return a column per attribute, with a row per image; "" where an image has none of that name."""
    found = pd.DataFrame([json.loads(text) for text in manifest["attributes"]], index=manifest.index)
    return found[[name for name in found if name not in (*COLUMNS, *WHERE_KNOWN)]].fillna("").astype(str)


def _labels_survive_csv(labels_of_splits: list[list[str]]) -> bool:
    read = []
    for labels in labels_of_splits:
        text = pd.DataFrame({"label": labels}).to_csv(index=False)
        read.append(pd.read_csv(io.StringIO(text))["label"])
    same = all(list(back.astype(str)) == labels for back, labels in zip(read, labels_of_splits, strict=True))
    return same and len({str(back.dtype) for back in read}) == 1
