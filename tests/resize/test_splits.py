"""splits: chance does not stop a run, however few the images; inverted and twice normalised ones do."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from morelike.images.errors import NormalisationError
from morelike.resize.splits import check_splits, far, negative
from morelike.storage.shards import ShardStore, ShardWriter


def photographs(count, seed, channels=3):
    """Images as different in light and colour from one another as photographs are, uint8 N×4×4×C."""
    rng = np.random.default_rng(seed)
    light = rng.normal(0.54, 0.16, (count, 1, 1, 1)) + rng.normal(
        [0.04, 0.0, -0.04][:channels], 0.03, (count, 1, 1, channels)
    )
    values = light + rng.normal(0, 0.2, (count, 4, 4, channels))
    return (values.clip(0, 1) * 255).astype(np.uint8)


def stored(folder, train, val):
    images = np.concatenate([train, val])
    writer = ShardWriter(folder, *images.shape[1:])
    writer.append(images)
    split = ["train"] * len(train) + ["val"] * len(val)
    writer.close(pd.DataFrame({"file": [f"{row}.png" for row in range(len(images))], "split": split}))
    return ShardStore(folder)


def means(images):
    return images.mean(axis=(1, 2)) / 255


@pytest.mark.parametrize(("train", "val"), [(7, 1), (6, 2), (14, 4), (70, 10)])
def test_sound_random_splits_are_called_far_at_most_once_in_a_thousand(train, val):
    colours = means(photographs(4000 * 11, 0)).astype(float)
    starts = np.random.default_rng(1).integers(0, len(colours) - train - val, 4000)
    draws = [colours[start : start + train + val] for start in starts]
    assert sum(far(draw[:train], draw[train:]) for draw in draws) <= 4
    assert sum(negative(draw[:train], draw[train:]) for draw in draws) <= 4


def test_ten_sound_photographs_go_on_though_one_of_val_is_far_in_pixels(tmp_path):
    drawn = [photographs(9, seed) for seed in range(30)]
    shifts = [check_splits(stored(tmp_path / str(n), one[:8], one[8:]))["val"] for n, one in enumerate(drawn)]
    assert max(shifts) > 1.2


def test_one_image_is_far_exactly_where_students_prediction_interval_ends():
    train = np.random.default_rng(0).normal(0.5, 0.1, (8, 1))
    half = stats.t.ppf(1 - 5e-4 / 2, 7) * train.std(ddof=1) * np.sqrt(1 + 1 / 8)
    assert not far(train, train.mean() + np.array([[0.999 * half]]))
    assert far(train, train.mean() + np.array([[1.001 * half]]))


def test_ten_inverted_photographs_are_told_though_their_mean_is_near_mid_grey():
    told = [negative(means(photographs(70, seed)), 1 - means(photographs(10, 500 + seed))) for seed in range(40)]
    assert np.mean(told) > 0.9


@pytest.mark.parametrize("make", [lambda images: 255 - images, lambda images: np.rint(images / 255).astype(np.uint8)])
@pytest.mark.parametrize("channels", [1, 3])
def test_bright_images_that_were_inverted_or_normalised_twice_end_the_run(tmp_path, make, channels):
    train, val = (photographs(count, count, channels) // 2 + 127 for count in (70, 10))
    assert check_splits(stored(tmp_path / "sound", train, val))["val"] < 1
    store = stored(tmp_path / "broken", train, make(val))
    with pytest.raises(NormalisationError, match=r"val does not look like train: .*first 70\.png"):
        check_splits(store)
    assert check_splits(store, stop=False)["val"] > 1


def test_digits_that_were_normalised_twice_are_named_though_their_mean_hardly_moves(tmp_path):
    strokes = np.random.default_rng(0).random((40, 8, 8, 1)) < 0.12
    train = (strokes * 255).astype(np.uint8)
    with pytest.raises(NormalisationError, match=r"no value is above 0\.0039, in train they reach 1: normalised twice"):
        check_splits(stored(tmp_path, train[:30], train[30:] // 255))
