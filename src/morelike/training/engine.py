"""Train one model: set up, run the loop, and write what came of it."""

import hashlib
from contextlib import ExitStack
from dataclasses import dataclass
from math import sqrt
from pathlib import Path
from typing import Any

import torch
from lightning_fabric import Fabric

from morelike import checkpoint, devices, files, progress
from morelike.models.base import Form, create
from morelike.params import Train
from morelike.randomness import derived_seed
from morelike.shards import ShardStore
from morelike.training import examples
from morelike.training.batches import Batches
from morelike.training.loggers import Loggers, Silent
from morelike.training.loop import Run
from morelike.training.schedule import Schedule, schedule
from morelike.training.states import States, say_where

LIBRARY = Path(__file__).resolve().parents[1]
NOT_OF_THE_WEIGHTS = {"patience", "grids_every_evaluations", "checks"}  # of ``train``


@dataclass(frozen=True)
class Task:
    """What is to be trained, on what, and how.

    Attributes:
        model: of a file in ``morelike/models``.
        clean: the resized images; ``noisy``: their noisy twins, row for row.
        std: of the train split, per channel, pixels in [0, 1].
        common: what all models share; ``settings``: the model's own section of ``params.yaml``.
        seed: decides the weights at the start, the batches and every draw.
    """

    model: str
    clean: ShardStore
    noisy: ShardStore
    std: list[float]
    common: Train
    settings: dict[str, Any]
    seed: int

    @property
    def schedule(self) -> Schedule:
        """The learning rate over the steps of this budget."""
        common = self.common
        budget = self.settings["budget_images"]
        return schedule(budget, common.batch_size, common.warmup_images, common.cooldown_share)

    def run(self, fabric: Fabric) -> Run:
        """Return a fresh run: random weights, nothing seen."""
        torch.manual_seed(derived_seed(self.seed, "weights", self.model))
        batches = Batches(self.clean, self.noisy, self.common, self.seed, self.model, fabric.device)
        form = Form(*self.clean.shape, tuple(batches.labels), sigma_data=2 * root_mean_square(self.std))
        model = create(self.model, form, self.settings)
        return Run(fabric, model, batches, self.common, self.schedule, self.settings["learning_rate"])

    def decided_by(self, precision: str) -> dict[str, Any]:
        """Return all that decides the weights, but for the budget and the patience."""
        return {
            "model": self.model,
            "common": self.common.model_dump(exclude=NOT_OF_THE_WEIGHTS),
            "settings": {key: value for key, value in self.settings.items() if key != "budget_images"},
            "seed": self.seed,
            "std": self.std,
            "stores": [self.clean.digest(), self.noisy.digest()],
            "precision": precision,
            "torch": torch.__version__,
            "code": code_digest(),
        }


def train(task: Task, out: Path, live: Path, state: Path) -> dict[str, float] | None:
    """Train a model and write it, its history, grids and examples to ``out``, whole or not at all.

    A run that was interrupted goes on from its last state; so does a finished one that is asked for more. Either
    way the weights are those of a run without a stop, bit for bit on a CPU.

    Args:
        task: what is trained.
        out: gets the model; its best weights, and in ``last/`` the last.
        live: gets the files of DVCLive and TensorBoard, which carry times.
        state: a folder for the states of runs.

    Returns:
        Metrics of the best weights on the val split; None in all processes but the first.

    Raises:
        TrainingFault: at the first value that a check refuses, naming the cause, the place and the files.
        KeyboardInterrupt: on SIGINT or SIGTERM, after the state is saved.
    """
    fabric = devices.fabric(task.common.precision, task.common.batch_size)
    if not fabric.is_global_zero:
        progress.mute()
    precision = devices.precision(task.common.precision)
    run = task.run(fabric)
    states = States(state / "train" / task.model, task.decided_by(precision), run.schedule, task.common.patience)
    parameters = sum(p.numel() for p in run.plain.parameters())
    progress.say(
        f"{task.model}: {parameters:,} parameters, {len(run.batches.train_rows):,} images to learn from, "
        f"{task.settings['budget_images']:,} to see, on {fabric.device} in {precision}"
        + (f", {fabric.world_size} processes" if fabric.world_size > 1 else "")
    )
    if found := fabric.broadcast(states.newest() if fabric.is_global_zero else None):
        run.restore(*found)
        say_where(found[1], task.common.batch_size)
    with ExitStack() as stack:
        stack.callback(run.batches.close)
        loggers = Loggers(states.folder, live, run.seen) if fabric.is_global_zero else Silent()
        stack.enter_context(loggers)
        loggers.numbers(run.history)
        run.to_the_end(loggers, states)
        if not fabric.is_global_zero:
            return None
        measured = write(task.model, run, loggers, out)
        states.finish()
    return measured


def write(name: str, run: Run, loggers: Loggers, out: Path) -> dict[str, float]:
    """Write the best and the last weights of a run, and what it makes of the val split; return its metrics."""
    with files.written_aside(out) as aside:
        loggers.move_to(aside)
        checkpoint.save(aside / "last", name, run.average)
        run.average.load_state_dict(run.best_weights)
        with run.fabric.autocast():
            run.average.finish(run.batches.stored())
        examples.log_grids(run.average, run.batches, run.fabric, loggers, run.seen)
        examples.log_codes(run.average, run.batches, run.fabric, loggers, run.seen)
        checkpoint.save(aside, name, run.average)
        restored = examples.write(run.average, run.batches, run.fabric, aside)
        measured = {"val_loss": run.best_loss, "best_at_images": run.best_at, "images_seen": run.seen} | restored
        files.write_json(aside / "checks.json", run.watch.lines())
        files.write_json(aside / "metrics.json", measured)
    return measured


def code_digest() -> str:
    """Return the sha256 of the library's code that weights depend on: what this package and the models import."""
    sources = [*sorted(LIBRARY.glob("training/*.py")), *sorted(LIBRARY.glob("models/*.py"))]
    sources += [LIBRARY / name for name in ("augment.py", "devices.py", "randomness.py", "shards.py")]
    return hashlib.sha256(b"".join(path.read_bytes() for path in sources)).hexdigest()


def root_mean_square(values: list[float]) -> float:
    """Return the root mean square of some numbers.

    >>> root_mean_square([3.0, 3.0])
    3.0
    """
    return sqrt(sum(value**2 for value in values) / len(values))
