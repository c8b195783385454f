"""A copy of this project with settings so small that the whole pipeline runs in a minute."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import yaml

from tests.judging import TINY

ROOT = Path(__file__).resolve().parent.parent
SETTINGS = {
    "demo_data": {"train_common": 12, "train_rare": 6, "val": 4, "test": 4},
    "validate": {"codes": {"small_class": {"limit": 2}}},
    "resize": {"width_px": 16, "height_px": 16, "check_images": 8},
    "train": {
        "batch_size": 16,
        "precision": "32-true",
        "evaluate_every_images": 96,
        "patience": 2,
        "ema_halflife_images": 32,
        "checks": {"diverged": 2.0},  # a batch has 4 noisy twins: its loss varies more than that of a whole one
    },
    "models": {
        "vae": {"budget_images": 192, "width": 8, "latent_dims": 4, "beta_warmup_images": 64},
        "dae": {"budget_images": 192, "width": 8},
    },
    "synthesize": {"batch_size": 32, "at_least": 2, "dae": {"steps": 3}},
    "export": {"max_filtered_share": 1.0},
    "evaluate": TINY | {"seeds_beside": 2, "shares": [0.25], "strengths": [1.0], "extras": []},
    "report": {"examples": 2},
}


def make(folder: Path) -> Path:
    """Copy what git knows or would add into ``folder`` and make it a repository of its own."""
    listed = git(ROOT, "ls-files", "--cached", "--others", "--exclude-standard", "-z").split("\0")
    for name in set(listed) - {"", "dvc.lock"}:  # a lock would be of runs in the original
        if (ROOT / name).is_file() and not name.startswith("tests/"):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)
    params = folder / "params.yaml"
    params.write_text(yaml.safe_dump(_merged(yaml.safe_load(params.read_text()), SETTINGS), sort_keys=False))
    git(folder, "init", "--quiet", ".")
    git(folder, "add", "--all")
    git(folder, "-c", "user.name=t", "-c", "user.email=t@localhost", "commit", "--quiet", "-m", "as it is")
    return folder


def dvc(folder: Path, *arguments: str, check: bool = True) -> str:
    """Run a command of DVC in a copy, on the copy's own library, and return all that it says."""
    done = subprocess.run(
        [sys.executable, "-m", "dvc", *arguments],
        cwd=folder,
        env=environment(folder),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if check and done.returncode != 0:
        raise RuntimeError(f"dvc {' '.join(arguments)}: exit code {done.returncode}\n{done.stdout[-6000:]}")
    return done.stdout


def environment(folder: Path) -> dict[str, str]:
    """Return the environment in which the copy's own library comes first."""
    return os.environ | {"PYTHONPATH": str(folder / "src")}


def git(folder: Path, *arguments: str) -> str:
    """Run git in ``folder`` and return what it prints."""
    return subprocess.run(["git", *arguments], cwd=folder, check=True, capture_output=True, text=True).stdout


def edit_params(folder: Path, changes: dict) -> None:
    """Change settings of a copy."""
    path = folder / "params.yaml"
    path.write_text(yaml.safe_dump(_merged(yaml.safe_load(path.read_text()), changes), sort_keys=False))


def _merged(values: dict, changes: dict) -> dict:
    inner = {
        key: _merged(values.get(key, {}), change) if isinstance(change, dict) else change
        for key, change in changes.items()
    }
    return values | inner
