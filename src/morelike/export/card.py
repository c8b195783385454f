"""The dataset card: the README that Hugging Face shows, with what must be known before the dataset is used."""

import json

import pandas as pd
import yaml

from morelike.core.errors import printable
from morelike.export import card_training
from morelike.judge.recipe_file import RecipeFile

SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))
HF_SPLITS = {"train": "train", "val": "validation", "test": "test"}
TEXT = """\
# Augmented image dataset

{real} real images and {synthetic} synthetic ones of {classes} classes. Synthetic images are in `train` only;
`val` and `test` hold real images alone.

**Synthetic images are not observations.** They were made by models trained on the real train images of this set.
Whether they help a classifier is measured on the untouched test split: the report of the pipeline gives the verdict.
Do not publish them, or results on them, as if they were real.

## Images

{counts}

## Where each image comes from

`manifest.parquet` has a row per image: split, label, `synthetic`, generator, weight, method, seed, the real image it
was made from and that file's sha256, the nearest real train image and its distance (rms of pixels in [0, 1]), the
sha256 of the model and of the PNG. {metadata}{masks}

{generators}

## How to train on it

{training}

## What was left out

Raw files that were quarantined: {quarantined}.

Synthetic images that failed a filter (each is listed in `filtered.parquet`): {filtered}.

## Loading

```python
folder = "."  # the one that holds this file
torchvision.datasets.ImageFolder(f"{{folder}}/train")
datasets.load_dataset("imagefolder", data_dir=folder)
```

## Licence

That of the raw images, which this card does not know.
"""


MASKS = """

The column `mask` is the path of an image's mask: a PNG of the same size in `__masks__/`, whose values are the labels of
the raw mask, 0 where the image was padded. Synthetic images have none."""


def text(
    manifest: pd.DataFrame,
    filtered: pd.DataFrame,
    quarantined: dict[str, int],
    measured: dict,
    recipe: RecipeFile,
    described: bool,
) -> str:
    """Return the card as markdown with Hugging Face's YAML head.

    Args:
        manifest: a row per exported image.
        filtered: a row per synthetic image that a filter kept out.
        quarantined: number of raw files by reason.
        measured: the figures of :func:`morelike.export.export.summary`.
        recipe: how to train on the dataset.
        described: whether the splits hold a ``metadata.csv``; if not, a ``provenance.csv``.
    """
    head = yaml.safe_dump(_head(manifest, described), sort_keys=False, allow_unicode=True)
    named = "metadata.csv" if described else "provenance.csv"
    body = TEXT.format(
        real=int((~manifest["synthetic"]).sum()),
        synthetic=int(manifest["synthetic"].sum()),
        classes=measured["classes"],
        counts=_counts(manifest),
        metadata=f"`{named}` in each split has the most used of these columns.",
        masks=MASKS if (manifest["mask"] != "").any() else "",
        generators=_generators(manifest, measured),
        training=card_training.text(manifest, recipe),
        quarantined=_listed(quarantined),
        filtered=_listed(filtered["reason"].value_counts().sort_index().to_dict()),
    )
    return f"---\n{head}---\n\n{body}"


def _head(manifest: pd.DataFrame, described: bool) -> dict:
    splits = [split for split in HF_SPLITS if (manifest["split"] == split).any()]
    names = sorted(set(manifest["label"]))
    features = [
        {"name": "image", "dtype": "image"},
        {"name": "label", "dtype": {"class_label": {"names": {str(i): name for i, name in enumerate(names)}}}},
    ]
    if described:
        kinds = {"synthetic": "bool", "generator": "string", "weight": "float64", "method": "string"}
        kinds |= {"seed": "int64", "source_file": "string", "nearest_distance": "float64"}
        kinds |= {name: "string" for name in ("given_group", "mask") if (manifest[name] != "").any()}
        features += [{"name": name, "dtype": dtype} for name, dtype in kinds.items()]
    return {
        "pretty_name": "Augmented image dataset",
        "task_categories": ["image-classification"],
        "tags": ["synthetic", "augmented"],
        "size_categories": [next((name for limit, name in SIZES if len(manifest) < limit), "n>1M")],
        "configs": [
            {
                "config_name": "default",
                "data_files": [{"split": HF_SPLITS[split], "path": f"{split}/**"} for split in splits],
                "features": features,
            }
        ],
    }


def _counts(manifest: pd.DataFrame) -> str:
    kind = manifest["split"].where(~manifest["synthetic"], "synthetic")
    table = pd.crosstab(manifest["label"], kind).reindex(columns=["train", "synthetic", "val", "test"], fill_value=0)
    heads = ["real train", "synthetic train", "real val", "real test"]
    return _table(["class", *heads], [[label, *row] for label, row in zip(table.index, table.values, strict=True)])


def _generators(manifest: pd.DataFrame, measured: dict) -> str:
    new = manifest[manifest["synthetic"]]
    if new.empty:
        return "There are no synthetic images in this set."
    keys = ["generator", "method", "settings", "model_sha256"]
    rows = [
        [generator, method, len(rows), _settings(settings), f"`{sha256[:12]}`"]
        for (generator, method, settings, sha256), rows in new.groupby(keys)
    ]
    difference = measured["mean_colour_difference"]
    return (
        _table(["generator", "method", "images", "settings", "model"], rows)
        + f"\n\nThe mean colour of the synthetic train images is within {difference:.4f} per channel of that of the "
        "real ones (pixels in [0, 1])."
    )


def _settings(settings: str) -> str:
    return ", ".join(f"{key} {value}" for key, value in json.loads(settings or "{}").items())


def _table(heads: list[str], rows: list[list]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join("| " + " | ".join(_escaped(cell) for cell in line) + " |" for line in lines)


def _escaped(cell: object) -> str:
    return printable(str(cell)).replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;")


def _listed(counts: dict[str, int]) -> str:
    return ", ".join(f"{reason} {count}" for reason, count in counts.items()) or "none"
