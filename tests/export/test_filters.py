"""filters: each keeps out what it names, and nothing else."""

import numpy as np
import pandas as pd
import pytest

from morelike.export import filters
from morelike.export.filters import NewImages, RealImages, judge
from morelike.export.settings import Export
from morelike.storage.shards import ShardStore, ShardWriter

LIMITS = Export(
    mix={"vae": 0.0, "dae": 1.0}, max_filtered_share=0.5, blank_std=0.02, palette_distance=0.25, copy_distance=0.02
)


def drawn(count, seed=0, colour=(120, 110, 90)):
    values = np.random.default_rng(seed).normal(colour, 25, (count, 8, 6, 3))
    return values.clip(0, 255).astype(np.uint8)


@pytest.fixture
def real(tmp_path):
    images = np.concatenate([drawn(10), drawn(10, 1, (40, 60, 200))])
    writer = ShardWriter(tmp_path, *images.shape[1:])
    writer.append(images)
    split = (["train"] * 8 + ["val", "test"]) * 2
    writer.close(pd.DataFrame({"label": ["paper"] * 10 + ["sea"] * 10, "split": split}))
    return ShardStore(tmp_path)


def batch(store, images, label="paper", nearest_distance=0.2, real=None):
    index = pd.DataFrame({"label": [label] * len(images), "nearest_distance": nearest_distance})
    return NewImages(images, index, real or RealImages.of(store), LIMITS)


def reasons(*arguments, **keywords):
    return judge(batch(*arguments, **keywords))["reason"].tolist()


def test_new_images_like_the_real_ones_pass(real):
    assert reasons(real, drawn(20, 7)) == [""] * 20


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_row_with_a_non_finite_number_is_kept_out(real, value):
    assert reasons(real, drawn(2, 7), nearest_distance=[0.2, value]) == ["", "non_finite"]


def test_an_even_image_is_blank_even_if_it_is_colourful(real):
    images = drawn(2, 7)
    images[0] = (120, 110, 60)
    verdict = judge(batch(real, images))
    assert verdict["reason"].tolist() == ["blank", ""]
    assert verdict["value"][0] == pytest.approx(0)
    assert verdict["limit"][0] == LIMITS.blank_std


def test_contrast_in_a_single_channel_is_contrast(real):
    images = np.full((1, 8, 6, 3), 100, np.uint8)
    images[0, :4, :, 2] = 140
    assert reasons(real, images) == [""]


@pytest.mark.parametrize("row", [0, 8, 9, 19])
def test_the_pixels_of_a_real_image_of_any_split_are_a_duplicate(real, row):
    label = real.index["label"][row]
    assert reasons(real, real.read([row]), label=label) == ["duplicate"]


def test_one_changed_level_is_no_duplicate(real):
    image = real.read([0])
    image[0, 0, 0, 0] ^= 1
    assert reasons(real, image) == [""]


def test_a_new_image_passes_once_within_a_batch_and_between_batches(real):
    seen, images = RealImages.of(real), drawn(3, 7)
    assert reasons(real, np.concatenate([images, images[:1]]), real=seen) == ["", "", "", "duplicate"]
    assert reasons(real, images[1:], real=seen) == ["duplicate", "duplicate"]


def test_an_image_in_the_colours_of_another_class_is_off_palette(real):
    sea = drawn(1, 7, (40, 60, 200))
    assert reasons(real, sea, label="sea") == [""]
    assert reasons(real, sea, label="paper") == ["off_palette"]


def test_the_palette_distance_is_to_the_nearest_train_image_by_brute_force(real):
    images = drawn(30, 7, (90, 120, 150))
    value, limit, fails = filters.off_palette(batch(real, images))
    train = real.read(real.rows("train", "paper")).mean(axis=(1, 2)) / 255
    expected = np.linalg.norm(images.mean(axis=(1, 2))[:, None] / 255 - train[None], axis=2).min(axis=1)
    assert value == pytest.approx(expected)
    assert limit == LIMITS.palette_distance
    assert (fails == (expected > limit)).all()


def test_colours_seen_only_in_val_and_test_are_not_learned_from(real):
    images = real.read(range(20))
    images[[8, 9]] = drawn(2, 3, (250, 250, 250))
    writer = ShardWriter(real.folder / "lit", *real.shape)
    writer.append(images)
    writer.close(real.index)
    bright = drawn(1, 7, (245, 245, 245))
    assert reasons(ShardStore(real.folder / "lit"), bright) == ["off_palette"]


def test_an_image_closer_to_a_real_one_than_the_limit_is_a_copy(real):
    assert reasons(real, drawn(3, 7), nearest_distance=[0.0, 0.0199, 0.02]) == ["copy", "copy", ""]


def test_an_image_that_fails_twice_is_listed_once_by_the_first_reason(real):
    images = np.full((1, 8, 6, 3), 255, np.uint8)
    assert reasons(real, images, nearest_distance=0.0) == ["blank"]


def test_what_new_images_are_compared_with_does_not_depend_on_how_many_batches_it_was_read_in(real, monkeypatch):
    whole = RealImages.of(real)
    monkeypatch.setattr(real, "batches", lambda: ShardStore.batches(real, size=3))
    by_parts = RealImages.of(real)
    assert whole.digests == by_parts.digests
    assert (whole.palettes["sea"].data == by_parts.palettes["sea"].data).all()
    assert whole.train_mean_colour == pytest.approx(real.read(real.rows("train")).mean(axis=(0, 1, 2)) / 255)
