"""The one training loop: any model, any device, any number of processes. Budgets are in images seen."""

import copy
import math
import time
from functools import partial
from typing import Any

import torch
from lightning_fabric import Fabric
from torch import Tensor

from morelike import devices, progress
from morelike.models.base import Batch, GenerativeModel
from morelike.params import Train
from morelike.randomness import derived_seed
from morelike.training import checks, examples
from morelike.training.batches import Batches
from morelike.training.interruption import Interruption
from morelike.training.loggers import Loggers
from morelike.training.schedule import Schedule, ema_decay
from morelike.training.states import States

INTERRUPTED = "largest_interruption"  # 1 where any process is to stop
NOT_LOGGED = ("largest_excess", INTERRUPTED)
NOT_OF_A_SPLIT = ("learning_rate", "grad_norm")


class Run:
    """One training run: the model, its moving average, its optimiser, and the best weights so far.

    All that changes in it is in :meth:`state`; batches, noise and dropout are pure functions of seed and step.
    """

    def __init__(
        self,
        fabric: Fabric,
        model: GenerativeModel,
        batches: Batches,
        common: Train,
        schedule: Schedule,
        learning_rate: float,
    ):
        self.fabric, self.batches, self.common = fabric, batches, common
        self.schedule, self.peak_rate = schedule, learning_rate
        self.plain = model.to(memory_format=devices.memory_format(common.precision))
        if common.compile:
            devices.compile_parts(self.plain, fabric.device)
        self.scaler = getattr(fabric.strategy.precision, "scaler", None)  # of 16-bit gradients
        fused = True if fabric.device.type in ("cuda", "cpu") and not self.scaler else None  # it would unscale itself
        optimizer = torch.optim.AdamW(model.parameters(), lr=learning_rate, betas=(0.9, 0.99), fused=fused)
        self.average = copy.deepcopy(self.plain).to(fabric.device).eval().requires_grad_(False)
        self.model, self.optimizer = fabric.setup(self.plain, optimizer)
        self.watch = checks.Watch(common.checks, model.loss_scale, len(batches.train_rows))
        self.step, self.history, self.sums = 0, [], {}
        self.best_loss, self.best_at, self.best_weights = math.inf, 0, {}

    @property
    def seen(self) -> int:
        """The images seen so far."""
        return self.step * self.common.batch_size

    def to_the_end(self, loggers: Loggers, states: States) -> None:
        """Train until the budget is spent or val has not improved for ``patience`` evaluations.

        Raises:
            KeyboardInterrupt: on SIGINT or SIGTERM, after the state is saved.
        """
        every = max(1, self.common.evaluate_every_images // self.common.batch_size)
        first_epoch = math.ceil(len(self.batches.train_rows) / self.common.batch_size)
        if self.watch.first_val_loss is None:
            self.watch.evaluation(evaluate(self.average, self.batches, self.fabric)["loss"], 0)
        total = self.schedule.steps * self.common.batch_size
        with Interruption() as interruption, progress.Meter("training", total, self.seen) as meter:
            since, first = time.monotonic(), self.step
            while self.step < self.schedule.steps and not self._patience_is_over():
                if self.step == self.schedule.cool_down:
                    self._save(states)
                values = self.advance(interruption.asked)
                if self.step == first_epoch:
                    self._grids(loggers)
                meter.advance(self.common.batch_size, {key: values[key] for key in values if is_term(key)})
                if self.step % every == 0 or self.step == self.schedule.steps:
                    speed = (self.step - first) * self.common.batch_size / (time.monotonic() - since)
                    self._evaluate(loggers, speed)
                    since, first = time.monotonic(), self.step
                if states.is_due() or values[INTERRUPTED]:
                    self._save(states)
                if values[INTERRUPTED]:
                    progress.say(f"interrupted after {self.seen:,} images; run it again to go on from here")
                    raise KeyboardInterrupt
        if self.step <= self.schedule.cool_down:  # a run with more budget goes on from here
            self._save(states)

    def advance(self, interrupted: bool = False) -> dict[str, float]:
        """Take one step, and return its values; ``largest_interruption`` is 1 if any process is ``interrupted``.

        Raises:
            TrainingFault: before the weights are touched.
        """
        batch, rows = self.batches.training(self.step)
        torch.manual_seed(derived_seed(self.batches.seed, "dropout", self.batches.purpose, self.step))
        rate = self.schedule(self.step) * self.peak_rate
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        values = self.gradients(batch, interrupted)
        self._judge(values, batch, rows)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        self.step += 1
        decay = ema_decay(self.common.ema_halflife_images, self.seen, self.common.batch_size)
        update_average(self.average, self.plain, decay)
        values["learning_rate"] = rate
        for key, value in values.items():
            self.sums[key] = self.sums.get(key, 0.0) + value
        self.sums["steps"] = self.sums.get("steps", 0) + 1
        return values

    def state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Return all that changes while training, as tensors and as JSON."""
        tensors = {f"model/{key}": value for key, value in self.plain.state_dict().items()}
        tensors |= {f"average/{key}": value for key, value in self.average.state_dict().items()}
        tensors |= {f"best/{key}": value for key, value in self.best_weights.items()}
        for number, of_one in self.optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer/{number}/{key}": value for key, value in of_one.items()}
        values = {
            "best_loss": self.best_loss if self.best_weights else None,
            "best_at": self.best_at,
            "history": self.history,
            "sums": self.sums,
            "watch": self.watch.state(),
            "scaler": self.scaler.state_dict() if self.scaler else None,
        }
        return tensors, values

    def restore(self, tensors: dict[str, Tensor], values: dict[str, Any]) -> None:
        """Go on from :meth:`state`; ``values`` also holds the step."""
        self.plain.load_state_dict(_under("model/", tensors))
        self.average.load_state_dict(_under("average/", tensors))
        self.best_weights = {key: value.to(self.fabric.device) for key, value in _under("best/", tensors).items()}
        moments: dict[int, dict[str, Tensor]] = {}
        for key, value in _under("optimizer/", tensors).items():
            number, name = key.split("/")
            moments.setdefault(int(number), {})[name] = value
        self.optimizer.load_state_dict({**self.optimizer.state_dict(), "state": moments})
        for parameter, state in self.optimizer.optimizer.state.items():  # in its memory format: others round otherwise
            state.update({k: torch.empty_like(parameter).copy_(v) for k, v in state.items() if v.dim()})
        if self.scaler:
            self.scaler.load_state_dict(values["scaler"])
        self.step, self.best_at, self.history, self.sums = (
            values[name] for name in ("step", "best_at", "history", "sums")
        )
        self.best_loss = math.inf if values["best_loss"] is None else values["best_loss"]
        self.watch.restore(values["watch"])

    def _save(self, states: States) -> None:
        if self.fabric.is_global_zero:
            states.save(self.step, *self.state())

    def gradients(self, batch: Batch, interrupted: bool = False) -> dict[str, float]:
        """Add up the gradient of the mean loss over the batch, part by part and process by process, and clip it.

        Returns:
            The terms of the loss, what is watched, the gradient's norm, and ``largest_interruption``.
        """
        mine = batch.cut(self.fabric.world_size)[self.fabric.global_rank]
        parts = in_parts(mine, self.fabric)
        sums: dict[str, Tensor] = {}
        for number, part in enumerate(parts, 1):
            share = len(part) / len(mine)
            with self.fabric.no_backward_sync(self.model, enabled=number < len(parts)):
                outcome = self.model(part)
                self.fabric.backward(outcome.terms["loss"] * share / self.plain.loss_scale)
            terms = outcome.terms | checks.measured(part, outcome, self.plain)
            for key, value in terms.items():
                sums[key] = _joined(key, sums.get(key), value.detach(), share)
        sums["grad_norm"] = self.fabric.clip_gradients(
            self.model, self.optimizer, max_norm=self.common.grad_clip_norm, error_if_nonfinite=False
        )
        sums[INTERRUPTED] = torch.tensor(float(interrupted), device=self.fabric.device)
        return dict(zip(sums, self._over_processes(sums), strict=True))

    def _over_processes(self, sums: dict[str, Tensor]) -> list[float]:
        """Return means over the processes, and the largest of what is named so, in one transfer from the device."""
        stacked = torch.stack([value.float() for value in sums.values()])
        if self.fabric.world_size > 1:
            means = self.fabric.all_reduce(stacked.clone(), reduce_op="mean")
            largest = self.fabric.all_reduce(stacked.clone(), reduce_op="max")
            of_largest = torch.tensor([key.startswith("largest_") for key in sums], device=stacked.device)
            stacked = torch.where(of_largest, largest, means)
        return stacked.tolist()

    def _judge(self, values: dict[str, float], batch: Batch, rows) -> None:
        files = partial(self.batches.files, rows)
        overflow = self.scaler is not None and math.isfinite(values["loss"]) and not math.isfinite(values["grad_norm"])
        self.watch.overflows = self.watch.overflows + 1 if overflow else 0
        if overflow:  # the scaler leaves this step out and takes a smaller scale
            values["grad_norm"] = 0.0
        self.watch.refuse_non_finite(values, batch, self.plain, self.seen, files)
        self.watch.step(values, self.seen, files)

    def _evaluate(self, loggers: Loggers, speed: float) -> None:
        count = self.sums.pop("steps")
        means = {key: value / count for key, value in self.sums.items() if key not in NOT_LOGGED}
        self.sums = {}
        val = evaluate(self.average, self.batches, self.fabric)
        values = {key if key in NOT_OF_A_SPLIT else f"train_{key}": value for key, value in means.items()}
        values |= {f"val_{key}": value for key, value in val.items() if key not in NOT_LOGGED}
        epoch = self.seen / len(self.batches.train_rows)
        self.watch.refuse_non_finite(val, None, self.average, self.seen, list)
        self.watch.evaluation(val["loss"], self.seen)
        self.history.append({"images": self.seen, "epoch": epoch, **values})
        loggers.numbers(self.history, speed)
        progress.say(
            f"{self.seen:,} images, epoch {epoch:.1f}: train loss {means['loss']:.4g}, val loss {val['loss']:.4g}, "
            f"gradient norm {means['grad_norm']:.3g}, {speed:.0f} images/s"
        )
        if val["loss"] < self.best_loss:
            self.best_loss, self.best_at = val["loss"], self.seen
            self.best_weights = {key: value.clone() for key, value in self.average.state_dict().items()}
        if (len(self.history) - 1) % self.common.grids_every_evaluations == 0:
            self._grids(loggers)

    def _grids(self, loggers: Loggers) -> None:
        if self.fabric.is_global_zero:
            examples.log_grids(self.average, self.batches, self.fabric, loggers, self.seen)

    def _patience_is_over(self) -> bool:
        evaluated = self.history[-1]["images"] if self.history else 0
        return evaluated - self.best_at >= self.common.patience * self.common.evaluate_every_images


@torch.no_grad()
def evaluate(model: GenerativeModel, batches: Batches, fabric: Fabric) -> dict[str, float]:
    """Return the mean of every term of the loss over the val split, and what is watched."""
    sums: dict[str, Tensor] = {}
    count = 0
    for batch in batches.validation():
        for part in in_parts(batch, fabric):
            with fabric.autocast():
                outcome = model(part)
            for key, value in (outcome.terms | checks.measured(part, outcome, model)).items():
                sums[key] = _joined(key, sums.get(key), value, len(part))
            count += len(part)
    return {key: (value if key.startswith("largest_") else value / count).item() for key, value in sums.items()}


def in_parts(batch: Batch, fabric: Fabric) -> list[Batch]:
    """Cut a batch of large images so that it goes through a network in little memory."""
    return batch.cut(devices.parts_of_batch(fabric.device, len(batch), batch.clean[0, 0].numel()))


@torch.no_grad()
def update_average(average: GenerativeModel, model: torch.nn.Module, decay: float) -> None:
    """Move ``average`` towards ``model``: average = decay · average + (1 − decay) · model."""
    ours, theirs = list(average.parameters()), [p.detach() for p in model.parameters()]
    torch._foreach_lerp_(ours, theirs, 1 - decay)


def is_term(key: str) -> bool:
    """Tell whether a value of a step is a term of the loss."""
    return not key.startswith("largest_") and key not in (*checks.OF_ANY_MODEL, *NOT_LOGGED, *NOT_OF_A_SPLIT)


def _joined(key: str, before: Tensor | None, value: Tensor, share: float) -> Tensor:
    """Join a value of one part of the images with that of the parts before: the largest, or the mean by shares."""
    if key.startswith("largest_"):
        return value if before is None else torch.maximum(before, value)
    return value * share if before is None else before + value * share


def _under(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {key.removeprefix(prefix): value for key, value in tensors.items() if key.startswith(prefix)}
