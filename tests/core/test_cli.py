"""The edge: whatever goes wrong, one line that a terminal can show and that says what to do."""

import errno
import sys
from pathlib import Path

import pytest

from morelike.core import cli, files, progress
from morelike.core.errors import DamagedFile, MorelikeError

raised: list[Exception] = []


def main() -> None:
    raise raised[-1]


def says(error: Exception, monkeypatch, *words: str) -> str:
    raised.append(error)
    monkeypatch.setattr(sys, "argv", ["stage", *words])
    with pytest.raises(SystemExit) as caught:
        cli.run(main)
    return str(caught.value.code)


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (OSError(errno.ENOSPC, "No space left on device", "a.npy"), "a.npy: No space left on device: free some space"),
        (OSError(errno.EDQUOT, "Disk quota exceeded"), "Disk quota exceeded: free some space of your quota"),
        (OSError(errno.EROFS, "Read-only file system", "out"), "out: Read-only file system: use a folder that can be"),
        (PermissionError(errno.EACCES, "Permission denied", "out"), "out: Permission denied: give this user the right"),
        (
            FileNotFoundError(errno.ENOENT, "No such file or directory", "x"),
            "x: No such file or directory: `dvc repro`",
        ),
        (NotADirectoryError(errno.ENOTDIR, "Not a directory", ".morelike/x"), ".morelike/x: Not a directory"),
        (IsADirectoryError(errno.EISDIR, "Is a directory", ".m.new", None, "m.json"), "m.json: Is a directory"),
        (MemoryError("Unable to allocate 9 TiB"), "memory ran out (Unable to allocate 9 TiB): free some"),
        (RuntimeError("CUDA out of memory. Tried to allocate 9 TiB"), "memory ran out (CUDA out of memory."),
        (MemoryError(), "memory ran out: free some"),
        (RecursionError("maximum recursion depth exceeded"), "unexpected RecursionError: maximum recursion depth"),
        (KeyError("row"), "unexpected KeyError: 'row'; this is a bug: `--debug` shows where"),
        (MorelikeError("a\x1b[2Jb\u202egnp.exe\nc"), "a\\x1b[2Jb\\u202egnp.exe\\nc"),
        (DamagedFile("m.json", "JSON", "x" * 9999), "m.json is damaged: expected JSON, got xxx"),
    ],
)
def test_every_error_is_one_line_with_what_to_do(monkeypatch, error, said):
    line = says(error, monkeypatch)
    assert said in line
    assert line.isprintable()
    assert len(line) < 400


def test_the_traceback_is_there_for_who_asks(monkeypatch):
    raised.append(KeyError("row"))
    monkeypatch.setattr(sys, "argv", ["stage", "--debug"])
    with pytest.raises(KeyError):
        cli.run(main)


def test_a_name_cannot_steer_the_terminal(capsys):
    progress.say("a\x1b[31m\u202egnp.exe\r\udcff ünï 日本 ✓")
    assert capsys.readouterr().out == "a\\x1b[31m\\u202egnp.exe\\r\\udcff ünï 日本 ✓\n"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_a_full_disk_that_names_no_file_is_given_its_name():
    with (
        pytest.raises(OSError, match="No space left") as caught,
        files.naming(Path("shard.npy")),
        open("/dev/full", "wb", buffering=0) as full,
    ):
        full.write(b"x")
    assert caught.value.filename == "shard.npy"
