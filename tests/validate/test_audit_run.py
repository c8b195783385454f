import importlib
import json
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from scipy.ndimage import gaussian_filter

from morelike.core import progress, settings
from morelike.storage.errors import SourceError
from morelike.storage.labels import Entry
from morelike.storage.sources import open_source
from morelike.validate import collection, run
from morelike.validate.errors import ValidationError
from morelike.validate.settings import Split, Validate

ROOT = Path(__file__).resolve().parents[2]
DEFAULTS = settings.read(ROOT / "params.yaml").section("validate", Validate)
LIMITS = {"too_small": {"limit": 8}, "bomb": {"limit": 10_000}, "small_class": {"limit": 5}}
LOOSE = {code: {"at_most": None} for code, rule in DEFAULTS.codes.items() if rule.at_most is not None}


def settings_with(codes=None, **changes):
    rules = {code: rule.model_dump() for code, rule in DEFAULTS.codes.items()}
    for code, change in (LOOSE | LIMITS | (codes or {})).items():
        rules[code] |= change
    section = DEFAULTS.model_dump() | {"split": {"train": 0.6, "val": 0.2, "test": 0.2}}
    section |= {"max_quarantined_share": 0.5} | changes
    return Validate(**section | {"codes": rules})


def drawn(seed):
    field = gaussian_filter(np.random.default_rng(seed).normal(size=(16, 16)), 1)
    return ((field - field.min()) / np.ptp(field) * 255).astype(np.uint8)


def save(path, seed):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(drawn(seed)).save(path)
    return path


def fill(root, folders=("cat", "dog"), count=10):
    for number, folder in enumerate(folders):
        for row in range(count):
            save(root / folder / f"{row}.png", 100 * number + row)
    return root


def validate(tmp_path, raw="raw", workers=1, out="out", codes=None, **changes):
    audit = run.Audit(tmp_path / out, tmp_path / "state")
    return run.validate(tmp_path / raw, settings_with(codes, **changes), audit, workers)


def findings(folder):
    return pd.read_parquet(folder / "findings.parquet")


def tables(folder):
    return pd.read_parquet(folder / "manifest.parquet"), pd.read_parquet(folder / "quarantine.parquet")


def spoil(root):
    (root / "cat/a_text.txt").write_bytes(b"x")
    (root / "cat/empty.png").touch()
    (root / "dog/broken.png").write_bytes((root / "dog/0.png").read_bytes()[:60])
    (root / "dog/link.png").symlink_to("/etc/hostname")
    (root / "dog/9_again.png").write_bytes((root / "dog/9.png").read_bytes())
    save(root / "stray.png", 999)
    return root


def test_every_file_has_one_row_in_one_of_the_two_tables(tmp_path):
    raw = spoil(fill(tmp_path / "raw"))
    numbers = validate(tmp_path)
    manifest, quarantine = tables(tmp_path / "out")
    files = sorted(path.relative_to(raw).as_posix() for path in raw.rglob("*") if not path.is_dir())
    assert sorted([*manifest["file"], *quarantine["file"]]) == files
    assert manifest["file"].is_monotonic_increasing
    assert list(manifest.columns) == list(run.MANIFEST)
    assert (numbers["accepted"], numbers["quarantined"]) == (20, 6)
    assert Counter(quarantine["code"]) == Counter(
        ["not_an_image", "empty", "truncated", "link_out", "exact_duplicate", "stray"]
    )
    written = pd.read_csv(tmp_path / "out/quarantine.csv").fillna({"label": ""})
    pd.testing.assert_frame_equal(written, quarantine)


def test_the_bytes_written_do_not_depend_on_workers_or_on_where_the_raw_images_are(tmp_path):
    for home, workers in (("here", 1), ("there", 2)):
        spoil(fill(tmp_path / home / "raw", count=40))
        validate(tmp_path / home, workers=workers)
    for name in ("manifest.parquet", "quarantine.parquet", "quarantine.csv", "expectations.json", "summary.json"):
        assert (tmp_path / "here/out" / name).read_bytes() == (tmp_path / "there/out" / name).read_bytes()


def test_a_double_is_quarantined(tmp_path):
    raw = fill(tmp_path / "raw")
    (raw / "cat/zz.png").write_bytes((raw / "cat/3.png").read_bytes())
    validate(tmp_path)
    quarantine = tables(tmp_path / "out")[1]
    assert quarantine.loc[0, ["file", "code"]].tolist() == ["cat/zz.png", "exact_duplicate"]
    assert "cat/3.png" in quarantine.loc[0, "detail"]


