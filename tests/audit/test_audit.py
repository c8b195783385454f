"""What the audit on its own finds is what the pipeline finds, and the audited files stay as they are."""

import json

import pandas as pd
import pytest

from morelike.audit import audit, defaults
from morelike.core import settings
from morelike.core.errors import ParamsError
from morelike.validate import policies, run
from morelike.validate.codes import CODES
from morelike.validate.settings import Validate
from tests import raw_sets

ROOT = defaults.PACKAGE.parents[1]


@pytest.fixture(scope="module")
def raw(tmp_path_factory):
    return raw_sets.odd(tmp_path_factory.mktemp("odd") / "raw")


@pytest.fixture(scope="module")
def rules(tmp_path_factory):
    path = tmp_path_factory.mktemp("rules") / "rules.yaml"
    path.write_text(raw_sets.RULES)
    return path


@pytest.fixture(scope="module")
def found(raw, rules):
    return audit(raw, rules, workers=1)


def listed(root):
    return {path: (path.stat().st_mtime_ns, path.is_file() and path.read_bytes()) for path in [root, *root.rglob("*")]}


def test_the_findings_are_those_of_the_pipeline(raw, rules, found, tmp_path, monkeypatch):
    monkeypatch.setattr(run.expectations, "check", lambda manifest, suite: {"results": []})
    monkeypatch.setattr(run.expectations, "suite", lambda *_: [])
    section = defaults.read(rules).section("validate", Validate)
    run.validate(raw, section, run.Audit(tmp_path / "out", tmp_path / "state"), workers=1)
    theirs = {name: pd.read_parquet(tmp_path / "out" / f"{name}.parquet") for name in ("findings", "quarantine")}
    for name, table in theirs.items():
        ours = getattr(found, name).reset_index(drop=True)
        pd.testing.assert_frame_equal(ours.astype(table.dtypes), table)
    manifest = pd.read_parquet(tmp_path / "out" / "manifest.parquet")
    pd.testing.assert_frame_equal(found.images.drop(columns="split"), manifest.drop(columns="split"))
    assert set(found.findings["code"]) > {"orientation", "alpha", "truncated", "exact_duplicate", "wrong_extension"}


def test_a_set_that_the_pipeline_refuses_fails_for_the_same_reason(raw, tmp_path):
    strict = {"alpha": "fail", "empty": "fail"}
    ours = audit(raw, policies=strict, workers=1)
    section = defaults.read(policies=strict).section("validate", Validate)
    with pytest.raises(run.ValidationError) as refused:
        run.validate(raw, section, run.Audit(tmp_path / "out", tmp_path / "state"), workers=1)
    assert str(refused.value).partition("; see")[0] == ours.failed[0].partition("; --params")[0]


def test_without_other_rules_they_are_those_of_the_projects_params_yaml():
    assert defaults.read().values == settings.read(ROOT / "params.yaml").values
    policies.check_rules(defaults.read().section("validate", Validate).codes)


def test_a_part_of_a_params_yaml_changes_that_part_alone(rules):
    before, after = (settings.flattened(defaults.read(path).values) for path in (None, rules))
    changed = {key for key in after if after[key] != before.get(key)}
    codes = "small_class.policy wrong_extension.policy empty.at_most truncated.at_most"
    assert changed == {"validate.max_quarantined_share", *(f"validate.codes.{one}" for one in codes.split())}
    assert defaults.read(rules, {"empty": "fail"}).value("validate.codes.empty") == {"policy": "fail", "at_most": 9}


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("validte: {}", "validte"),
        ("validate: {codes: {blury: {policy: fail}}}", "validate.codes.blury"),
        ("validate: {codes: {empty: {policy: fix}}}", "validate.codes.empty.policy"),
        ("validate: {codes: {blurred: {limit: high}}}", "validate.codes.blurred.limit"),
        ("validate: 3", "validate"),
        ("a: [", "the file"),
        ("\xff", "the file"),
        (None, "the file"),
    ],
)
def test_a_rule_that_cannot_be_is_refused_with_its_key_and_its_file(text, key, raw, tmp_path):
    path = tmp_path / "mine.yaml"
    if text:
        path.write_bytes(text.encode("latin-1"))
    with pytest.raises(ParamsError) as refused:
        audit(raw, path, workers=1)
    assert (refused.value.path, refused.value.key) == (str(path), key)


def test_the_audited_files_are_read_and_nothing_else(raw, found, tmp_path):
    before = listed(raw)
    again = audit(raw, cache=tmp_path / "cache", workers=1)
    assert again.findings["file"].isin(["", *(p.relative_to(raw).as_posix() for p in before)]).all()
    assert listed(raw) == before
    assert any((tmp_path / "cache").rglob("*.parquet"))


def test_a_cache_changes_no_finding(raw, rules, found, tmp_path):
    for _ in range(2):
        kept = audit(raw, rules, cache=tmp_path, workers=1)
        pd.testing.assert_frame_equal(kept.findings, found.findings)
        assert kept.as_json() == found.as_json()


def test_the_json_has_every_finding_and_no_nan(raw, found):
    value = found.as_json()
    assert json.loads(json.dumps(value, allow_nan=False)) == value
    assert value["files"] == value["accepted"] + value["quarantined"] == sum(path.is_file() for path in raw.rglob("*"))
    assert [one["code"] for one in value["findings"]] == found.findings["code"].tolist()
    assert {one["value"] for one in value["findings"] if one["code"] == "empty"} == {None}
    assert sum(value["classes"].values()) == value["accepted"] == len(found.images)
    assert set(value["found"]) <= set(CODES)


def test_given_splits_are_kept_and_counted(tmp_path):
    for seed, (split, count) in enumerate({"train": 3, "test": 2}.items()):
        raw_sets.plain(tmp_path / split, count, seed)
    found = audit(tmp_path, workers=1)
    assert found.summary["splits"] == {"test": 4, "train": 6}
    assert found.images["split"].value_counts().to_dict() == {"train": 6, "test": 4}


def test_a_set_without_a_usable_image_is_no_accident(tmp_path):
    (tmp_path / "cat").mkdir()
    (tmp_path / "cat/1.png").write_bytes(b"no image")
    found = audit(tmp_path, workers=1)
    assert (len(found.images), len(found.quarantine), found.summary["classes"]) == (0, 1, {})
    assert list(found.images.columns) == list(run.MANIFEST)
    assert any(line.startswith("quarantined files") for line in found.failed)


def test_a_notebook_shows_counts_and_codes_with_every_name_escaped(found):
    shown = found._repr_html_()
    assert "&lt;b&gt;text" in shown
    assert "<b>text" not in shown
    assert "exact_duplicate" in shown
    assert (
        repr(found).splitlines()[0] == f"{len(found.images)} of {found.summary['files']} files accepted, in 2 classes"
    )
