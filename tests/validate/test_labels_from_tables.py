"""What the audit makes of a table of labels."""

import json

import pytest

from morelike.validate import run
from morelike.validate.errors import ValidationError
from tests.validate.test_audit_run import findings, save, settings_with, tables

COLUMNS = "file_name,label,patient,synthetic\n"


def audit(tmp_path, codes=None, labels="auto"):
    where = run.Audit(tmp_path / "out", tmp_path / "state", labels=labels)
    return run.validate(tmp_path / "raw", settings_with(codes), where, 1)


@pytest.fixture
def raw(tmp_path):
    for row in range(20):
        save(tmp_path / f"raw/{row}.png", row)
    rows = [f"{row}.png,{'cat' if row % 2 else 'dog'},p{row},{row < 3}\n" for row in range(19)]
    (tmp_path / "raw/labels.csv").write_text(COLUMNS + "".join(rows) + "gone.png,cat,p,False\n")
    return tmp_path / "raw"


def test_labels_and_attributes_reach_the_manifest_and_what_does_not_fit_the_quarantine(tmp_path, raw, capsys):
    (raw / "README.md").write_text("no image, so nothing is said of its label")
    audit(tmp_path)
    manifest, quarantine = tables(tmp_path / "out")
    assert manifest.set_index("file")["label"].to_dict() == {
        f"{row}.png": "cat" if row % 2 else "dog" for row in range(19)
    }
    assert [json.loads(text)["patient"] for text in manifest["attributes"]] == [
        f"p{name.removesuffix('.png')}" for name in manifest["file"]
    ]
    assert quarantine[["file", "code"]].to_numpy().tolist() == [
        ["19.png", "no_label"],
        ["README.md", "not_an_image"],
        ["gone.png", "missing"],
    ]
    said = capsys.readouterr().out
    assert "labels, not the folders', from labels.csv" in said
    assert "skipped: 1 table" in said


def test_images_that_a_model_made_are_named_and_can_be_left_out(tmp_path, raw):
    assert audit(tmp_path)["found"]["synthetic"] == 3
    assert set(findings(tmp_path / "out").query("code == 'synthetic'")["file"]) == {"0.png", "1.png", "2.png"}
    audit(tmp_path, {"synthetic": {"policy": "quarantine"}})
    assert set(tables(tmp_path / "out")[1]["file"]) == {"0.png", "1.png", "2.png", "19.png", "gone.png"}


def test_a_class_too_small_to_split_that_may_be_a_typing_error_says_so(tmp_path):
    for row in range(38):
        save(tmp_path / f"raw/Lambda/{row}.png", row)
        save(tmp_path / f"raw/Kappa/{row}.png", 100 + row)
    save(tmp_path / "raw/Lamba/1.png", 999)
    with pytest.raises(ValidationError, match=r"Lamba \(1 images, at least 5; a typing error of Lambda\?\)"):
        audit(tmp_path)
    assert "label_typo" in set(findings(tmp_path / "state/validate")["code"])