@pytest.mark.parametrize(
    ("policy", "left_out"), [("quarantine", {"cat/3.png", "dog/zz.png"}), ("warn", {"dog/zz.png"})]
)
def test_one_image_under_two_labels_is_trusted_under_neither_unless_it_is_asked_for(tmp_path, policy, left_out):
    raw = fill(tmp_path / "raw")
    (raw / "dog/zz.png").write_bytes((raw / "cat/3.png").read_bytes())
    validate(tmp_path, codes={"label_conflict": {"policy": policy}})
    manifest, quarantine = tables(tmp_path / "out")
    assert set(quarantine["file"]) == left_out
    found = findings(tmp_path / "out").query("code == 'label_conflict'").set_index("file")["detail"]
    assert "dog/zz.png, which is labelled dog" in found["cat/3.png"]
    assert "cat/3.png, which is labelled cat" in found["dog/zz.png"]
    if policy == "warn":
        assert "label_conflict: the same pixels" in manifest.set_index("file").loc["cat/3.png", "findings"]


def test_near_duplicates_are_in_one_split(tmp_path):
    raw = fill(tmp_path / "raw")
    for row in range(10):
        brighter = np.clip(drawn(row).astype(int) + 4, 0, 255).astype(np.uint8)
        Image.fromarray(brighter).save(raw / f"cat/{row}_brighter.png")
    numbers = validate(tmp_path)
    splits = tables(tmp_path / "out")[0].set_index("file")["split"]
    assert numbers["near_duplicate_groups"] == 10
    assert all(splits[f"cat/{row}.png"] == splits[f"cat/{row}_brighter.png"] for row in range(10))


@pytest.mark.parametrize("policy", ["quarantine", "warn"])
def test_a_leak_into_a_given_test_split_is_taken_out_of_train_or_said(tmp_path, capsys, policy):
    raw = fill(tmp_path / "raw", ["train/cat", "val/cat", "test/cat"])
    Image.fromarray(np.clip(drawn(0).astype(int) + 4, 0, 255).astype(np.uint8)).save(raw / "test/cat/leak.png")
    numbers = validate(tmp_path, codes={"leakage": {"policy": policy}})
    assert numbers["found"]["leakage"] == 1
    manifest, quarantine = tables(tmp_path / "out")
    assert (manifest["split"] == manifest["file"].str.partition("/")[0]).all()
    assert "test/cat/leak.png" in set(manifest["file"])
    if policy == "quarantine":
        assert quarantine[["file", "code"]].to_numpy().tolist() == [["train/cat/0.png", "leakage"]]
    else:
        assert "warning: 1 leakage: train/cat/0.png: nearly test/cat/leak.png" in capsys.readouterr().out


def test_too_many_bad_files_fail_with_rule_count_and_files_and_leave_the_quarantine_table(tmp_path):
    raw = fill(tmp_path / "raw")
    for row in range(8):
        (raw / f"cat/bad{row}.png").touch()
    with pytest.raises(ValidationError, match=r"8 empty.*8 found, limit 10% of 28: cat/bad0.png.*3 more") as caught:
        validate(tmp_path, max_quarantined_share=0.1)
    assert str(tmp_path / "state/validate") in str(caught.value)
    assert len(pd.read_csv(tmp_path / "state/validate/quarantine.csv")) == 8
    assert not (tmp_path / "out").exists()


def test_doubles_alone_do_not_fail_a_run(tmp_path):
    raw = fill(tmp_path / "raw")
    for path in list(raw.rglob("*.png")):
        path.with_suffix(".copy.png").write_bytes(path.read_bytes())
    assert validate(tmp_path, max_quarantined_share=0.0)["accepted"] == 20


def test_a_class_too_small_to_split_is_named(tmp_path):
    raw = fill(tmp_path / "raw", ["cat", "dog", "emu"])
    for row in range(6):
        (raw / f"emu/{row}.png").unlink()
    with pytest.raises(ValidationError, match=r"emu \(4 images, at least 5\)"):
        validate(tmp_path)


