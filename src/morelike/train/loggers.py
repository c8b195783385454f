"""Where the numbers and grids of a training run go: ``history.csv``, TensorBoard, and DVCLive where it is installed."""

import shutil
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pandas as pd
import torchvision
from torch import Tensor
from torch.utils.tensorboard import SummaryWriter

from morelike.core import progress
from morelike.storage import tables

try:
    from dvclive import Live
    from scmrepo.exceptions import SCMError
except ImportError:  # a GPU runner needs no DVC
    Live, SCMError = None, OSError


class Loggers:
    """Log rows of numbers by images seen, and grids of images.

    Args:
        folder: gets ``history.csv`` and ``grids/``, which depend on nothing but the run's inputs.
        live: gets DVCLive's and TensorBoard's files, which carry times.
        images_seen: by the run so far; grids of later ones, from before it was stopped, are removed.
    """

    def __init__(self, folder: Path, live: Path, images_seen: int = 0):
        self.folder = Path(folder)
        (self.folder / "grids").mkdir(parents=True, exist_ok=True)
        for path in (self.folder / "grids").iterdir():
            if int(path.stem.rpartition("-")[2]) > images_seen:
                path.unlink()
        Path(live).mkdir(parents=True, exist_ok=True)
        self._tensorboard = SummaryWriter(str(Path(live) / "tensorboard"))
        self._dvclive = _dvclive(Path(live) / "dvclive")
        self._logged = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._tensorboard.close()
        if self._dvclive:
            self._dvclive.end()

    def numbers(self, history: list[dict[str, float]], speed: float | None = None) -> None:
        """Log what is new in the ``history`` of a run, a row per evaluation with the ``images`` seen.

        ``speed`` is in images per second and goes to the live logs alone.
        """
        if not history:
            return
        tables.write_csv(self.folder / "history.csv", pd.DataFrame(history))
        for row in history[self._logged :]:
            self._live(dict(row), speed)
        self._logged = len(history)

    def move_to(self, folder: Path) -> None:
        """Copy what is logged so far to ``folder``, and go on there."""
        shutil.copytree(self.folder / "grids", folder / "grids")
        shutil.copyfile(self.folder / "history.csv", folder / "history.csv")
        self.folder = folder

    def grid(self, images_seen: int, name: str, images: Tensor, columns: int) -> None:
        """Log float N×C×H×W images in [0, 1] as one picture of ``columns`` columns."""
        grid = torchvision.utils.make_grid(images.cpu().clamp(0, 1), nrow=columns, padding=1, pad_value=0.5)
        torchvision.utils.save_image(grid, self.folder / "grids" / f"{name}-{images_seen:09d}.png")
        self._tensorboard.add_image(name, grid, images_seen)

    def embedding(self, images_seen: int, latents: Tensor, labels: list[str], images: Tensor) -> None:
        """Log latents, N×L, with their labels and float N×C×H×W images, for TensorBoard's projector."""
        self._tensorboard.add_embedding(latents, labels, images.cpu().clamp(0, 1), images_seen, tag="latents")

    def _live(self, row: dict[str, float], speed: float | None) -> None:
        images = row.pop("images")
        if self._dvclive:
            self._dvclive.step = images
        for name, value in (row | ({} if speed is None else {"images_per_s": speed})).items():
            self._tensorboard.add_scalar(name, value, images)
            if self._dvclive:
                self._dvclive.log_metric(name, value)
        if self._dvclive:
            self._dvclive.make_summary()


class Silent:
    """Stands for :class:`Loggers` in all processes but the first."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: Any) -> None:
        """Nothing is open."""

    def numbers(self, history: list[dict[str, float]], speed: float | None = None) -> None:
        """Log nothing."""


def _dvclive(folder: Path) -> "Live | None":
    if Live is None:
        return None
    try:
        return Live(str(folder), save_dvc_exp=False, dvcyaml=None, report=None, monitor_system=False)
    except SCMError as error:  # a repository without a commit
        progress.say(f"no DVCLive log: {error}; commit once to get one")
        return None
