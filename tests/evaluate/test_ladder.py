"""Every arm gets its own images and no others, by one law of sampling."""

import numpy as np
import pandas as pd
import pytest
import scipy.stats

from morelike.evaluate.ladder import ARMS, BalancedSampler, training_rows


@pytest.fixture
def index() -> pd.DataFrame:
    rows = [("train", False)] * 6 + [("val", False)] * 3 + [("test", False)] * 4 + [("train", True)] * 5
    return pd.DataFrame(rows, columns=["split", "synthetic"]).sample(frac=1, random_state=0, ignore_index=True)


@pytest.mark.parametrize(("arm", "count"), list(zip(ARMS, [6, 6, 11, 11, 5], strict=True)))
def test_test_and_val_images_never_reach_training(index, arm, count):
    rows = training_rows(index, ARMS[arm])
    assert len(rows) == count
    assert set(index.loc[rows, "split"]) == {"train"}
    assert set(index.loc[rows, "synthetic"]) == set([False] * ARMS[arm].real + [True] * ARMS[arm].synthetic)


def test_classes_are_drawn_alike_and_images_alike_within_their_class():
    targets = np.array([0] * 40 + [2] * 4)
    sampler = BalancedSampler(np.arange(100, 144), targets, seed=0)
    batches = [sampler.batch(step, 64) for step in range(200)]
    rows, classes = (np.concatenate(part) for part in zip(*batches, strict=True))
    assert np.array_equal(targets[rows - 100], classes)
    assert scipy.stats.chisquare(np.unique(classes, return_counts=True)[1]).pvalue > 0.001
    for start, stop in ((100, 140), (140, 144)):
        counts = np.bincount(rows[(rows >= start) & (rows < stop)], minlength=stop)[start:stop]
        assert scipy.stats.chisquare(counts).pvalue > 0.001


def test_arms_of_one_seed_see_the_same_labels_in_the_same_order():
    few = BalancedSampler(np.arange(4), np.array([0, 0, 1, 1]), seed=3)
    many = BalancedSampler(np.arange(50), np.arange(50) % 2, seed=3)
    other = BalancedSampler(np.arange(50), np.arange(50) % 2, seed=4)
    assert np.array_equal(few.batch(7, 64)[1], many.batch(7, 64)[1])
    assert not np.array_equal(other.batch(7, 64)[1], many.batch(7, 64)[1])
