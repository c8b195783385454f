"""Copies are found, new images are not; distances and the statistic against scikit-learn and SciPy."""

import numpy as np
import pytest
import scipy.stats
from sklearn.neighbors import NearestNeighbors

from morelike.evaluate import features, memorisation
from tests import judged_stores


def measured(store, space=features.small_pictures) -> dict:
    drawn = judged_stores.sampled(store)
    return memorisation.measure(store, drawn, features.of_rows(store, drawn.rows, space), space)


@pytest.mark.parametrize("space", [features.small_pictures, features.random_features((12, 12, 1))])
def test_copies_are_found_and_new_images_are_not(tmp_path, space):
    copied = measured(judged_stores.beside(tmp_path / "copies", judged_stores.copies), space)
    assert copied["z"] < -5
    assert copied["perturbation_share"] == 1
    new = measured(judged_stores.beside(tmp_path / "new", judged_stores.fresh), space)
    assert abs(new["z"]) < 3
    assert new["perturbation_share"] < 0.15
    assert new["perturbation_share_held_out"] < 0.15


def test_noise_is_no_copy_but_off(tmp_path):
    figures = measured(judged_stores.beside(tmp_path, judged_stores.noise))
    assert figures["z"] > 5
    assert figures["perturbation_share"] == 0


def test_distances_are_those_of_scikit_learn_within_the_class_and_to_other_units(tmp_path):
    real = judged_stores.rows(["a"] * 30 + ["b"] * 10)
    real["group"] = [f"g{number // 2}" for number in range(40)]
    tables = [real, judged_stores.rows(["a"] * 8, synthetic=True)]
    random = np.random.default_rng(0)
    images = [random.integers(0, 256, (len(t), 6, 5, 3)).astype(np.uint8) for t in tables]
    store = judged_stores.write(tmp_path, images, tables)
    drawn = judged_stores.sampled(store)
    values = features.of_rows(store, drawn.rows, features.small_pictures)
    found = memorisation.nearest_distances(store, drawn, values, features.small_pictures)
    flat = images[0][:30].reshape(30, -1) / 255
    apart, which = NearestNeighbors(n_neighbors=3).fit(flat).kneighbors(flat)
    others = which // 2 != np.arange(30)[:, None] // 2
    expected = np.where(others, apart, np.inf).min(1)
    assert found[:30] == pytest.approx(expected / np.sqrt(90), rel=1e-4)
    made = images[1].reshape(8, -1) / 255
    assert found[40:] == pytest.approx(
        NearestNeighbors(n_neighbors=1).fit(flat).kneighbors(made)[0][:, 0] / np.sqrt(90), rel=1e-4
    )


def test_all_train_images_are_compared_with_though_few_are_looked_at(tmp_path, monkeypatch):
    monkeypatch.setattr("morelike.evaluate.sample.MOST_PER_CLASS", 10)
    monkeypatch.setattr(memorisation, "ROWS_AT_ONCE", 7)
    assert measured(judged_stores.beside(tmp_path, judged_stores.copies))["perturbation_share"] == 1


@pytest.mark.parametrize("digits", [1, 8])
def test_the_statistic_is_that_of_scipy_ties_too(digits):
    random = np.random.default_rng(0)
    synthetic, held_out = random.normal(0, 1, 40).round(digits), random.normal(0.3, 1, 60).round(digits)
    test = scipy.stats.mannwhitneyu(synthetic, held_out, use_continuity=False, alternative="less", method="asymptotic")
    assert scipy.stats.norm.cdf(memorisation.copying_z(synthetic, held_out)) == pytest.approx(test.pvalue)


def test_a_class_counts_as_much_as_it_has_held_out_images(tmp_path):
    figures = measured(judged_stores.beside(tmp_path, judged_stores.copies))
    of_class = [of["z"] for of in figures["by_class"].values()]
    assert figures["z"] == pytest.approx(np.mean(of_class))
    assert [of["held_out"] for of in figures["by_class"].values()] == [40] * 3


def test_a_real_image_of_the_same_group_does_not_make_others_look_near(tmp_path):
    """Real images that come in near pairs: without their groups hardly anything would be nearer than they are."""
    random, of = np.random.default_rng(0), ["a"] * 60
    single = judged_stores.patterns(of, random)
    pairs = np.concatenate([single, single])
    real = judged_stores.rows(of * 2)
    made = judged_stores.rows(of, synthetic=True, source=real["path"][:60])
    near = judged_stores.copies(single, of)
    grouped = real.assign(group=[f"g{number % 60}" for number in range(120)])
    shares = [
        measured(judged_stores.write(tmp_path / name, [pairs, near], [table, made]))["perturbation_share"]
        for name, table in {"grouped": grouped, "alone": real}.items()
    ]
    assert shares == [1, 0]


def test_without_held_out_images_or_others_of_the_class_nothing_is_said(tmp_path):
    tables = [judged_stores.rows(["a"]), judged_stores.rows(["a"] * 3 + ["b"], synthetic=True)]
    images = [judged_stores.patterns(list(t["label"]), np.random.default_rng(0)) for t in tables]
    figures = measured(judged_stores.write(tmp_path, images, tables))
    assert figures["z"] is figures["perturbation_share"] is figures["distance_real"] is None
    assert figures["by_class"]["b"]["perturbation_share"] is None
