"""Train one model on images: what is learned from, and what is written of it."""

from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from math import isfinite, sqrt
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning_fabric import Fabric
from torch import Tensor

from morelike.core import code, devices, files, progress
from morelike.core.randomness import derived_seed
from morelike.images.noise import Recipes
from morelike.models import registry, saved
from morelike.models.base import Batch, ImageModel, ImageSpec, ModelSettings, Outcome
from morelike.storage.shards import ShardStore
from morelike.train import checks, examples
from morelike.train.batches import Batches, label_names
from morelike.train.checkpoints import Checkpoints, say_where
from morelike.train.loggers import Loggers, Silent
from morelike.train.schedule import Schedule, schedule
from morelike.train.settings import Train
from morelike.train.trainer import Trainer

NOT_OF_THE_WEIGHTS = {
    "models",
    "base",
    "models_on_base",
    "patience",
    "grids_every_evaluations",
    "checks",
}  # of ``train``


@dataclass(frozen=True)
class ImageTraining:
    """What is to be trained, on which images, and how.

    Attributes:
        model: of a file in ``morelike/models``.
        clean: the resized images; ``noisy``: their noisy twins, row for row, on which restoring is measured.
        recipes: of the noise of the fresh twins that training learns from.
        std: of the train split, per channel, pixels in [0, 1].
        common: what all models share; ``settings``: the model's own section of ``params.yaml``.
        seed: decides the weights at the start, the batches and every draw.
        base: the folder of the trained model that this one builds on, if it needs one.
    """

    model: str
    clean: ShardStore
    noisy: ShardStore
    recipes: Recipes
    std: list[float]
    common: Train
    settings: ModelSettings
    seed: int
    base: Path | None = None

    @property
    def schedule(self) -> Schedule:
        """The learning rate over the steps of this budget."""
        common = self.common
        return schedule(self.settings.budget_images, common.batch_size, common.warmup_images, common.cooldown_share)

    @property
    def has_several_players(self) -> bool:
        """Whether the model says more of its optimisers than that there is one."""
        return registry.module_of(self.model).Model.players is not ImageModel.players

    def trainer(self, fabric: Fabric) -> Trainer:
        """Return a fresh trainer: random weights, nothing seen.

        Raises:
            ModelError: there is no such model, or the base does not fit.
        """
        base = saved.load(self.base).requires_grad_(False) if self.base else None
        torch.manual_seed(derived_seed(self.seed, "weights", self.model))
        labels = tuple(label_names(self.clean))
        spec = ImageSpec(*self.clean.shape, labels, sigma_data=2 * root_mean_square(self.std))
        model = registry.create(self.model, spec, self.settings, base)
        source = self.clean, self.noisy, self.common, self.seed, self.model, fabric.device
        images = Images(Batches(*source, self.recipes, model.twin_share))
        return Trainer(fabric, model, images, self.common, self.schedule)

    def decided_by(self, precision: str) -> dict[str, Any]:
        """Return all that decides the weights, but for the budget and the patience."""
        return {
            "model": self.model,
            "common": self.common.model_dump(exclude=NOT_OF_THE_WEIGHTS),
            "settings": self.settings.model_dump(exclude={"budget_images"}),
            "seed": self.seed,
            "std": self.std,
            "recipes": {name: [step.model_dump() for step in steps] for name, steps in self.recipes.items()},
            "stores": [self.clean.digest(), self.noisy.digest()],
            "base": saved.checksum(self.base) if self.base else None,
            "precision": precision,
            "torch": torch.__version__,
            "code": code.digest(__name__, f"morelike.models.{self.model}"),
        }


class Images:
    """The train and val images, as the trainer asks for them (:class:`morelike.train.subject.Subject`)."""

    def __init__(self, batches: Batches):
        self.batches, self.name, self.seed = batches, batches.purpose, batches.seed
        self.epoch = len(batches.train_rows)

    def training(self, step: int) -> tuple[Batch, np.ndarray]:
        """Return the batch of a step, augmented, and the rows that it came from."""
        return self.batches.training(step)

    def validation(self) -> Iterable[Batch]:
        """Yield images of the val split, always the same."""
        return self.batches.validation()

    def in_parts(self, batch: Batch, processes: int, rank: int) -> Sequence[Batch]:
        """Cut this process's share of a batch so that large images go through a network in little memory."""
        mine = batch.cut(processes)[rank]
        return mine.cut(devices.parts_of_batch(self.batches.device, len(mine), mine.images[0, 0].numel()))

    def measured(self, part: Batch, outcome: Outcome, network: ImageModel) -> dict[str, Tensor]:
        """Return what is watched of a model of images."""
        return checks.measured(part, outcome, network)

    def unusable(self, batch: Batch) -> list[int]:
        """Return the places in a batch at which an image holds a non-finite value."""
        return checks.non_finite_rows(batch)

    def files(self, rows: np.ndarray) -> list[str]:
        """Return the raw files that rows came from."""
        return self.batches.files(rows)

    def show(self, average: ImageModel, fabric: Fabric, loggers: Loggers, seen: int) -> None:
        """Log grids of restored and new images."""
        examples.log_grids(average, self.batches, fabric, loggers, seen)


