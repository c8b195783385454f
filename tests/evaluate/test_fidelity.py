"""All figures beside the verdict: colours, and what is given where nothing can be measured."""

import json

import numpy as np
import pytest

from morelike.core import randomness
from morelike.evaluate import fidelity
from tests import judged_stores

HEADLINE = ["two_sample_auc", "label_consistency", "memorisation_z", "perturbation_share"]


def measure(store, **spaces) -> dict:
    figures = fidelity.measure(store, spaces, lambda images: images.flip(3), randomness.generator(0))
    json.dumps(figures, allow_nan=False)
    return figures


def test_the_colour_difference_is_per_class_so_that_counts_do_not_count(tmp_path):
    dark, light = np.full((1, 4, 4, 3), 51, np.uint8), np.full((1, 4, 4, 3), 204, np.uint8)
    tinted = light.copy()
    tinted[..., 2] -= 51
    images = [np.concatenate([dark] * 9 + [light]), np.concatenate([dark] + [tinted] * 9)]
    real, made = ["dark"] * 9 + ["light"], ["dark"] + ["light"] * 9
    tables = [judged_stores.rows(real), judged_stores.rows(made, synthetic=True)]
    figures = fidelity.colours(judged_stores.write(tmp_path, images, tables))
    assert figures["colour_real"] == pytest.approx([0.5, 0.5, 0.5])
    assert figures["colour_synthetic"] == pytest.approx([0.5, 0.5, 0.4])
    assert figures["colour_difference"] == pytest.approx(0.1)


def test_all_is_measured_in_all_spaces_and_is_the_same_again(tmp_path):
    store = judged_stores.beside(tmp_path, judged_stores.copies, per_class=12, held_out=8)

    def corner(images: np.ndarray) -> np.ndarray:
        return images[:, :3, :3, 0].reshape(len(images), 9) / np.float32(255)

    figures = measure(store, corner=corner)
    assert set(figures["coverage"]) == {"random network", "corner"}
    assert set(figures["memorisation"]) == {"pixels", "random network", "corner"}
    assert set(figures["two_sample"]) == {"stored", "augmented"}
    assert all(isinstance(figures[name], float) for name in HEADLINE)
    assert figures["perturbation_share"] == 1
    assert figures == measure(store, corner=corner)


def test_test_images_are_not_looked_at(tmp_path):
    labels, random = list(judged_stores.CLASSES) * 8, np.random.default_rng(0)
    images = [judged_stores.patterns(labels, random) for _ in range(3)]
    tables = [judged_stores.rows(labels, synthetic=True), judged_stores.rows(labels), judged_stores.rows(labels)]
    tables[2]["split"] = "test"
    with_test = measure(judged_stores.write(tmp_path / "with", images, tables))
    images[2] = 255 - images[2]
    assert measure(judged_stores.write(tmp_path / "other", images, tables)) == with_test


@pytest.mark.parametrize("missing", ["synthetic", "real", "all but one of a class"])
def test_where_nothing_can_be_measured_all_is_none_or_empty(tmp_path, missing):
    real, made, val = (judged_stores.rows(["a", "b"], **of) for of in ({}, {"synthetic": True}, {"split": "val"}))
    tables = {"synthetic": [real, val], "real": [made, val]}.get(missing, [real, made, val])
    images = [np.zeros((len(table), 8, 8, 3), np.uint8) for table in tables]
    figures = measure(judged_stores.write(tmp_path, images, tables))
    assert all(figures[name] is None for name in HEADLINE[:2])
    if missing != "all but one of a class":
        assert figures["memorisation_z"] is figures["perturbation_share"] is figures["colour_difference"] is None
        assert figures["spectrum"]["ratio"] == []
