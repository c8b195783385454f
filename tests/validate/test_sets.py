import numpy as np
import pandas as pd
import pytest

from morelike.validate import drift, sets
from morelike.validate.settings import FaultRule

CODES = {
    "small_class": FaultRule(policy="fail", limit=5),
    "imbalance": FaultRule(policy="warn", limit=10),
    "label_typo": FaultRule(policy="warn", limit=0.1),
}
DRIFT = {name: FaultRule(policy="warn", limit=0.25) for name in ("drift_statistics", "drift_sizes", "drift_formats")}


def images(count, label="cat", seed=0):
    rng = np.random.default_rng(seed)
    statistics = {name: rng.normal(size=count) for name in drift.STATISTICS}
    return pd.DataFrame(
        {
            "file": [f"{label}/{seed}_{row}.png" for row in range(count)],
            "label": label,
            "given": "",
            "pixel_sha256": [f"{seed}_{row}" for row in range(count)],
            **statistics,
            "width_px": rng.integers(20, 60, count),
            "height_px": rng.integers(20, 60, count),
            "format": "JPEG",
            "mode": "RGB",
        }
    )


def test_class_sizes_that_cannot_be_split_and_uneven_ones_are_found():
    table = pd.concat([images(100), images(9, "dog"), images(3, "emu")])
    found = sets.class_sizes(table, ["cat", "dog", "emu", "gnu"], CODES, splits_given=False)
    assert found[["label", "code", "value"]].to_numpy().tolist() == [
        ["emu", "small_class", 3],
        ["gnu", "small_class", 0],
        ["", "imbalance", pytest.approx(100 / 3)],
    ]
    assert set(sets.class_sizes(table, ["cat"], CODES, splits_given=True)["code"]) == {"imbalance"}


def test_labels_that_differ_by_case_or_spaces_are_found():
    labels = pd.Series(["Cat"] * 5 + ["cat "] * 2 + ["New  York"] + ["new york"] * 3 + ["dog"])
    assert sets.spellings(labels) == {"New  York": "new york", "cat ": "Cat"}
    assert sets.misspelt(labels)["label"].tolist() == ["New  York", "cat "]


def test_a_label_that_no_folder_can_have_everywhere_is_found_with_the_folder_that_it_gets():
    found = sets.unsafe_labels(pd.Series(["cat", "CON", "a/b", "gnp\u202e", "cat"]))
    assert found["label"].tolist() == ["CON", "a/b", "gnp\u202e"]
    assert found["detail"].tolist()[0] == "'CON' is exported into a folder '_CON'"
    assert set(found["code"]) == {"unsafe_label"}


def accept(tmp_path, table):
    findings, kept = drift.against_last(table, tmp_path / "accepted.json", DRIFT)
    drift.files.write_json(tmp_path / "accepted.json", kept)
    return findings


def test_the_first_set_has_not_drifted_and_neither_has_another_sample_of_it(tmp_path):
    assert accept(tmp_path, images(300)).empty
    assert accept(tmp_path, images(300, seed=1)).empty


def test_small_samples_of_one_population_do_not_cry_drift(tmp_path):
    crying = 0
    for seed in range(40):
        (tmp_path / "accepted.json").unlink(missing_ok=True)
        accept(tmp_path, images(40, seed=2 * seed))
        crying += len(accept(tmp_path, images(40, seed=2 * seed + 1)))
    assert crying <= 4  # of 480 comparisons at one in a thousand


def test_a_shift_of_one_statistic_of_sizes_formats_and_classes_is_named(tmp_path):
    accept(tmp_path, images(300))
    other = images(300, seed=1)
    other["mean_r"] += 1.5
    other["height_px"] *= 2
    other["format"] = "PNG"
    other.loc[:9, "label"] = "dog"
    found = accept(tmp_path, other)
    assert [detail.partition(":")[0] for detail in found["detail"]] == [
        "mean_r",
        "height_px",
        "format",
        "class dog is new",
    ]
    assert found["code"].tolist() == ["drift_statistics", "drift_sizes", "drift_formats", "drift_classes"]
    assert (found["value"].iloc[:3] > 0.25).all()


def test_the_same_set_again_tells_the_same_drift(tmp_path):
    accept(tmp_path, images(300))
    other = images(300, seed=1).assign(mean=2.0)
    assert len(accept(tmp_path, other)) == len(accept(tmp_path, other)) == 1


def test_psi_is_the_sum_of_both_kullback_leibler_divergences():
    from scipy.stats import entropy

    p, q = np.array([0.1, 0.4, 0.5]), np.array([0.3, 0.3, 0.4])
    assert drift.psi(p, q) == pytest.approx(entropy(p, q) + entropy(q, p))
    assert drift.psi(p, p) == 0
