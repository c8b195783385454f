"""Label consistency: true labels are found again, shuffled ones not, and no image is judged by who saw its source."""

import numpy as np
import pytest

from morelike.evaluate import features, labels
from tests import judged_stores


def consistency(store, space=features.gradients) -> dict | None:
    drawn = judged_stores.sampled(store)
    return labels.consistency(drawn, features.of_rows(store, drawn.rows, space))


def test_synthetic_images_with_true_labels_are_as_consistent_as_held_out_real_ones(tmp_path):
    figures = consistency(judged_stores.beside(tmp_path, judged_stores.fresh))
    assert figures["real"] > 0.8
    assert figures["synthetic"] == pytest.approx(figures["real"], abs=0.08)
    assert figures["probability_synthetic"] == pytest.approx(figures["probability_real"], abs=0.08)
    assert set(figures["by_class"]) == set(judged_stores.CLASSES)


def test_shuffled_labels_fall_to_chance(tmp_path):
    def shuffled(real, of):
        return judged_stores.fresh(real, list(np.random.default_rng(0).permutation(of)))

    figures = consistency(judged_stores.beside(tmp_path, shuffled))
    assert figures["synthetic"] == pytest.approx(1 / 3, abs=0.1)
    assert figures["probability_synthetic"] == pytest.approx(1 / 3, abs=0.1)
    assert figures["real"] > 0.8


def test_copies_of_images_that_show_nothing_are_at_chance_for_their_source_was_not_learnt(tmp_path):
    random, of = np.random.default_rng(0), list(judged_stores.CLASSES) * 40
    images = random.integers(0, 256, (120, 12, 12, 1)).astype(np.uint8)
    real = judged_stores.rows(of)
    made = judged_stores.rows(of, synthetic=True, source=real["path"])
    store = judged_stores.write(tmp_path / "traced", [images, images], [real, made])
    assert consistency(store, features.small_pictures)["synthetic"] == pytest.approx(1 / 3, abs=0.15)
    untraced = judged_stores.write(tmp_path / "untraced", [images, images], [real, made.assign(source_file="")])
    assert consistency(untraced, features.small_pictures)["synthetic"] > 0.7  # the copies of what was learnt


def test_of_one_class_nothing_is_asked(tmp_path):
    tables = [judged_stores.rows(["a"] * 5), judged_stores.rows(["a"] * 5, synthetic=True)]
    store = judged_stores.write(tmp_path, [np.zeros((5, 8, 8, 1), np.uint8)] * 2, tables)
    assert consistency(store) is None


def test_a_class_of_one_real_image_is_left_out_where_nothing_could_learn_it(tmp_path):
    real = ["a"] * 10 + ["b"] * 10 + ["c"]
    tables = [judged_stores.rows(real), judged_stores.rows(["c"] * 5, synthetic=True, source=["real-train/20.png"] * 5)]
    images = [judged_stores.patterns(list(t["label"]), np.random.default_rng(0)) for t in tables]
    assert consistency(judged_stores.write(tmp_path, images, tables)) is None
