"""Where a result comes from: the commit, the hashes of the data, the versions."""

import importlib.metadata
import platform
import subprocess
from collections.abc import Collection
from pathlib import Path
from typing import Any

import yaml

from morelike.core import files

PACKAGES = ("morelike", "torch", "torchvision", "numpy", "opencv-python-headless", "great-expectations", "dvc")


def commit(folder: Path) -> dict[str, Any] | None:
    """Return the ``hash`` of the checked-out commit and whether tracked files differ from it (``dirty``).

    ``dvc.lock`` does not count: the running pipeline writes it. None outside a git repository, or without git.
    """
    head = _git(folder, "rev-parse", "HEAD")
    changed = _git(folder, "status", "--porcelain", "--untracked-files=no", "--", ".", ":!dvc.lock")
    return {"hash": head, "dirty": bool(changed)} if head else None


def data_hashes(lock: Path, models: Collection[str]) -> list[dict[str, Any]]:
    """Return stage, path, md5, bytes and files of every output in ``dvc.lock``; nothing if there is no such file.

    DVC keeps the entries of stages that are gone. A stage per model, such as ``train@vae``, counts if ``models`` names
    its model.
    """
    if not lock.is_file():
        return []
    with files.readable(lock, "what DVC writes there"):
        stages = (yaml.safe_load(lock.read_text(encoding="utf-8")) or {}).get("stages", {})
        return [
            {
                "stage": stage,
                "path": out["path"],
                "md5": out.get("md5", ""),
                "bytes": out.get("size"),
                "files": out.get("nfiles", 1),
            }
            for stage, entry in stages.items()
            if "@" not in stage or stage.partition("@")[2] in models
            for out in entry.get("outs", [])
        ]


def versions() -> dict[str, str]:
    """Return the versions of Python and of the installed packages that the result depends on."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def _git(folder: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(["git", *arguments], cwd=folder, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout.strip()
