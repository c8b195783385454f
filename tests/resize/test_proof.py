"""proof: a store is checked over all its batches, and its splits against one another."""

import numpy as np
import pandas as pd
import pytest

from morelike.images import pixels
from morelike.images.errors import NormalisationError
from morelike.resize.proof import check_store, moments
from morelike.storage.shards import ShardStore, ShardWriter


def levels(seed=0, count=4):
    return np.random.default_rng(seed).integers(0, 256, (count, 6, 5, 3), dtype=np.uint8)


def stored(folder, images, splits=None):
    writer = ShardWriter(folder, *images.shape[1:])
    writer.append(images)
    count = len(images)
    writer.close(pd.DataFrame({"file": [f"{row}.png" for row in range(count)], "split": splits or ["train"] * count}))
    return ShardStore(folder)


def test_a_store_is_checked_over_all_its_batches(tmp_path):
    images = levels(count=300).clip(1, 254)
    images[299, 0, 0, 0] = 255
    images[0, 0, 0, 0] = 0
    assert check_store(stored(tmp_path, images)) == {"images": 300, "min": 0.0, "max": 1.0}


def test_a_fault_in_a_late_batch_of_a_store_names_its_row(tmp_path, monkeypatch):
    store = stored(tmp_path, levels(count=300))
    honest = pixels.to_float

    def faulty(images):
        result = honest(images)
        if len(images) < 256:
            result[10, 0, 0, 0] = np.nan
        return result

    monkeypatch.setattr(pixels, "to_float", faulty)
    with pytest.raises(NormalisationError, match=r"row 266 \(266\.png\) are NaN"):
        check_store(store)


def test_pixels_that_were_divided_by_255_twice_are_caught(tmp_path):
    with pytest.raises(NormalisationError, match="normalised twice"):
        check_store(stored(tmp_path, (levels() > 128).astype(np.uint8)))


def test_moments_are_numpys_over_the_rows_asked_for(tmp_path):
    images = levels(count=300)
    mean, std = moments(stored(tmp_path, images), np.arange(7, 290))
    values = images[7:290].reshape(-1, 3) / 255
    assert mean == pytest.approx(values.mean(axis=0), abs=1e-14)
    assert std == pytest.approx(values.std(axis=0), abs=1e-14)


def test_moments_of_a_constant_channel_are_finite_and_of_nothing_refused(tmp_path):
    store = stored(tmp_path, np.full((3, 6, 5, 1), 77, np.uint8))
    assert moments(store, np.arange(3)) == ([77 / 255], [0.0])
    with pytest.raises(NormalisationError, match="no train images"):
        moments(store, np.arange(0))
