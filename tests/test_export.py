"""export: what is let in, where it lies, and that others can load it."""

import hashlib
import json
import os

import numpy as np
import pandas as pd
import pytest

from morelike import export, params, pixels
from morelike.errors import ExportError
from morelike.shards import ShardStore, ShardWriter

SETTINGS = params.Export(
    mix={"vae": 0.0, "dae": 1.0}, max_filtered_share=0.5, blank_std=0.02, palette_distance=0.25, copy_distance=0.02
)
os.environ["HF_HUB_OFFLINE"] = "1"


def noise_images(count, seed, centre=120):
    drawn = np.random.default_rng(seed).normal(centre, 25, (count, 9, 7, 3))
    return drawn.clip(0, 255).astype(np.uint8)


def write_store(folder, images, index):
    writer = ShardWriter(folder, *images.shape[1:])
    writer.append(images)
    writer.close(pd.DataFrame(index))


def write_real(folder, labels=("Alpha", "Beta"), per_split=(6, 2, 3), centre=120):
    splits = [split for split, count in zip(("train", "val", "test"), per_split, strict=True) for _ in range(count)]
    rows = [(label, split) for label in labels for split in splits]
    index = {
        "file": [f"{label}/{number}.jpg" for number, (label, _) in enumerate(rows)],
        "label": [label for label, _ in rows],
        "split": [split for _, split in rows],
        "sha256": [hashlib.sha256(str(number).encode()).hexdigest() for number in range(len(rows))],
    }
    images = noise_images(len(rows), seed=0, centre=centre)
    write_store(folder, images, index)
    return images


def write_synthetic(folder, images, labels, generator="dae", **columns):
    count = len(images)
    index = {
        "label": labels,
        "split": "train",
        "generator": generator,
        "method": "variations",
        "seed": range(count),
        "source_row": 0,
        "source_file": "Alpha/0.jpg",
        "source_sha256": "ab",
        "settings": json.dumps({"strength_sigma": 1.0}),
        "model_sha256": "f" * 64,
        "nearest_row": 0,
        "nearest_file": "Alpha/0.jpg",
        "nearest_distance": np.full(count, 0.2),
    }
    write_store(folder, images, index | columns)


@pytest.fixture
def rooms(tmp_path, monkeypatch):
    """Folders of the stages before export, with quarantine and real images, and cwd in a place of its own."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "validated").mkdir()
    pd.DataFrame({"file": ["x.jpg"], "label": ["Alpha"], "code": ["truncated"], "detail": [""]}).to_parquet(
        tmp_path / "validated/quarantine.parquet"
    )
    write_real(tmp_path / "resized")
    return tmp_path


def run(rooms, settings=SETTINGS, workers=1, out="augmented"):
    places = (rooms / name for name in ("validated", "resized", "synthetic", out))
    return export.write_augmented(*places, settings, workers)


@pytest.fixture
def exported(rooms):
    write_synthetic(rooms / "synthetic/dae", noise_images(8, seed=1), ["Alpha"] * 4 + ["Beta"] * 4)
    return rooms / "augmented", run(rooms)


def test_imagefolder_of_torchvision_loads_every_split(exported):
    from torchvision.datasets import ImageFolder

    for split, count in (("train", 12 + 8), ("val", 4), ("test", 6)):
        folder = ImageFolder(exported[0] / split)
        assert folder.classes == ["Alpha", "Beta"]
        assert len(folder) == count


def test_datasets_loads_images_and_labels_by_its_imagefolder(exported, tmp_path):
    import datasets

    loaded = datasets.load_dataset("imagefolder", data_dir=str(exported[0]), cache_dir=str(tmp_path / "hf"))
    assert {split: len(rows) for split, rows in loaded.items()} == {"train": 20, "validation": 4, "test": 6}
    row = loaded["train"][0]
    assert row["image"].size == (7, 9)
    assert set(loaded["train"]["label"]) == {"Alpha", "Beta"}
    assert sum(loaded["train"]["synthetic"]) == 8


def test_datasets_loads_the_folder_by_its_card_with_class_labels(exported, tmp_path):
    import datasets

    loaded = datasets.load_dataset(str(exported[0]), cache_dir=str(tmp_path / "hf"))
    assert {split: len(rows) for split, rows in loaded.items()} == {"train": 20, "validation": 4, "test": 6}
    assert loaded["train"].features["label"].names == ["Alpha", "Beta"]
    assert set(loaded["test"]["label"]) == {0, 1}
