"""Where the numbers and grids of a training run go: ``history.csv``, TensorBoard, and DVCLive where it is installed."""

from pathlib import Path
from types import TracebackType
from typing import Self

import pandas as pd
import torchvision
from torch import Tensor
from torch.utils.tensorboard import SummaryWriter

from morelike import progress

try:
    from dvclive import Live
    from scmrepo.exceptions import SCMError
except ImportError:  # a GPU runner needs no DVC
    Live, SCMError = None, OSError


class Loggers:
    """Log rows of numbers by images seen, and grids of images.

    Args:
        folder: the model's folder, gets ``history.csv`` and ``grids/``; both depend on nothing but the run's inputs.
        live: gets DVCLive's and TensorBoard's files, which carry times.
    """

    def __init__(self, folder: Path, live: Path):
        self.folder, self.rows = Path(folder), []
        (self.folder / "grids").mkdir(parents=True, exist_ok=True)
        Path(live).mkdir(parents=True, exist_ok=True)
        self._tensorboard = SummaryWriter(str(Path(live) / "tensorboard"))
        self._dvclive = _dvclive(Path(live) / "dvclive")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._tensorboard.close()
        if self._dvclive:
            self._dvclive.end()

    def numbers(self, images: int, values: dict[str, float], speed: float) -> None:
        """Log one row; ``speed`` is in images a second and goes to the live logs alone."""
        self.rows.append({"images": images, **values})
        pd.DataFrame(self.rows).to_csv(self.folder / "history.csv", index=False)
        for name, value in {**values, "images_per_s": speed}.items():
            self._tensorboard.add_scalar(name, value, images)
            if self._dvclive:
                self._dvclive.log_metric(name, value)
        if self._dvclive:
            self._dvclive.step = images
            self._dvclive.make_summary()

    def grid(self, images_seen: int, name: str, images: Tensor, columns: int) -> None:
        """Log float N×C×H×W images in [0, 1] as one picture of ``columns`` columns."""
        grid = torchvision.utils.make_grid(images.cpu().clamp(0, 1), nrow=columns, padding=1, pad_value=0.5)
        torchvision.utils.save_image(grid, self.folder / "grids" / f"{name}-{images_seen:09d}.png")
        self._tensorboard.add_image(name, grid, images_seen)


def _dvclive(folder: Path) -> "Live | None":
    if Live is None:
        return None
    try:
        return Live(str(folder), save_dvc_exp=False, dvcyaml=None, report=None, monitor_system=False)
    except SCMError as error:  # a repository without a commit
        progress.say(f"no DVCLive log: {error}; commit once to get one")
        return None