def train(task: ImageTraining, out: Path, live: Path, state: Path) -> dict[str, float] | None:
    """Train a model and write it, its history, grids and examples to ``out``, whole or not at all.

    A run that was interrupted goes on from its last checkpoint; so does a finished one that is asked for more. Either
    way the weights are those of a run without a stop, bit for bit on a CPU.

    Args:
        task: what is trained.
        out: gets the model; its best weights, and in ``last/`` the last.
        live: gets the files of DVCLive and TensorBoard, which carry times.
        state: a folder for the checkpoints of runs.

    Returns:
        Metrics of the best weights on the val split; None in all processes but the first.

    Raises:
        TrainingFault: at the first value that a check refuses, naming the cause, the place and the files.
        KeyboardInterrupt: on SIGINT or SIGTERM, after the state is saved.
    """
    fabric = devices.fabric(task.common.precision, task.common.batch_size, losses=1 + task.has_several_players)
    if not fabric.is_global_zero:
        progress.mute()
    precision = devices.precision(task.common.precision)
    trainer = task.trainer(fabric)
    batches = trainer.subject.batches
    runs = state / "train" / task.model
    checkpoints = Checkpoints(runs, task.decided_by(precision), trainer.schedule, task.common.patience)
    parameters = sum(p.numel() for p in trainer.plain.parameters())
    progress.say(
        f"{task.model}: {parameters:,} parameters, {trainer.subject.epoch:,} images to learn from, "
        f"{task.settings.budget_images:,} to see, on {fabric.device} in {precision}"
        + (f", {fabric.world_size} processes" if fabric.world_size > 1 else "")
    )
    if found := fabric.broadcast(checkpoints.newest() if fabric.is_global_zero else None):
        trainer.restore(*found)
        say_where(found[1], task.common.batch_size)
    with ExitStack() as stack:
        stack.callback(batches.close)
        loggers = Loggers(checkpoints.folder, live, trainer.seen) if fabric.is_global_zero else Silent()
        stack.enter_context(loggers)
        loggers.numbers(trainer.history)
        trainer.to_the_end(loggers, checkpoints)
        if not fabric.is_global_zero:
            return None
        measured = write(task.model, trainer, loggers, out)
        checkpoints.finish()
    return measured


def write(name: str, trainer: Trainer, loggers: Loggers, out: Path) -> dict[str, float]:
    """Write the best and the last weights of a run, and what it makes of the val split; return its metrics."""
    average, batches, fabric = trainer.average, trainer.subject.batches, trainer.fabric
    with files.written_aside(out) as aside:
        loggers.move_to(aside)
        saved.save(aside / "last", name, average)
        trainer.keep_best()
        with fabric.autocast():
            average.finish(batches.stored())
        examples.log_grids(average, batches, fabric, loggers, trainer.seen)
        examples.log_latents(average, batches, fabric, loggers, trainer.seen)
        saved.save(aside, name, average)
        measured = _score(trainer) | {"images_seen": trainer.seen} | examples.write(average, batches, fabric, aside)
        files.write_json(aside / "checks.json", trainer.watch.lines())
        files.write_json(aside / "metrics.json", measured)
    return measured


def _score(trainer: Trainer) -> dict[str, float]:
    """Return the metric that picked the weights, and where; nothing for a model that keeps its last ones."""
    if not isfinite(trainer.best_score):
        return {}
    return {f"val_{trainer.plain.best_by}": trainer.best_score, "best_at_images": trainer.best_at}


def root_mean_square(values: list[float]) -> float:
    """Return the root mean square of some numbers.

    >>> root_mean_square([3.0, 3.0])
    3.0
    """
    return sqrt(sum(value**2 for value in values) / len(values))
