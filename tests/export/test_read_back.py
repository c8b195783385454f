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
