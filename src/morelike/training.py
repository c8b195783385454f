"""The one training loop: any model, any device. Budgets are in images seen."""

import copy
import math
import time
from pathlib import Path

import torch
from torch import Tensor

from morelike import checkpoint, devices, examples, progress
from morelike.batches import Batches
from morelike.errors import TrainingError
from morelike.loggers import Loggers
from morelike.models.base import Batch, Form, GenerativeModel, create
from morelike.params import Train
from morelike.randomness import derived_seed
from morelike.shards import ShardStore

WARM_UP_SHARE = 0.03  # of the budget, in which the learning rate rises


def train(
    name: str,
    clean: ShardStore,
    noisy: ShardStore,
    std: list[float],
    common: Train,
    settings: dict,
    seed: int,
    out: Path,
    live: Path,
) -> dict[str, float]:
    """Train the model ``name`` and write it, its history, grids and examples into ``out``.

    Args:
        name: of a file in ``morelike/models``.
        clean: the resized images; ``noisy``: their noisy twins, row for row.
        std: of the train split, per channel, pixels in [0, 1].
        common: what all models share; ``settings``: the model's own section of ``params.yaml``.
        seed: decides the weights at the start, the batches and every draw.
        out: an empty folder; ``live``: a folder for DVCLive and TensorBoard.

    Returns:
        Metrics of the best weights on the val split.

    Raises:
        TrainingError: at the first non-finite value, naming the term, the step and the files.
    """
    fabric = devices.fabric(common.precision)
    torch.manual_seed(derived_seed(seed, "weights", name))
    batches = Batches(clean, noisy, common, seed, name, fabric.device)
    form = Form(*clean.shape, tuple(batches.labels), sigma_data=2 * root_mean_square(std))
    run = Run(fabric, create(name, form, settings), batches, common, settings)
    parameters = sum(p.numel() for p in run.model.parameters())
    progress.say(
        f"{name}: {parameters:,} parameters, {len(batches.train_rows):,} images to learn from, "
        f"{settings['budget_images']:,} to see, on {fabric.device} in {devices.precision(common.precision)}"
    )
    with Loggers(out, live) as loggers:
        run.to_the_end(loggers)
        run.average.load_state_dict(run.best_weights)
        with fabric.autocast():
            run.average.finish(batches.stored())
        examples.log_grids(run.average, batches, fabric, loggers, run.seen)
    checkpoint.save(out, name, run.average)
    measured = examples.write(run.average, batches, fabric, out)
    return {"val_loss": run.best_loss, "best_at_images": run.best_at, "images_seen": run.seen} | measured


