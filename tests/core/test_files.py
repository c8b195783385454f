"""files: what stands under its final name is always whole."""

import os
import signal
import subprocess
import sys

import pytest

from morelike.core import files


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_folder_appears_whole_under_its_name_and_nothing_else_stays(tmp_path):
    with files.written_aside(tmp_path / "deep/out") as aside:
        (aside / "a.txt").write_text("a")
        assert not (tmp_path / "deep/out").exists()
    assert names(tmp_path / "deep") == ["out"]
    assert (tmp_path / "deep/out/a.txt").read_text() == "a"


def test_a_new_folder_takes_the_place_of_the_old_one_without_its_files(tmp_path):
    for name in ("old", "new"):
        with files.written_aside(tmp_path / "out") as aside:
            (aside / name).write_text(name)
    assert names(tmp_path / "out") == ["new"]
    assert names(tmp_path) == ["out"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_a_failure_leaves_what_was_there(tmp_path, error):
    with files.written_aside(tmp_path / "out") as aside:
        (aside / "old").write_text("old")

    def fails():
        with files.written_aside(tmp_path / "out") as aside:
            (aside / "half").write_text("half")
            raise error

    with pytest.raises(error):
        fails()
    assert names(tmp_path) == ["out"]
    assert names(tmp_path / "out") == ["old"]


KILLED = """
import os, signal, sys
from pathlib import Path
from morelike.core import files
with files.written_aside(Path(sys.argv[1])) as aside:
    (aside / "half").write_text("half")
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize("name", ["out", "out[1]"])
def test_a_kill_leaves_what_was_there_and_the_next_run_clears_up(tmp_path, name):
    with files.written_aside(tmp_path / name) as aside:
        (aside / "old").write_text("old")
    killed = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path / name)], check=False)
    assert killed.returncode == -signal.SIGKILL
    assert names(tmp_path / name) == ["old"]
    assert len(names(tmp_path)) == 2
    with files.written_aside(tmp_path / name) as aside:
        (aside / "new").write_text("new")
    assert names(tmp_path) == [name]
    assert names(tmp_path / name) == ["new"]


def test_what_a_living_process_is_writing_is_left_alone(tmp_path):
    theirs = tmp_path / f".out.new.{os.getppid()}.partial"
    theirs.mkdir()
    with files.written_aside(tmp_path / "out") as aside:
        (aside / "a").write_text("a")
    assert theirs.is_dir()


def test_leftovers_of_another_output_are_left_alone(tmp_path):
    theirs = tmp_path / ".outer.new.999999999.partial"
    theirs.mkdir()
    with files.written_aside(tmp_path / "out") as aside:
        (aside / "a").write_text("a")
    assert theirs.is_dir()


def test_json_comes_back_and_is_written_whole_or_not_at_all(tmp_path):
    value = {"ψ": [1, 2.5, None, "x"], "deep": {"a": True}}
    files.write_json(tmp_path / "deep/m.json", value)
    assert files.read_json(tmp_path / "deep/m.json") == value
    with pytest.raises(ValueError, match="Out of range float values"):
        files.write_json(tmp_path / "deep/m.json", {"a": float("nan")})
    assert files.read_json(tmp_path / "deep/m.json") == value
    assert names(tmp_path / "deep") == ["m.json"]


def test_a_text_that_cannot_be_encoded_leaves_nothing_behind(tmp_path):
    with pytest.raises(UnicodeEncodeError):
        files.write_text(tmp_path / "t.txt", "\ud800")
    assert names(tmp_path) == []


def test_a_killed_writer_that_nobody_has_buried_yet_leaves_nothing_behind(tmp_path):
    child = subprocess.Popen([sys.executable, "-c", "pass"])
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)  # ended, but a zombie until it is waited for
    orphan = tmp_path / f".out.new.{child.pid}.partial"
    orphan.mkdir()
    with files.written_aside(tmp_path / "out"):
        assert not orphan.exists()
    child.wait()
