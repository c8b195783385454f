"""Git for a search: its commands, and a snapshot of a project that leaves the project's files and index alone."""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from flows.tuning.errors import SearchError

UNTRACKED = ("*.py", "*.dvc", "dvc.yaml", "dvc.lock", "params.yaml")  # taken along; other untracked files may be data
IDENTITY = {"name": "morelike search", "email": "search@localhost"}


def git(folder: Path, *arguments: str, **variables: str) -> str:
    """Run git in ``folder``, with more environment ``variables``, and return what it prints.

    Raises:
        SearchError: with git's own message.
    """
    inherited = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}
    done = subprocess.run(
        ["git", *arguments], cwd=folder, env=inherited | variables, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise SearchError(f"git {arguments[0]}: {done.stderr.strip()}")
    return done.stdout.strip()


def snapshot(root: Path, commit: str, raw: str) -> str:
    """Commit the project in ``root`` as it stands, on top of ``commit``, and return the new commit.

    It has an index of its own, and no branch points to it. Untracked files are taken along if they match
    :data:`UNTRACKED` and do not lie under ``raw``, the images.
    """
    there = Path(git(root, "rev-parse", "--path-format=absolute", "--git-path", "index"))
    with tempfile.TemporaryDirectory() as folder:
        index = Path(folder) / "index"
        if there.exists():
            shutil.copy2(there, index)  # its time tells git which files to look into
        aside = {"GIT_INDEX_FILE": str(index)}
        git(root, "add", "--update", ".", **aside)
        listed = git(root, "ls-files", "--others", "--exclude-standard", "-z", "--", *UNTRACKED, **aside)
        for name in filter(None, listed.split("\0")):
            if not Path(name).is_relative_to(os.path.normpath(raw)):
                git(root, "add", "--", name, **aside)
        tree = git(root, "write-tree", **aside)
        author = {f"GIT_{who}_{key.upper()}": one for who in ("AUTHOR", "COMMITTER") for key, one in IDENTITY.items()}
        return git(root, "commit-tree", tree, "-p", commit, "-m", "the project when the search began", **author)
