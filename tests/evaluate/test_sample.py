"""What the measures look at: bounded, never test, and folds that keep together what belongs together."""

import numpy as np
import pandas as pd
import pytest

from morelike.evaluate import sample
from tests import judged_stores


@pytest.fixture
def store(tmp_path):
    """30 real images in ten groups, two synthetic ones of each, val and test."""
    real = judged_stores.rows(["a", "b", "c"] * 10)
    real["group"] = [f"g{number // 3}" for number in range(30)]
    made = judged_stores.rows(["a", "b", "c"] * 20, synthetic=True, source=list(real["path"]) * 2)
    others = [judged_stores.rows(["a", "b"] * 10, split=split) for split in ("val", "test")]
    tables = [real, made, *others]
    return judged_stores.write(tmp_path, [np.zeros((len(t), 4, 4, 1), np.uint8) for t in tables], tables)


def test_every_image_of_train_and_val_is_drawn_where_there_are_few_and_none_of_test(store):
    drawn = judged_stores.sampled(store)
    assert store.index["split"].iloc[drawn.rows].value_counts().to_dict() == {"train": 90, "val": 20}
    assert drawn.count() == {"real": 30, "synthetic": 60, "held_out": 20}
    assert [drawn.classes[k] for k in drawn.label] == store.index["label"].iloc[drawn.rows].tolist()


def test_no_kind_of_a_class_exceeds_its_bound(store, monkeypatch):
    monkeypatch.setattr(sample, "MOST_PER_CLASS", 7)
    drawn = judged_stores.sampled(store)
    for kind in (drawn.real, drawn.synthetic, drawn.held_out):
        assert np.bincount(drawn.label[kind]).max() == 7
    monkeypatch.setattr(sample, "MOST_IMAGES", 9)
    assert judged_stores.sampled(store).count() == {"real": 9, "synthetic": 9, "held_out": 6}


def test_a_synthetic_image_belongs_to_the_group_of_its_source(store):
    unit = sample.units(store.index)
    assert np.array_equal(unit[30:60], unit[:30])
    assert np.array_equal(unit[60:90], unit[:30])
    assert len(np.unique(unit)) == 10 + 20 + 20


def test_without_group_and_source_each_image_is_its_own_unit_though_names_meet():
    index = pd.concat([judged_stores.rows(["a"] * 3), judged_stores.rows(["a"] * 3, synthetic=True)])
    index["group"] = ["", "", "real-train/0.png", "", "", ""]
    assert len(np.unique(sample.units(index))) == 6


def test_folds_keep_units_whole_and_are_about_alike(store):
    drawn = judged_stores.sampled(store)
    pairs = pd.DataFrame({"unit": drawn.unit, "fold": drawn.fold}).drop_duplicates()
    assert pairs["unit"].is_unique
    for kind in (drawn.real, drawn.synthetic, drawn.held_out):
        counts = np.bincount(drawn.fold[kind], minlength=sample.FOLDS)
        assert counts.max() == counts.min() == kind.sum() / sample.FOLDS