class Run:
    """One training run: the model, its moving average, its optimiser, and the best weights so far."""

    def __init__(self, fabric, model: GenerativeModel, batches: Batches, common: Train, settings: dict):
        self.fabric, self.batches, self.common, self.settings = fabric, batches, common, settings
        model = model.to(memory_format=devices.memory_format())
        fused = {"fused": True} if fabric.device.type in ("cuda", "cpu") else {}
        optimizer = torch.optim.AdamW(model.parameters(), lr=settings["learning_rate"], betas=(0.9, 0.99), **fused)
        self.average = copy.deepcopy(model).to(fabric.device).eval().requires_grad_(False)
        self.model, self.optimizer = fabric.setup(torch.compile(model) if common.compile else model, optimizer)
        self.steps = math.ceil(settings["budget_images"] / common.batch_size)
        self.seen, self.best_loss, self.best_at, self.best_weights = 0, math.inf, 0, {}

    def to_the_end(self, loggers: Loggers) -> None:
        """Train until the budget is spent or val has not improved for ``patience`` evaluations."""
        every = max(1, self.common.evaluate_every_images // self.common.batch_size)
        sums, since, evaluations = {}, time.monotonic(), 0
        for step in progress.track(range(self.steps), self.steps, "training"):
            for key, value in self._step(step).items():
                sums[key] = sums.get(key, 0.0) + value
            if (step + 1) % every and step + 1 < self.steps:
                continue
            count = step % every + 1
            speed = count * self.common.batch_size / (time.monotonic() - since)
            self._evaluate(loggers, {key: value / count for key, value in sums.items()}, speed)
            if step + 1 == self.steps or self._patience_is_over():
                return
            if evaluations % self.common.grids_every_evaluations == 0:
                examples.log_grids(self.average, self.batches, self.fabric, loggers, self.seen)
            sums, since, evaluations = {}, time.monotonic(), evaluations + 1

    def _step(self, step: int) -> dict[str, float]:
        batch, rows = self.batches.training(step)
        rate = learning_rate(step, self.steps) * self.settings["learning_rate"]
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        terms = self._gradients(batch)
        norm = self.fabric.clip_gradients(
            self.model, self.optimizer, max_norm=self.common.grad_clip_norm, error_if_nonfinite=False
        )
        values = {key: value.item() for key, value in (terms | {"grad_norm": norm}).items()}
        self._refuse_non_finite(values, step, batch.clean, rows)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        self.seen += len(rows)
        update_average(self.average, self.model, ema_decay(self.common.ema_halflife_images, self.seen, len(rows)))
        return values | {"learning_rate": rate}

    def _gradients(self, batch: Batch) -> dict[str, Tensor]:
        """Add up the gradient of the mean loss over the batch, part by part; return the means of its terms."""
        count, pixels = len(batch.labels), batch.clean[0, 0].numel()
        means: dict[str, Tensor] = {}
        for part in batch.parts(devices.parts_of_batch(self.fabric.device, count, pixels)):
            terms, share = self.model(part), len(part.labels) / count
            self.fabric.backward(terms["loss"] * share / self.average.loss_scale)
            for key, value in terms.items():
                means[key] = means.get(key, 0.0) + value.detach() * share
        return means

    def _evaluate(self, loggers: Loggers, means: dict[str, float], speed: float) -> None:
        val = evaluate(self.average, self.batches, self.fabric)
        kept = ("learning_rate", "grad_norm")
        values = {key if key in kept else f"train_{key}": value for key, value in means.items()}
        values |= {f"val_{key}": value for key, value in val.items()}
        epoch = self.seen / len(self.batches.train_rows)
        loggers.numbers(self.seen, {"epoch": epoch, **values}, speed)
        progress.say(
            f"{self.seen:,} images, epoch {epoch:.1f}: train loss {means['loss']:.4g}, val loss {val['loss']:.4g}, "
            f"gradient norm {means['grad_norm']:.3g}, {speed:.0f} images/s"
        )
        self._refuse_non_finite(
            {f"val {key}": value for key, value in val.items()}, self.seen // self.common.batch_size, None, None
        )
        if val["loss"] < self.best_loss:
            self.best_loss, self.best_at = val["loss"], self.seen
            self.best_weights = {key: value.clone() for key, value in self.average.state_dict().items()}

    def _patience_is_over(self) -> bool:
        waited = self.seen - self.best_at
        return waited >= self.common.patience * self.common.evaluate_every_images

    def _refuse_non_finite(self, values: dict[str, float], step: int, images: Tensor | None, rows) -> None:
        bad = [key for key, value in values.items() if not math.isfinite(value)]
        if not bad:
            return
        epoch = self.seen / len(self.batches.train_rows)
        where = f"epoch {epoch:.2f}, step {step}"
        if rows is None:
            raise TrainingError(f"{bad[0]} is {values[bad[0]]} at {where}. Lower models.*.learning_rate.")
        files = self.batches.files(rows)
        finite = bool(torch.isfinite(images).all())
        cause = (
            "the images are finite, so the weights have diverged: lower models.*.learning_rate or train.grad_clip_norm"
            if finite
            else "the images themselves hold a non-finite value: run `dvc repro -f resize` and see its check"
        )
        raise TrainingError(
            f"{', '.join(f'{key} is {values[key]}' for key in bad)} at {where}: {cause}. "
            f"Files in the batch: {', '.join(sorted(set(files)))}"
        )


@torch.no_grad()
def evaluate(model: GenerativeModel, batches: Batches, fabric) -> dict[str, float]:
    """Return the mean of every term of the loss over the val split."""
    sums, count = {}, 0
    for batch in batches.validation():
        with fabric.autocast():
            terms = model(batch)
        for key, value in terms.items():
            sums[key] = sums.get(key, 0.0) + value.item() * len(batch.labels)
        count += len(batch.labels)
    return {key: value / count for key, value in sums.items()}


@torch.no_grad()
def update_average(average: GenerativeModel, model: torch.nn.Module, decay: float) -> None:
    """Move ``average`` towards ``model``: average = decay · average + (1 − decay) · model."""
    ours, theirs = list(average.parameters()), [p.detach() for p in model.parameters()]
    torch._foreach_lerp_(ours, theirs, 1 - decay)


def ema_decay(halflife_images: float, seen: int, batch_size: int) -> float:
    """Return the decay of one step; the half-life is at most 5% of the images seen so far (Karras et al. 2022, F.2).

    >>> ema_decay(64, 10**6, 64)
    0.5
    """
    halflife = min(halflife_images, 0.05 * seen)
    return 0.5 ** (batch_size / halflife) if halflife > 0 else 0.0


def learning_rate(step: int, steps: int) -> float:
    """Return the share of the peak learning rate: a linear rise, then half a cosine to 0 (Loshchilov and Hutter 2017).

    >>> learning_rate(0, 1000) < 0.05, round(learning_rate(30, 1000), 3), round(learning_rate(999, 1000), 3)
    (True, 1.0, 0.0)
    """
    rise = max(1, round(WARM_UP_SHARE * steps))
    if step < rise:
        return (step + 1) / rise
    return 0.5 * (1 + math.cos(math.pi * (step - rise) / max(1, steps - rise)))


def root_mean_square(values: list[float]) -> float:
    """Return the root mean square of some numbers.

    >>> root_mean_square([3.0, 3.0])
    3.0
    """
    return math.sqrt(sum(value**2 for value in values) / len(values))
