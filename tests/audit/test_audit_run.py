import importlib
import json
from collections import Counter

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from scipy.ndimage import gaussian_filter

from morelike import params
from morelike.audit import run
from morelike.audit.inspection import Inspector
from morelike.errors import SourceError, ValidationError
from morelike.layout import Entry

SETTINGS = params.Validate(
    split={"train": 0.6, "val": 0.2, "test": 0.2},
    min_size_px=8,
    max_pixels=10_000,
    near_duplicate_bits=6,
    max_quarantined_share=0.5,
    min_images_per_class=5,
)


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


def validate(tmp_path, raw="raw", workers=1, out="out", **changes):
    settings = SETTINGS.model_copy(update=changes)
    return run.validate(tmp_path / raw, settings, 0, tmp_path / out, tmp_path / "evidence", workers)


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
        ["not_an_image", "empty", "truncated", "unreadable", "exact_duplicate", "stray"]
    )
    pd.testing.assert_frame_equal(pd.read_csv(tmp_path / "out/quarantine.csv", keep_default_na=False), quarantine)


def test_the_bytes_written_do_not_depend_on_workers_or_on_where_the_raw_images_are(tmp_path):
    for home, workers in (("here", 1), ("there", 2)):
        spoil(fill(tmp_path / home / "raw", count=40))
        validate(tmp_path / home, workers=workers)
    for name in ("manifest.parquet", "quarantine.parquet", "quarantine.csv", "expectations.json", "summary.json"):
        assert (tmp_path / "here/out" / name).read_bytes() == (tmp_path / "there/out" / name).read_bytes()


def test_a_double_is_quarantined_and_a_conflict_of_labels_is_noted(tmp_path):
    raw = fill(tmp_path / "raw")
    (raw / "dog/zz.png").write_bytes((raw / "cat/3.png").read_bytes())
    validate(tmp_path)
    manifest, quarantine = tables(tmp_path / "out")
    assert quarantine.loc[0, ["file", "code"]].tolist() == ["dog/zz.png", "exact_duplicate"]
    assert "cat/3.png, which is labelled cat" in quarantine.loc[0, "detail"]
    assert manifest.set_index("file").loc["cat/3.png", "notes"] == "label_conflict"
    assert json.loads((tmp_path / "out/summary.json").read_text())["notes"] == {"label_conflict": 1}


def test_near_duplicates_are_in_one_split(tmp_path):
    raw = fill(tmp_path / "raw")
    for row in range(10):
        brighter = np.clip(drawn(row).astype(int) + 4, 0, 255).astype(np.uint8)
        Image.fromarray(brighter).save(raw / f"cat/{row}_brighter.png")
    numbers = validate(tmp_path)
    splits = tables(tmp_path / "out")[0].set_index("file")["split"]
    assert numbers["near_duplicate_groups"] == 10
    assert all(splits[f"cat/{row}.png"] == splits[f"cat/{row}_brighter.png"] for row in range(10))


def test_leaks_between_given_splits_are_counted_and_said(tmp_path, capsys):
    raw = fill(tmp_path / "raw", ["train/cat", "val/cat", "test/cat"])
    Image.fromarray(np.clip(drawn(0).astype(int) + 4, 0, 255).astype(np.uint8)).save(raw / "test/cat/leak.png")
    assert validate(tmp_path)["leaked_images"] == 1
    assert "warning: 1 images of the given val or test have near-duplicates" in capsys.readouterr().out
    manifest, _ = tables(tmp_path / "out")
    assert (manifest["split"] == manifest["file"].str.partition("/")[0]).all()


def test_too_many_bad_files_fail_with_rule_count_and_files_and_leave_the_quarantine_table(tmp_path):
    raw = fill(tmp_path / "raw")
    for row in range(8):
        (raw / f"cat/bad{row}.png").touch()
    with pytest.raises(ValidationError, match=r"8 empty.*8 found, limit 10% of 28: cat/bad0.png.*3 more") as caught:
        validate(tmp_path, max_quarantined_share=0.1)
    assert str(tmp_path / "evidence/quarantine.csv") in str(caught.value)
    assert len(pd.read_csv(tmp_path / "evidence/quarantine.csv")) == 8
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
    with pytest.raises(ValidationError, match=r"emu \(4 images\)"):
        validate(tmp_path)


def test_a_small_class_with_a_given_split_keeps_it(tmp_path):
    raw = fill(tmp_path / "raw", ["train/cat", "val/cat", "test/cat"])
    save(raw / "train/emu/1.png", 777)
    validate(tmp_path)
    assert tables(tmp_path / "out")[0].set_index("file").loc["train/emu/1.png", "split"] == "train"


def test_a_broken_expectation_fails_with_its_rule_and_leaves_the_results(tmp_path):
    fill(tmp_path / "raw", ["train/cat", "test/cat"])
    with pytest.raises(ValidationError, match="train, val and test all hold images"):
        validate(tmp_path, split=params.Split(train=0.8, val=0.0, test=0.2))
    assert not json.loads((tmp_path / "evidence/expectations.json").read_text())["success"]
    assert not (tmp_path / "out").exists()


def test_nothing_to_read_is_an_error_that_says_what_to_do(tmp_path):
    (tmp_path / "raw").mkdir()
    with pytest.raises(SourceError, match=r"set data.raw"):
        validate(tmp_path)


def test_a_file_that_kills_its_worker_is_quarantined_alone(tmp_path, monkeypatch):
    module = (
        "import os\n"
        "from morelike.sources import Folder\n"
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
    table = run.inspect(Inspector(source, 8, 10_000), entries, workers=2)
    assert table["file"].tolist() == [entry.name for entry in entries]
    assert table["code"].tolist() == ["", "", "", "decode_error"]
