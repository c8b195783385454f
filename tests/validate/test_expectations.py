from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from morelike.core import files, settings
from morelike.validate import expectations
from morelike.validate.settings import FaultRule, Validate

CODES = settings.read(Path(__file__).resolve().parents[2] / "params.yaml").section("validate", Validate).codes

SPLITS = ["train", "train", "val", "test"]


def table(count=8):
    rows = np.arange(count)
    shares = {name: 0.2 + rows / 100 for name in expectations.SHARES} | {"disagreement": 0.0}
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
            "bits": 8,
            "black": 0.0,
            "white": 255.0,
            "numbers": "",
            "mode": "RGB",
            "profile": "",
            "orientation": 1,
            "entropy_bits": 4.0,
            "colourfulness": 0.0,
        }
    )


def check(frame, splits_given=False, codes=CODES):
    return expectations.check(frame, expectations.suite(codes, ["cat"], splits_given))


def test_a_sound_table_meets_every_expectation_and_the_result_is_json(tmp_path):
    result = check(table())
    assert result["success"]
    assert expectations.breaches(result) == []
    files.write_json(tmp_path / "result.json", result)
    assert result == check(table())
    assert result["met"] == result["expectations"] == len(result["results"])


@pytest.mark.parametrize(
    ("column", "bad", "rule"),
    [
        ("mean", np.nan, "nothing is null"),
        ("mean_g", 1.5, "mean_g lies in [0, 1]"),
        ("std", np.inf, "std lies in [0, 1]"),
        ("std", 0.0, "std is above 0"),
        ("min", 0.95, "min is at most max"),
        ("width_px", 7, "width_px is at least 8"),
        ("label", "dog", "every label is known"),
        ("split", "holdout", "every split is train, val or test"),
        ("pixel_sha256", f"{0:064x}", "no two images have the same pixels"),
        ("phash", "xyz", "a perceptual hash is 16 hex digits"),
        ("group", 0, "near-duplicates and groups are in one split"),
        (
            "disagreement",
            0.5,
            "decoders_disagree: share of the values more than 8 levels of 255 apart is at most 0.001",
        ),
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


@pytest.mark.parametrize(
    ("column", "bad", "rule"),
    [
        ("dark", 0.01, "near_black: 99th percentile of brightness is at least 0.1"),
        ("entropy_bits", 0.2, "low_information: entropy in bits is at least 0.5"),
        ("mode", "CMYK", "cmyk: mode is not CMYK"),
        ("numbers", "int16", "sixteen_bit: no whole numbers of 10 to 16 bits"),
        ("orientation", 6, "orientation: stored upright"),
        ("width_px", 81, "odd_aspect: long side / short side is at most 4"),
    ],
)
def test_a_fault_to_warn_of_is_shown_with_its_file_and_fails_no_run(column, bad, rule):
    frame = table()
    frame.loc[3, column] = bad
    result = check(frame)
    broken = [one for one in result["results"] if not one["success"]]
    assert [one["rule"] for one in broken] == [rule]
    assert broken[0]["files"] == ["cat/3.png"]
    assert broken[0]["severity"] in ("warning", "info")
    assert result["success"]
    assert expectations.breaches(result) == []


def test_a_policy_decides_how_bad_a_fault_is():
    frame = table()
    frame.loc[3, "dark"] = 0.01
    strict = CODES | {"near_black": FaultRule(policy="quarantine", limit=0.1)}
    assert [count for _, count, _ in expectations.breaches(check(frame, codes=strict))] == [1]
