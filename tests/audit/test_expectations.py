import numpy as np
import pandas as pd
import pytest

from morelike import files
from morelike.audit import expectations

SPLITS = ["train", "train", "val", "test"]


def table(count=8):
    rows = np.arange(count)
    shares = {name: 0.2 + rows / 100 for name in expectations.SHARES}
    return pd.DataFrame(
        {
            **shares,
            "max": 0.9,
            "file": [f"cat/{row}.png" for row in rows],
            "label": "cat",
            "split": [SPLITS[row % 4] for row in rows],
            "group": rows,
            "pixel_sha256": [f"{row:064x}" for row in rows],
            "phash": [f"{row:016x}" for row in rows],
            "width_px": 20,
            "height_px": 20,
            "frames": 1,
            "colourfulness": 0.0,
        }
    )


def check(frame, splits_given=False):
    return expectations.check(frame, expectations.suite(8, ["cat"], splits_given))


def test_a_sound_table_meets_every_expectation_and_the_result_is_json(tmp_path):
    result = check(table())
    assert result["success"]
    assert expectations.breaches(result) == []
    files.write_json(tmp_path / "result.json", result)
    assert result == check(table())


@pytest.mark.parametrize(
    ("column", "bad", "rule"),
    [
        ("mean", np.nan, "mean is never null"),
        ("mean_g", 1.5, "mean_g lies in [0, 1]"),
        ("std", np.inf, "std lies in [0, 1]"),
        ("std", 0.0, "std is above 0"),
        ("min", 0.95, "min is at most max"),
        ("width_px", 7, "width_px is at least 8"),
        ("label", "dog", "every label is known"),
        ("split", "holdout", "every split is train, val or test"),
        ("pixel_sha256", f"{0:064x}", "no two images have the same pixels"),
        ("phash", "xyz", "a perceptual hash is 16 hex digits"),
        ("group", 0, "near-duplicates are in one split"),
    ],
)
def test_a_fault_breaks_its_rule_and_names_the_file(column, bad, rule):
    frame = table()
    frame.loc[3, column] = bad
    broken = {name: (count, first) for name, count, first in expectations.breaches(check(frame))}
    assert rule in broken
    count, first = broken[rule]
    assert "cat/3.png" in first
    assert count == len(first)


def test_an_empty_split_breaks_its_rule():
    frame = table()
    frame["split"] = frame["split"].replace("val", "train")
    assert [rule for rule, _, _ in expectations.breaches(check(frame))] == ["train, val and test all hold images"]


def test_near_duplicates_may_straddle_splits_that_were_given():
    frame = table()
    frame["group"] = 0
    assert check(frame, splits_given=True)["success"]
