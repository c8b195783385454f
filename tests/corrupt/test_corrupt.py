"""corrupt: noisy twins stand row for row, measured, and the same seed gives the same bytes."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from morelike.core import settings
from morelike.corrupt import corrupt
from morelike.corrupt.settings import Corrupt
from morelike.images import noise
from morelike.storage.shards import ShardStore, ShardWriter
from tests.pictures import picture

CORRUPT = settings.read(Path(__file__).resolve().parents[2] / "params.yaml").section("corrupt", Corrupt)


@pytest.fixture
def resized(tmp_path):
    images = np.stack([picture(20, 16, seed=seed) for seed in range(300)])
    writer = ShardWriter(tmp_path / "resized", *images.shape[1:])
    writer.append(images)
    table = {"file": [f"a/{row}.png" for row in range(300)], "label": "a", "split": "train"}
    writer.close(pd.DataFrame(table | {"sha256": [f"{row:064x}" for row in range(300)]}))
    return tmp_path / "resized"


def test_noisy_twins_stand_row_for_row_with_what_was_measured(resized, tmp_path):
    measured = corrupt.write_noisy(resized, tmp_path / "noisy", CORRUPT.recipes, 0, workers=1)
    clean, noisy = ShardStore(resized), ShardStore(tmp_path / "noisy")
    assert list(noisy.index["file"]) == list(clean.index["file"])
    assert list(noisy.index.columns) == ["file", "label", "split", "recipe", "psnr_db", "ssim"]
    for row in (0, 127, 128, 299):
        a, b = clean.read([row])[0] / 255, noisy.read([row])[0] / 255
        assert noisy.index["psnr_db"][row] == pytest.approx(-10 * np.log10(((a - b) ** 2).mean()))
    assert sum(measured[name]["images"] for name in CORRUPT.recipes) == measured["images"] == 300
    rows = noisy.index[noisy.index["recipe"] == "blur"]
    assert measured["blur"]["psnr_db_mean"] == pytest.approx(rows["psnr_db"].mean())
    assert measured["blur"]["ssim_std"] == pytest.approx(np.std(rows["ssim"]))
    assert json.loads(json.dumps(measured, allow_nan=False)) == measured


def test_every_recipe_is_drawn_about_equally_often(resized, tmp_path):
    measured = corrupt.write_noisy(resized, tmp_path / "noisy", CORRUPT.recipes, 0, workers=1)
    expected = 300 / len(CORRUPT.recipes)
    assert all(abs(measured[name]["images"] - expected) < 4 * np.sqrt(expected) for name in CORRUPT.recipes)


def test_noise_depends_neither_on_the_workers_nor_on_the_order_but_on_the_seed(resized, tmp_path):
    corrupt.write_noisy(resized, tmp_path / "one", CORRUPT.recipes, 0, workers=1)
    corrupt.write_noisy(resized, tmp_path / "two", CORRUPT.recipes, 0, workers=2)
    for path in (tmp_path / "one").iterdir():
        assert path.read_bytes() == (tmp_path / "two" / path.name).read_bytes()
    store = ShardStore(resized)
    backwards = ShardWriter(tmp_path / "backwards", *store.shape)
    backwards.append(store.read(range(299, -1, -1)))
    backwards.close(store.index.iloc[::-1])
    corrupt.write_noisy(tmp_path / "backwards", tmp_path / "three", CORRUPT.recipes, 0, workers=1)
    forwards, turned = (ShardStore(tmp_path / name).read(range(300)) for name in ("one", "three"))
    assert (forwards == turned[::-1]).all()
    corrupt.write_noisy(resized, tmp_path / "four", CORRUPT.recipes, 1, workers=1)
    assert (forwards != ShardStore(tmp_path / "four").read(range(300))).any()


def test_a_recipe_that_changes_nothing_is_measured_without_infinities(resized, tmp_path):
    recipes = {"none": [noise.Gaussian(kind="gaussian", std=0.0)]}
    measured = corrupt.write_noisy(resized, tmp_path / "noisy", recipes, 0, workers=1)
    assert measured["none"]["psnr_db_mean"] == 100.0
    assert measured["none"]["psnr_db_std"] == 0.0
    assert measured["none"]["ssim_mean"] == pytest.approx(1.0)
    assert (ShardStore(tmp_path / "noisy").read([7]) == ShardStore(resized).read([7])).all()
