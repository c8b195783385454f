"""Checkpoints of a training run on disk, from which an interrupted or a prolonged one goes on, bit for bit.

They lie outside the outs, which DVC deletes before a stage runs, in a folder named by all that decides the weights.
"""

import shutil
import time
from pathlib import Path
from typing import Any

from torch import Tensor

from morelike.core import files, progress
from morelike.core.errors import DamagedFile, MorelikeError
from morelike.models import saved
from morelike.train.schedule import Schedule

SECONDS_BETWEEN_SAVES = 30.0
KEPT_RUNS = 4  # per model; the checkpoints of older ones are removed


class Checkpoints:
    """The checkpoints of one run, each a folder ``step-N`` that is whole or not there.

    Kept are the newest, and the last before the cool-down: a run with more budget takes the same steps up to there.

    Args:
        folder: holds all runs of a model.
        decided_by: all that decides the weights except the budget and the patience; as JSON.
        schedule, patience: of this run.
    """

    def __init__(self, folder: Path, decided_by: dict[str, Any], schedule: Schedule, patience: int = 0):
        self.schedule, self.folder = schedule, Path(folder) / files.fingerprint(decided_by)
        self._asked = {"steps": schedule.steps, "patience": patience}
        _remove_oldest(self.folder)
        if self._is_finished():  # asking for the same again means: do it again
            shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True, exist_ok=True)
        self._saved_at = time.monotonic()

    def newest(self) -> tuple[dict[str, Tensor], dict[str, Any]] | None:
        """Return tensors and values of the newest checkpoint that is whole and valid for this budget."""
        for path in reversed(self._all()):
            try:
                about = files.read_json(path / saved.ABOUT, "step", "steps", "cool_down", "sha256")
                of_any_budget = about["step"] <= min(self.schedule.cool_down, about["cool_down"])
                if of_any_budget or about["steps"] == self.schedule.steps:
                    return saved.tensors(path), about
            except (MorelikeError, FileNotFoundError, TypeError):
                progress.say(f"{path}: a damaged checkpoint; what it would have saved is trained again")
                shutil.rmtree(path, ignore_errors=True)
        return None

    def save(self, step: int, tensors: dict[str, Tensor], values: dict[str, Any]) -> None:
        """Write the state after ``step`` steps, and remove the older ones that are of no use any more."""
        path = self.folder / f"step-{step:09d}"
        about = values | {"step": step, "steps": self.schedule.steps, "cool_down": self.schedule.cool_down}
        with files.written_aside(path) as aside:
            saved.write(aside, tensors, about)
        self._remove_all_but(path, self._last_before_cool_down())
        self._saved_at = time.monotonic()

    def is_due(self) -> bool:
        """Tell whether the last checkpoint is so old that a kill would lose too much."""
        return time.monotonic() - self._saved_at > SECONDS_BETWEEN_SAVES

    def finish(self) -> None:
        """Keep only the checkpoint that a run with more budget can go on from."""
        files.write_json(self.folder / "finished.json", self._asked)
        self._remove_all_but(self._last_before_cool_down())

    def _all(self) -> list[Path]:
        return sorted(self.folder.glob("step-*"))

    def _last_before_cool_down(self) -> Path | None:
        last = f"step-{self.schedule.cool_down:09d}"
        return max((path for path in self._all() if path.name <= last), default=None)

    def _remove_all_but(self, *kept: Path | None) -> None:
        for path in self._all():
            if path not in kept:
                shutil.rmtree(path)

    def _is_finished(self) -> bool:
        path = self.folder / "finished.json"
        if not path.exists():
            return False
        try:
            done = files.read_json(path, *self._asked)
            return all(asked <= done[name] for name, asked in self._asked.items())
        except (DamagedFile, TypeError):
            return True  # of an unknown budget: begin anew


def say_where(about: dict[str, Any], batch_size: int) -> None:
    """Say that a run goes on, and from where."""
    share = about["step"] / about["steps"]
    progress.say(f"goes on after {about['step'] * batch_size:,} images, {share:.0%} of the run that was stopped")


def _remove_oldest(mine: Path) -> None:
    others = sorted((path for path in mine.parent.glob("*") if path != mine), key=lambda path: path.stat().st_mtime)
    for path in others[: max(0, len(others) - KEPT_RUNS + 1)]:
        shutil.rmtree(path, ignore_errors=True)
