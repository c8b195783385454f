"""Write aside, then rename: what stands under its final name is always whole."""

import contextlib
import glob
import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from morelike.core.errors import OF_THE_DISK, DamagedFile, shown

FORMULA = tuple("=@+-\t\r\uff1d\uff20\uff0b\uff0d")  # how formulas begin (OWASP, "CSV injection")


@contextlib.contextmanager
def written_aside(path: Path) -> Iterator[Path]:
    """Give an empty folder beside ``path`` to fill; on success it takes the place of ``path`` by renames.

    An exception leaves ``path`` as it was. A kill does too, or leaves nothing there if it falls between the
    two renames; never a part. Folders that killed runs left behind are removed here.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    _remove_orphans(path)
    aside, old = _beside(path, "new"), _beside(path, "old")
    for leftover in (aside, old):
        shutil.rmtree(leftover, ignore_errors=True)
    aside.mkdir()
    try:
        with naming(aside):
            yield aside
        if path.exists():
            path.rename(old)
        aside.rename(path)
    finally:
        shutil.rmtree(aside, ignore_errors=True)
        shutil.rmtree(old, ignore_errors=True)


def write_text(path: Path, text: str) -> None:
    """Write a text file, UTF-8, whole or not at all."""
    write_bytes(path, text.encode("utf-8"))


def write_bytes(path: Path, data: bytes) -> None:
    """Write a file whole or not at all."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    _remove_orphans(path)
    aside = _beside(path, "new")
    try:
        with naming(aside):
            aside.write_bytes(data)
        aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)


@contextlib.contextmanager
def naming(path: Path) -> Iterator[None]:
    """Give ``path`` to an error of the disk that names no file: a full disk does not say where it is full."""
    try:
        yield
    except OSError as error:
        if error.filename is None and error.errno in OF_THE_DISK:
            error.filename = str(path)
        raise


def write_json(path: Path, value: Any) -> None:
    """Write ``value`` as JSON, whole or not at all. NaN and infinities are refused (ValueError)."""
    write_text(path, json.dumps(value, indent=2, allow_nan=False, ensure_ascii=False) + "\n")


def read_json(path: Path, *keys: str) -> Any:
    """Read a JSON file that this project wrote; with ``keys``, a mapping that has them.

    Raises:
        DamagedFile: it is no JSON, or a key is missing.
        OSError: it cannot be read.
    """
    with readable(path, "JSON"):
        value = json.loads(Path(path).read_text(encoding="utf-8"))
    missing = [key for key in keys if not isinstance(value, dict) or key not in value]
    if missing:
        raise DamagedFile(path, f"the key {missing[0]}", shown(value))
    return value


@contextlib.contextmanager
def readable(path: Path, expected: str) -> Iterator[None]:
    """Say of a file that what reads it cannot make sense of it.

    Raises:
        DamagedFile: in place of the reader's own error.
        OSError: the system's own, with its number, is raised as it is.
    """
    try:
        yield
    except OSError as error:
        if error.errno is not None:
            raise
        raise DamagedFile(path, expected, error) from error
    except (ValueError, LookupError, TypeError, AttributeError, EOFError, RecursionError, yaml.YAMLError) as error:
        raise DamagedFile(path, expected, error) from error


def spreadsheet_safe(text: str) -> str:
    """Return a text for a CSV that people open: what a spreadsheet would run gets a ``'`` in front; numbers do not.

    >>> [spreadsheet_safe(text) for text in ("=1+1", "-2.5", "-rf", "cat")]
    ["'=1+1", '-2.5', "'-rf", 'cat']
    """
    return f"'{text}" if is_formula(text) else text


def is_formula(text: str) -> bool:
    """Tell whether a spreadsheet would run a text from a CSV file.

    >>> is_formula("=cmd|' /C calc'!A0"), is_formula("+1")
    (True, False)
    """
    if not text.startswith(FORMULA):
        return False
    try:
        float(text)
    except ValueError:
        return True
    return False


def fingerprint(value: Any) -> str:
    """Return a short name, 16 hexadecimal digits, that is a pure function of a JSON value.

    >>> fingerprint({"a": 1, "b": 2}) == fingerprint({"b": 2, "a": 1})
    True
    """
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:16]


def _beside(path: Path, what: str) -> Path:
    return path.with_name(f".{path.name}.{what}.{os.getpid()}.partial")


def _remove_orphans(path: Path) -> None:
    """Remove what runs that are no more left beside ``path``."""
    for orphan in path.parent.glob(f".{glob.escape(path.name)}.*.partial"):
        pid = orphan.name.split(".")[-2]
        if pid.isdigit() and _runs(int(pid)):
            continue
        if orphan.is_dir():
            shutil.rmtree(orphan, ignore_errors=True)
        else:
            orphan.unlink(missing_ok=True)


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return not _is_zombie(pid)


def _is_zombie(pid: int) -> bool:
    """Tell whether a process has ended and only waits for its parent; on Linux, elsewhere it is not known."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return False
