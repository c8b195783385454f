import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from morelike.validate import splitting

SHARES = {"train": 0.7, "val": 0.1, "test": 0.2}


def table(labels, given_splits="", groups=None):
    count = len(labels)
    digests = [f"{np.random.default_rng(row).integers(2**63):016x}" for row in range(count)]
    groups = range(count) if groups is None else groups
    return pd.DataFrame({"label": labels, "given": given_splits, "group": groups, "pixel_sha256": digests})


def counts(frame, splits):
    return pd.crosstab(frame["label"], splits).reindex(columns=splitting.SPLITS, fill_value=0)


@settings(deadline=None, max_examples=20)
@given(st.dictionaries(st.sampled_from("abcdef"), st.integers(5, 90), min_size=1))
def test_every_class_has_its_shares_to_one_image_and_some_in_every_split(sizes):
    frame = table([label for label, size in sizes.items() for _ in range(size)])
    got = counts(frame, splitting.assign_splits(frame, SHARES, 0))
    for label, size in sizes.items():
        wanted = size * np.array(list(SHARES.values()))
        assert (np.abs(got.loc[label].to_numpy() - wanted) < 1.01).all()
        assert (got.loc[label] > 0).all()


@settings(deadline=None, max_examples=20)
@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 15)), min_size=1, max_size=80))
def test_a_group_never_straddles_splits(rows):
    frame = table([label for label, _ in rows], groups=[group for _, group in rows])
    splits = splitting.assign_splits(frame, SHARES, 0)
    assert splits.groupby(frame["group"]).nunique().max() == 1


def test_the_split_follows_the_seed_and_the_pixels_and_not_the_order():
    frame = table(["a"] * 60 + ["b"] * 40)
    splits = splitting.assign_splits(frame, SHARES, 0)
    backwards = splitting.assign_splits(frame[::-1], SHARES, 0)
    pd.testing.assert_series_equal(splits, backwards[::-1], check_names=False)
    assert (splits != splitting.assign_splits(frame, SHARES, 1)).any()


def test_given_splits_are_kept():
    given_splits = np.array(["train", "val", "test"] * 10)
    frame = table(["a"] * 30, given_splits)
    np.testing.assert_array_equal(splitting.assign_splits(frame, SHARES, 0), given_splits)


@pytest.mark.parametrize(("present", "missing"), [("test", "val"), ("val", "test")])
def test_a_missing_split_is_carved_out_of_train_alone(present, missing):
    given_splits = np.array(["train"] * 80 + [present] * 20)
    frame = table(["a"] * 100, given_splits)
    splits = splitting.assign_splits(frame, SHARES, 0).to_numpy()
    assert set(splits[:80]) == {"train", missing}
    assert set(splits[80:]) == {present}
    assert (splits == missing).sum() == round(80 * SHARES[missing] / (SHARES["train"] + SHARES[missing]))


def test_a_huge_group_stays_whole_and_the_rest_is_still_split():
    frame = table(["a"] * 100, groups=[0] * 60 + list(range(1, 41)))
    splits = splitting.assign_splits(frame, SHARES, 0)
    assert set(splits[:60]) == {"train"}
    assert set(splits[60:]) == {"train", "val", "test"}


@given(st.integers(0, 500), st.lists(st.integers(0, 10), min_size=1, max_size=4).filter(any))
def test_quotas_sum_to_the_count_and_leave_no_wanted_part_empty(count, weights):
    shares = np.array(weights) / sum(weights)
    parts = splitting.quota(count, shares)
    assert parts.sum() == count
    assert (parts[shares == 0] == 0).all()
    if count >= (shares > 0).sum():
        assert (parts[shares > 0] > 0).all()
