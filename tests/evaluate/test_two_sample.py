"""Can synthetic images be told from real ones? Not where they are of one distribution, always where they are noise."""

import numpy as np
import pytest
import sklearn.metrics

from morelike.evaluate import features, two_sample
from tests import judged_stores


def told_apart(store) -> dict:
    drawn = judged_stores.sampled(store)
    return two_sample.tell_apart(drawn, features.of_rows(store, drawn.rows, features.appearance(store.shape)))


@pytest.mark.parametrize("made", [judged_stores.fresh, lambda real, labels: real])
def test_new_real_images_and_copies_cannot_be_told_from_real_ones(tmp_path, made):
    figures = told_apart(judged_stores.beside(tmp_path, made))
    assert figures["low"] <= 0.5 <= figures["high"]
    assert figures["high"] - figures["low"] < 0.2
    assert (figures["real"], figures["synthetic"]) == (180, 180)


@pytest.mark.parametrize("made", [judged_stores.noise, judged_stores.blurred])
def test_noise_and_blur_are_told_from_real_images_in_every_class(tmp_path, made):
    figures = told_apart(judged_stores.beside(tmp_path, made))
    assert figures["auc"] > 0.99
    assert set(figures["by_class"]) == set(judged_stores.CLASSES)
    assert all(of["auc"] > 0.97 for of in figures["by_class"].values())


def test_more_synthetic_images_in_some_classes_do_not_tell_them_apart(tmp_path):
    random = np.random.default_rng(0)
    real, made = ["a"] * 90 + ["b"] * 10, ["a"] * 10 + ["b"] * 90
    images = [judged_stores.patterns(labels, random) for labels in (real, made)]
    store = judged_stores.write(tmp_path, images, [judged_stores.rows(real), judged_stores.rows(made, synthetic=True)])
    is_made, is_b = store.index["synthetic"], store.index["label"] == "b"
    assert sklearn.metrics.roc_auc_score(is_made, is_b) == 0.9  # what the class alone would give away
    figures = told_apart(store)
    assert figures["low"] <= 0.5 <= figures["high"]


def test_a_slight_blur_is_found_though_classes_have_unlike_shares_of_either_kind(tmp_path):
    random = np.random.default_rng(1)
    real, made = (["a"] * n + ["b"] * (440 - n) + ["c"] * n for n in (400, 40))
    images = [judged_stores.patterns(labels, random) for labels in (real, made)]
    images[1] = judged_stores.blurred(images[1], made, px=0.33)
    store = judged_stores.write(tmp_path, images, [judged_stores.rows(real), judged_stores.rows(made, synthetic=True)])
    assert told_apart(store)["auc"] > 0.67  # 0.56 with classes not centred, 0.64 with kinds not weighted


def test_the_auc_is_that_of_scikit_learn_ties_too():
    random = np.random.default_rng(0)
    synthetic = random.random(80) < 0.3
    score = np.round(random.normal(synthetic * 1.0, 1), 1)
    auc, influence = two_sample._auc(score, synthetic)
    assert auc == pytest.approx(sklearn.metrics.roc_auc_score(synthetic, score))
    assert influence.sum() == pytest.approx(0)


def test_the_interval_has_the_spread_of_the_auc_over_draws_and_repeats_do_not_narrow_it():
    random = np.random.default_rng(0)
    synthetic = np.arange(120) < 50
    scores = random.normal(synthetic * 1.0, 1, (400, 120))
    found = [two_sample._auc(score, synthetic) for score in scores]
    intervals = [two_sample._interval(auc, influence, np.arange(120)) for auc, influence in found]
    widths = [i["high"] - i["low"] for i in intervals]
    assert np.mean(widths) / 2 / 1.96 == pytest.approx(np.std([auc for auc, _ in found]), rel=0.1)
    repeated = two_sample._auc(np.repeat(scores[0], 4), np.repeat(synthetic, 4))
    assert two_sample._interval(*repeated, np.repeat(np.arange(120), 4)) == pytest.approx(intervals[0])


def test_nothing_is_told_of_a_class_with_fewer_than_two_images_of_a_kind(tmp_path):
    tables = [judged_stores.rows(["a"] * 5), judged_stores.rows(["a"], synthetic=True)]
    store = judged_stores.write(tmp_path, [np.zeros((len(t), 4, 4, 1), np.uint8) for t in tables], tables)
    assert told_apart(store) is None
