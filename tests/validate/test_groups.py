"""groups: what belongs together is on one side of every split that is drawn."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from morelike.validate import groups, run, splitting
from morelike.validate.errors import ValidationError
from morelike.validate.settings import FaultRule
from tests.validate.test_audit_run import drawn, fill, findings, save, settings_with, tables

SHARES = {"train": 0.6, "val": 0.2, "test": 0.2}
RULE = r"(p\d+)_"


def audit(root, rule=RULE, **codes):
    place = run.Audit(root / "out", root / "state", groups=rule)
    return run.validate(
        root / "raw", settings_with({name: {"policy": policy} for name, policy in codes.items()}), place
    )


def patients(root, count=6, images=4, folder="cat"):
    for patient in range(count):
        for row in range(images):
            save(root / "raw" / folder / f"p{patient}_{row}.png", 100 * patient + row + 1000 * ord(folder[0]))
    return root


@settings(deadline=None, max_examples=30)
@given(st.lists(st.tuples(st.integers(0, 6), st.sampled_from(["", "a", "b", "c"])), min_size=1, max_size=30))
def test_joined_groups_are_the_finest_that_part_neither_kind(rows):
    near, names = np.array([n for n, _ in rows]), pd.Series([name for _, name in rows])
    got = groups.joined(near, names)
    _, first = np.unique(got, return_index=True)
    assert got[np.sort(first)].tolist() == list(range(len(first)))
    reached = (near[:, None] == near) | ((names.to_numpy()[:, None] == names.to_numpy()) & (names != "").to_numpy())
    for _ in rows:
        reached = reached @ reached
    np.testing.assert_array_equal(got[:, None] == got, reached)


def test_no_patient_straddles_drawn_splits_though_a_near_duplicate_links_two(tmp_path):
    patients(tmp_path, 8)
    brighter = np.clip(drawn(100 + 1000 * ord("c")).astype(int) + 4, 0, 255).astype(np.uint8)
    Image.fromarray(brighter).save(tmp_path / "raw/cat/p5_like_p1.png")
    audit(tmp_path)
    manifest = tables(tmp_path / "out")[0]
    assert (manifest.groupby("given_group")["split"].nunique() == 1).all()
    assert set(manifest.loc[manifest["given_group"].isin(["p1", "p5"]), "group"]) == {
        manifest.set_index("file").loc["cat/p1_0.png", "group"]
    }
    about = pd.read_json(tmp_path / "out/summary.json", typ="series")
    assert about["near_duplicates"] == {"groups": 1, "images": 2, "largest_group": 2}
    assert about["groups"] == {"groups": 8, "images": 33, "largest_group": 5}


def test_without_a_rule_images_of_one_patient_are_split_as_any_others(tmp_path):
    audit(patients(tmp_path), rule=None)
    manifest = tables(tmp_path / "out")[0]
    assert set(manifest["given_group"]) == {""}
    assert (manifest.groupby(manifest["file"].str[:6])["split"].nunique() > 1).any()


@pytest.mark.parametrize(("policy", "left_out"), [("quarantine", {"train/cat/p0_0.png"}), ("warn", set())])
def test_a_patient_in_two_given_splits_ends_the_run_or_is_taken_out_of_train(tmp_path, policy, left_out):
    fill(tmp_path / "raw", ["train/cat", "val/cat", "test/cat"])
    for number, name in enumerate(["train/cat/p0_0.png", "test/cat/p0_1.png", "train/cat/p1_0.png"]):
        save(tmp_path / "raw" / name, 5000 + number)
    with pytest.raises(
        ValidationError, match=r"group_straddles: .* train/cat/p0_0\.png \(its group 'p0' is in test too"
    ):
        audit(tmp_path)
    audit(tmp_path, group_straddles=policy)
    assert set(tables(tmp_path / "out")[1]["file"]) == left_out
    assert set(findings(tmp_path / "out").query("code == 'group_straddles'")["file"]) == {"train/cat/p0_0.png"}


@pytest.mark.parametrize("rule", [RULE, r"^(cat|dog)/"])
def test_patients_too_few_or_as_large_as_a_class_cannot_be_split(tmp_path, rule):
    for folder in ("cat", "dog"):
        patients(tmp_path, 2, 10, folder)
    with pytest.raises(ValidationError, match=r"too large to leave an image for .*: groups: 2 found.*\(20 images\)"):
        audit(tmp_path, rule)


def test_one_patient_with_most_images_is_said():
    frame = pd.DataFrame({"group": [0] * 6 + [1, 2, 3, 4], "given_group": ["p"] * 6 + [""] * 4, "file": "x.png"})
    rule = {"large_group": FaultRule(policy="warn", limit=0.5)}
    assert groups.too_large(frame, rule)["detail"].tolist() == ["6 of 10 images are one group (p), limit 50%"]
    assert groups.too_large(frame.iloc[1:], {"large_group": FaultRule(policy="warn", limit=0.6)}).empty
    assert groups.too_large(frame.assign(given_group=""), rule).empty


@settings(deadline=None, max_examples=30)
@given(st.lists(st.integers(1, 12), min_size=3, max_size=9), st.integers(3, 9))
def test_a_class_of_as_many_patients_as_splits_is_in_every_split(sizes, more):
    groups_of = [number for number, size in enumerate([*sizes, *range(1, more)]) for _ in range(size)]
    labels = ["a" if group < len(sizes) else "b" for group in groups_of]
    frame = pd.DataFrame({"label": labels, "given": "", "group": groups_of})
    frame["pixel_sha256"] = [f"{number:04x}" for number in range(len(frame))]
    splits = splitting.assign_splits(frame, SHARES, 0)
    assert splits.groupby(frame["group"]).nunique().max() == 1
    assert set(splits[frame["label"] == "a"]) == {"train", "val", "test"}
