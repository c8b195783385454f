"""An exported dataset is raw data again, with the same labels and splits."""

import json

import pandas as pd
import pytest

from morelike.storage.sources import open_source
from tests.export.test_export import noise_images, rooms, run, write_real, write_synthetic

__all__ = ["rooms"]  # a fixture


@pytest.mark.parametrize("labels", [("Alpha", "Beta"), ("007", "None"), ("a?b", "a_b"), ("cat.", "cat")])
def test_the_export_read_back_gives_the_same_labels_splits_and_origins(rooms, labels):
    write_real(rooms / "resized", labels)
    write_synthetic(rooms / "synthetic/dae", noise_images(4, seed=1), [*labels, *labels])
    run(rooms)
    manifest = pd.read_parquet(rooms / "augmented/manifest.parquet").set_index("path")
    entries = {entry.name: entry for entry in open_source(rooms / "augmented").entries() if entry.label}
    assert {name: (entry.label, entry.split, entry.code) for name, entry in entries.items()} == {
        name: (row.label, row.split, "") for name, row in manifest.iterrows()
    }
    for name, entry in entries.items():
        told = json.loads(entry.attributes)
        assert told["synthetic"] == str(manifest.loc[name, "synthetic"])
        assert told["source_file"] == manifest.loc[name, "source_file"]


def test_attributes_of_the_raw_images_are_columns_and_come_back(rooms):
    write_real(rooms / "resized", attributes=json.dumps({"patient": "p1", "seed": "of the scanner"}))
    write_synthetic(rooms / "synthetic/dae", noise_images(4, seed=1), ["Alpha", "Beta"] * 2)
    run(rooms)
    manifest = pd.read_parquet(rooms / "augmented/manifest.parquet").set_index("path")
    table = pd.read_csv(rooms / "augmented/train/metadata.csv").set_index("file_name")
    assert set(table["patient"][table["synthetic"]]) == {"none"}
    assert set(table["patient"][~table["synthetic"]]) == {"p1"}
    assert "of the scanner" not in set(table["seed"])
    for entry in open_source(rooms / "augmented").entries():
        if entry.label and not manifest.loc[entry.name, "synthetic"]:
            assert json.loads(entry.attributes)["patient"] == "p1"
