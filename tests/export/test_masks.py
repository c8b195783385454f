"""masks: exported beside their images, and taken for images by no loader."""

import numpy as np
import pandas as pd
import pytest

from morelike.images import masks as label_maps
from morelike.storage.shards import ShardStore
from morelike.storage.sources import open_source
from tests.export.test_export import noise_images, rooms, run, write_real, write_store, write_synthetic

__all__ = ["rooms"]  # a fixture


def with_masks(root, labels=("Alpha", "Beta")):
    """Give every second real image a mask and a group; return the masks by the name of their image."""
    write_real(root / "resized", labels)
    index = ShardStore(root / "resized").index
    masked = index.index % 2 == 0
    index["mask"] = np.where(masked, index["file"] + ".mask", "")
    index["given_group"] = "p" + (index.index // 3).astype(str)
    index.to_parquet(root / "resized/index.parquet")
    files = index.loc[masked, "file"].tolist()
    drawn = np.random.default_rng(1).integers(0, 4, (len(files), 9, 7, 1), dtype=np.uint8)
    write_store(root / "resized/masks", drawn, {"file": files, "mask": [f"{name}.mask" for name in files]})
    write_synthetic(root / "synthetic/dae", noise_images(4, seed=1), [labels[0]] * 2 + [labels[1]] * 2)
    return dict(zip(files, drawn, strict=True))


def test_each_mask_lies_under_the_path_of_its_image_and_keeps_its_labels(rooms):
    drawn = with_masks(rooms)
    run(rooms)
    manifest = pd.read_parquet(rooms / "augmented/manifest.parquet")
    masked = manifest[manifest["mask"] != ""]
    assert (masked["mask"] == "__masks__/" + masked["path"]).all()
    assert not masked["synthetic"].any()
    assert set(masked["source_file"]) == set(drawn)
    for row in masked.itertuples():
        labels = label_maps.decode((rooms / "augmented" / row.mask).read_bytes())
        np.testing.assert_array_equal(labels, drawn[row.source_file])
    assert len(list((rooms / "augmented/__masks__").rglob("*.png"))) == len(drawn)
    groups = ShardStore(rooms / "resized").index.set_index("file")["given_group"]
    real = manifest[~manifest["synthetic"]]
    assert (real["given_group"] == real["source_file"].map(groups)).all()
    assert set(manifest.loc[manifest["synthetic"], "given_group"]) == {""}


@pytest.mark.parametrize("labels", [("Alpha", "Beta"), ("007", "None")])
def test_no_loader_takes_a_mask_for_an_image(rooms, labels):
    import datasets
    from torchvision.datasets import ImageFolder

    with_masks(rooms, labels)
    run(rooms)
    out = rooms / "augmented"
    assert (out / "train/metadata.csv").exists() == (labels == ("Alpha", "Beta"))
    counts = {"train": 12 + 4, "validation": 4, "test": 6}
    for number, (kind, folder) in enumerate((("imagefolder", str(out)), (str(out), None))):
        loaded = datasets.load_dataset(kind, data_dir=folder, cache_dir=str(rooms / f"hf{number}"))
        assert {split: len(rows) for split, rows in loaded.items()} == counts
    assert ImageFolder(out / "train").classes == sorted(labels)
    if labels[0] == "Alpha":
        first = loaded["test"][0]
        assert first["mask"].startswith(("__masks__/test/Alpha/", "none"))


def test_read_back_as_raw_images_each_has_its_label_split_and_mask(rooms):
    with_masks(rooms)
    run(rooms)
    manifest = pd.read_parquet(rooms / "augmented/manifest.parquet")
    read = [e for e in open_source(rooms / "augmented").entries() if e.name.endswith(".png")]
    got = [(e.name, e.label, e.split, e.mask, e.code) for e in read]
    assert got == sorted((m.path, m.label, m.split, m.mask, "") for m in manifest.itertuples())