def test_a_small_class_with_a_given_split_keeps_it_and_one_in_test_alone_is_said(tmp_path, capsys):
    raw = fill(tmp_path / "raw", ["train/cat", "val/cat", "test/cat"])
    save(raw / "train/emu/1.png", 777)
    save(raw / "test/fox/1.png", 778)
    validate(tmp_path)
    assert "no image in train of fox (nothing can learn it; it is left out of balanced" in capsys.readouterr().out
    assert tables(tmp_path / "out")[0].set_index("file").loc["train/emu/1.png", "split"] == "train"


def test_a_broken_expectation_fails_with_its_rule_and_leaves_the_results(tmp_path):
    fill(tmp_path / "raw", ["train/cat", "test/cat"])
    with pytest.raises(ValidationError, match="train, val and test all hold images"):
        validate(tmp_path, split=Split(train=0.8, val=0.0, test=0.2))
    assert not json.loads((tmp_path / "state/validate/expectations.json").read_text())["success"]
    assert not (tmp_path / "out").exists()


def test_nothing_to_read_is_an_error_that_says_what_to_do(tmp_path):
    (tmp_path / "raw").mkdir()
    with pytest.raises(SourceError, match=r"name the place"):
        validate(tmp_path)


def test_a_file_that_kills_its_worker_is_quarantined_alone(tmp_path, monkeypatch):
    module = (
        "import os\n"
        "from morelike.storage.sources import Folder\n"
        "class Deadly(Folder):\n"
        "    def read(self, name):\n"
        "        os._exit(9) if name == 'cat/3.png' else None\n"
        "        return super().read(name)\n"
    )
    (tmp_path / "deadly.py").write_text(module)
    monkeypatch.syspath_prepend(tmp_path)
    fill(tmp_path / "raw", ["cat"], 4)
    source = importlib.import_module("deadly").Deadly(tmp_path / "raw")
    entries = [Entry(f"cat/{row}.png", "cat") for row in range(4)]
    table, decoded = collection.collect(source, entries, collection.Reading(10_000), tmp_path / "cache", workers=2)
    assert table["file"].tolist() == [entry.name for entry in entries]
    assert table["code"].tolist() == ["", "", "", "decode_error"]
    assert decoded == 3


def test_ten_images_more_are_ten_decoded_and_the_bytes_are_those_of_a_fresh_audit(tmp_path, capsys):
    raw = fill(tmp_path / "raw", count=30)
    validate(tmp_path)
    assert "60 of 60 files decoded" in capsys.readouterr().out
    for row in range(10):
        save(raw / f"cat/new{row}.png", 5000 + row)
    validate(tmp_path, out="again")
    assert "10 of 70 files decoded" in capsys.readouterr().out
    fresh = run.Audit(tmp_path / "fresh", tmp_path / "other_state")
    run.validate(raw, settings_with(), fresh, 1)
    for name in ("manifest.parquet", "quarantine.parquet", "findings.parquet", "expectations.json"):
        assert (tmp_path / "again" / name).read_bytes() == (tmp_path / "fresh" / name).read_bytes()


def test_an_audit_that_was_stopped_goes_on_where_it_was(tmp_path, monkeypatch):
    source = open_source(fill(tmp_path / "raw", count=30))
    entries, args = source.entries(), (collection.Reading(10_000), tmp_path / "cache", 1)
    monkeypatch.setattr(collection, "FILES_PER_CHUNK", 10)

    def stop(items, *_):
        for number, item in enumerate(items):
            if number == 3:
                raise KeyboardInterrupt
            yield item

    with monkeypatch.context() as stopped:
        stopped.setattr(progress, "track", stop)
        with pytest.raises(KeyboardInterrupt):
            collection.collect(source, entries, *args)
    table, decoded = collection.collect(source, entries, *args)
    assert decoded == 30
    assert (table["code"] == "").all()


def test_one_pixel_of_a_known_file_changed_is_seen(tmp_path):
    raw = fill(tmp_path / "raw")
    validate(tmp_path)
    before = tables(tmp_path / "out")[0].set_index("file")
    image = drawn(3)
    image[0, 0] ^= 255
    Image.fromarray(image).save(raw / "cat/3.png")
    validate(tmp_path)
    after = tables(tmp_path / "out")[0].set_index("file")
    changed = before.index[before["pixel_sha256"] != after["pixel_sha256"]]
    assert changed.tolist() == ["cat/3.png"]
