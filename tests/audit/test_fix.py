"""The images that an audit writes need no change and have no fault left; what needed none keeps its bytes."""

import io
import shutil

import numpy as np
import pytest
from PIL import Image

from morelike.audit import audit, fix
from morelike.audit.errors import AuditError
from morelike.images import pixels
from morelike.validate.codes import CODES
from tests import raw_sets


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A raw set with faults, its audit, and the images that were written of it."""
    home = tmp_path_factory.mktemp("home")
    raw_sets.odd(home / "raw")
    (home / "rules.yaml").write_text(raw_sets.RULES)
    return home


@pytest.fixture(scope="module")
def found(home):
    found = audit(home / "raw", home / "rules.yaml", workers=1)
    fix.write(found, home / "out", workers=1)
    return found


def written(out):
    return {path.relative_to(out).as_posix(): path.read_bytes() for path in out.rglob("*") if path.is_file()}


def test_audited_again_nothing_is_quarantined_and_nothing_converted(home, found):
    again = audit(home / "out", workers=1)
    assert again.quarantine.empty
    converted = {name for name, code in CODES.items() if "fix" in code.policies and code.group != "set"}
    assert len(converted & set(found.findings["code"])) > 6
    assert not again.findings["code"].isin(converted).any()
    assert len(again.images) == len(found.images) - 1  # grey, once as grey and once as RGB


def test_what_needs_no_change_keeps_its_bytes_and_all_else_has_the_pixels_of_the_audit(home, found):
    out = written(home / "out")
    for task in fix.tasks_of(found):
        data = (home / "raw" / task.stored.file).read_bytes()
        if task.path not in out:
            assert task.stored.file == "dog/grey_as_rgb.png"
        elif task.copied:
            assert out[task.path] == data
        else:
            seen = np.broadcast_to(pixels.decode(out[task.path]), pixels.decode(data).shape)
            np.testing.assert_array_equal(seen, pixels.decode(data))
    copied = {task.stored.file for task in fix.tasks_of(found) if task.copied}
    assert copied >= {"cat/0.png", "cat/kept.jpg", "dog/named_wrong.png", "dog/grey.png"}
    assert not copied & {"cat/turned.jpg", "cat/clear.png", "cat/ink.jpg", "dog/deep.png", "dog/old.bmp"}


def test_names_say_the_class_the_file_and_the_format(home, found):
    out = written(home / "out")
    assert {"cat/turned.png", "cat/kept.jpg", "dog/named_wrong.jpg", "dog/old.png", "dog/0.png", "dog/0-2.png"} <= set(
        out
    )
    for name, data in out.items():
        with Image.open(io.BytesIO(data)) as image:
            assert image.format == {"png": "PNG", "jpg": "JPEG"}[name.rpartition(".")[2]]
            assert image.mode in ("L", "RGB")


def test_many_files_of_one_name_are_numbered_in_order():
    assert fix.numbered(["1"] * 3 + ["1-2"]) == ["1", "1-2", "1-3", "1-2-2"]
    assert len(set(fix.numbered(["same"] * 20_000))) == 20_000


def test_out_of_an_archive_come_the_same_images(home, found, tmp_path):
    archive = shutil.make_archive(tmp_path / "raw", "zip", home / "raw")
    fix.write(audit(archive, home / "rules.yaml", workers=1), tmp_path / "out", workers=1)
    assert written(tmp_path / "out") == written(home / "out")


def test_given_splits_come_above_the_classes(tmp_path):
    for seed, split in enumerate(("train", "test")):
        raw_sets.plain(tmp_path / "raw" / split, 1, seed)
    fix.write(audit(tmp_path / "raw", workers=1), tmp_path / "out", workers=1)
    assert set(written(tmp_path / "out")) == {f"{a}/{b}/0.png" for a in ("train", "test") for b in ("cat", "dog")}


def test_nothing_is_overwritten(found, tmp_path):
    (tmp_path / "note.txt").write_text("mine")
    with pytest.raises(AuditError, match="nothing is overwritten"):
        fix.write(found, tmp_path, workers=1)
    assert [path.name for path in tmp_path.iterdir()] == ["note.txt"]


@pytest.mark.parametrize("kind", [KeyboardInterrupt, OSError])
def test_one_that_is_stopped_leaves_nothing(kind, found, tmp_path, monkeypatch):
    def stop(*_):
        assert any(tmp_path.rglob("*.png"))
        raise kind

    monkeypatch.setattr(fix, "_alike_now", stop)
    with pytest.raises(kind):
        fix.write(found, tmp_path / "out", workers=1)
    assert not list(tmp_path.iterdir())


def test_a_file_that_changed_since_is_not_written(tmp_path):
    raw = raw_sets.plain(tmp_path / "raw", 1)
    found = audit(raw, workers=1)
    raw_sets.save(raw / "cat/0.png", raw_sets.distinct(77))
    with pytest.raises(AuditError, match=r"cat/0\.png: its sha256 is another one"):
        fix.write(found, tmp_path / "out", workers=1)
    assert not (tmp_path / "out").exists()
