"""The one trainer: any network, any number of named optimisers, any device, any number of processes.

It knows steps, precision, the moving average, checkpoints, checks, signals and processes. What is learned from, and
what is shown of it, it asks of a :class:`Subject`; ``morelike/train/images.py`` is the one of images.
"""

import copy
import math
import time
from collections.abc import Sequence
from functools import partial
from typing import Any

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from morelike.core import devices, progress
from morelike.core.randomness import derived_seed
from morelike.models.base import Player
from morelike.train import checks
from morelike.train.checkpoints import Checkpoints
from morelike.train.errors import TrainingError
from morelike.train.interruption import Interruption
from morelike.train.loggers import Loggers
from morelike.train.schedule import Schedule, ema_decay
from morelike.train.settings import Train
from morelike.train.subject import Subject

INTERRUPTED = "largest_interruption"  # 1 where any process is to stop
NOT_LOGGED = ("largest_excess", INTERRUPTED)
NOT_OF_A_SPLIT = ("learning_rate", "grad_norm")


class Trainer:
    """One training run: the network, its moving average, its optimisers, and the best weights so far.

    All that changes in it is in :meth:`state`; batches, noise and dropout are pure functions of seed and step.

    Args:
        fabric: the device and the precision.
        network: has ``players``, ``evaluate``, ``loss_scale`` and ``best_by``, which
            :class:`morelike.models.base.ImageModel` explains.
        subject: what the network learns from.
        common: what the training of all models shares.
        schedule: the learning rate over the steps.
    """

    def __init__(self, fabric: Fabric, network: nn.Module, subject: Subject, common: Train, schedule: Schedule):
        self.fabric, self.subject, self.common, self.schedule = fabric, subject, common, schedule
        self.plain = network.to(memory_format=devices.memory_format(common.precision))
        if common.compile:
            devices.compile_parts(self.plain, fabric.device)
        self.scaler = getattr(fabric.strategy.precision, "scaler", None)  # of 16-bit gradients
        self.players = network.players()
        optimizers = [self._adamw(player) for player in self.players]
        self.average = copy.deepcopy(self.plain).to(fabric.device).eval().requires_grad_(False)
        self.network, *self.optimizers = fabric.setup(self.plain, *optimizers)
        self.watch = checks.Watch(common.checks, network.loss_scale, subject.epoch)
        self.step, self.history, self.sums = 0, [], {}
        self.best_score, self.best_at, self.best_weights = math.inf, 0, {}

    def _adamw(self, player: Player) -> torch.optim.Optimizer:
        fused = self.fabric.device.type in ("cuda", "cpu") and not self.scaler  # it would unscale itself
        chosen = {"lr": player.learning_rate, "betas": player.betas, "weight_decay": player.weight_decay}
        return torch.optim.AdamW(player.parameters, **chosen, fused=fused or None)

    @property
    def seen(self) -> int:
        """The examples seen so far."""
        return self.step * self.common.batch_size

    def to_the_end(self, loggers: Loggers, checkpoints: Checkpoints) -> None:
        """Train until the budget is spent or val has not improved for ``patience`` evaluations.

        Raises:
            TrainingFault: at the first value that a check refuses.
            KeyboardInterrupt: on SIGINT or SIGTERM, after the state is saved.
        """
        every = max(1, self.common.evaluate_every_images // self.common.batch_size)
        first_epoch = math.ceil(self.subject.epoch / self.common.batch_size)
        if self.watch.first_val_loss is None:
            self.watch.evaluation(evaluate(self.average, self.subject, self.fabric).get("loss"), 0)
        total = self.schedule.steps * self.common.batch_size
        with Interruption() as interruption, progress.Meter("training", total, self.seen) as meter:
            since, first = time.monotonic(), self.step
            while self.step < self.schedule.steps and not self._patience_is_over():
                if self.step == self.schedule.cool_down:
                    self._save(checkpoints)
                values = self.advance(interruption.asked)
                if self.step == first_epoch:
                    self._show(loggers)
                meter.advance(self.common.batch_size, {key: values[key] for key in values if is_term(key)})
                if self.step % every == 0 or self.step == self.schedule.steps:
                    speed = (self.step - first) * self.common.batch_size / (time.monotonic() - since)
                    self._evaluate(loggers, speed)
                    since, first = time.monotonic(), self.step
                if checkpoints.is_due() or values[INTERRUPTED]:
                    self._save(checkpoints)
                if values[INTERRUPTED]:
                    progress.say(f"interrupted after {self.seen:,} images; run it again to go on from here")
                    raise KeyboardInterrupt
        if self.step <= self.schedule.cool_down:  # a run with more budget goes on from here
            self._save(checkpoints)

    def advance(self, interrupted: bool = False) -> dict[str, float]:
        """Take one step of every player, and return the values; :data:`INTERRUPTED` is 1 if any process is to stop.

        Raises:
            TrainingFault: before a weight of the player is touched.
        """
        batch, rows = self.subject.training(self.step)
        torch.manual_seed(derived_seed(self.subject.seed, "dropout", self.subject.name, self.step))
        share = self.schedule(self.step)
        parts = self.subject.in_parts(batch, self.fabric.world_size, self.fabric.global_rank)
        values: dict[str, float] = {}
        for player, optimizer in zip(self.players, self.optimizers, strict=True):
            for group in optimizer.param_groups:
                group["lr"] = share * player.learning_rate
            of_player = self.gradients(player, optimizer, parts, interrupted)
            self._judge(player, of_player, batch, rows)
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
            values |= self._named(player, of_player | {"learning_rate": share * player.learning_rate})
        self.step += 1
        decay = ema_decay(self.common.ema_halflife_images, self.seen, self.common.batch_size)
        update_average(self.average, self.plain, decay)
        for key, value in values.items():
            self.sums[key] = self.sums.get(key, 0.0) + value
        self.sums["steps"] = self.sums.get("steps", 0) + 1
        return values

    def gradients(
        self, player: Player, optimizer: torch.optim.Optimizer, parts: Sequence, interrupted: bool = False
    ) -> dict[str, float]:
        """Add up the gradient of a player's mean loss, part by part and process by process, and clip it.

        Returns:
            The terms of the loss, what is watched, the gradient's norm, and :data:`INTERRUPTED`.
        """
        whole = sum(len(part) for part in parts)
        sums: dict[str, Tensor] = {}
        self._hold_still_all_but(player)
        for number, part in enumerate(parts, 1):
            share = len(part) / whole
            with self.fabric.no_backward_sync(self.network, enabled=number < len(parts)):
                outcome = self.network(part) if len(self.players) == 1 else self.network(part, player.name)
                self.fabric.backward(outcome.terms["loss"] * share / self.plain.loss_scale)
            terms = outcome.terms | self.subject.measured(part, outcome, self.plain)
            for key, value in terms.items():
                sums[key] = _joined(key, sums.get(key), value.detach(), share)
        sums["grad_norm"] = self.fabric.clip_gradients(
            self.network, optimizer, max_norm=self.common.grad_clip_norm, error_if_nonfinite=False
        )
        sums[INTERRUPTED] = torch.tensor(float(interrupted), device=self.fabric.device)
        return dict(zip(sums, self._over_processes(sums), strict=True))

    def _hold_still_all_but(self, player: Player) -> None:
        """Spare the gradients of the others' parameters, which this player does not move."""
        if len(self.players) > 1:
            for other in self.players:
                for parameter in other.parameters:
                    parameter.requires_grad_(other is player)

    def _named(self, player: Player, values: dict[str, float]) -> dict[str, float]:
        """Put the player's name before what every player has, where there are several."""
        if len(self.players) == 1:
            return values
        own = ("loss", *NOT_OF_A_SPLIT)
        return {f"{player.name}_{key}" if key in own else key: value for key, value in values.items()}

    def _over_processes(self, sums: dict[str, Tensor]) -> list[float]:
        """Return means over the processes, and the largest of what is named so, in one transfer from the device."""
        stacked = torch.stack([value.float() for value in sums.values()])
        if self.fabric.world_size > 1:
            means = self.fabric.all_reduce(stacked.clone(), reduce_op="mean")
            largest = self.fabric.all_reduce(stacked.clone(), reduce_op="max")
            of_largest = torch.tensor([key.startswith("largest_") for key in sums], device=stacked.device)
            stacked = torch.where(of_largest, largest, means)
        return stacked.tolist()

    def _judge(self, player: Player, values: dict[str, float], batch: Any, rows: Any) -> None:
        files = partial(self.subject.files, rows)
        overflow = self.scaler is not None and math.isfinite(values["loss"]) and not math.isfinite(values["grad_norm"])
        self.watch.overflows = self.watch.overflows + 1 if overflow else 0
        if overflow:  # the scaler leaves this step out and takes a smaller scale
            values["grad_norm"] = 0.0
        self.watch.refuse_non_finite(values, partial(self.subject.unusable, batch), self.plain, self.seen, files)
        self.watch.step(values, self.seen, files, player.name)

    def state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Return all that changes while training, as tensors and as JSON."""
        tensors = {f"model/{key}": value for key, value in self.plain.state_dict().items()}
        tensors |= {f"average/{key}": value for key, value in self.average.state_dict().items()}
        tensors |= {f"best/{key}": value for key, value in self.best_weights.items()}
        for player, optimizer in zip(self.players, self.optimizers, strict=True):
            for number, of_one in optimizer.state_dict()["state"].items():
                tensors |= {f"optimizer/{player.name}/{number}/{key}": value for key, value in of_one.items()}
        values = {
            "best_score": self.best_score if self.best_weights else None,
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
        for player, optimizer in zip(self.players, self.optimizers, strict=True):
            moments: dict[int, dict[str, Tensor]] = {}
            for key, value in _under(f"optimizer/{player.name}/", tensors).items():
                number, name = key.split("/")
                moments.setdefault(int(number), {})[name] = value
            optimizer.load_state_dict({**optimizer.state_dict(), "state": moments})
            for parameter, state in optimizer.optimizer.state.items():  # in its memory format: others round otherwise
                state.update({k: torch.empty_like(parameter).copy_(v) for k, v in state.items() if v.dim()})
        if self.scaler:
            self.scaler.load_state_dict(values["scaler"])
        self.step, self.best_at, self.history, self.sums = (
            values[name] for name in ("step", "best_at", "history", "sums")
        )
        self.best_score = math.inf if values["best_score"] is None else values["best_score"]
        self.watch.restore(values["watch"])

    def keep_best(self) -> None:
        """Bring the moving average to the best weights so far; where the model names no metric, it is left as it is."""
        if self.best_weights:
            self.average.load_state_dict(self.best_weights)

    def _save(self, checkpoints: Checkpoints) -> None:
        if self.fabric.is_global_zero:
            checkpoints.save(self.step, *self.state())

    def _evaluate(self, loggers: Loggers, speed: float) -> None:
        count = self.sums.pop("steps")
        means = {key: value / count for key, value in self.sums.items() if key not in NOT_LOGGED}
        self.sums = {}
        val = evaluate(self.average, self.subject, self.fabric)
        values = {key if key.endswith(NOT_OF_A_SPLIT) else f"train_{key}": value for key, value in means.items()}
        values |= {f"val_{key}": value for key, value in val.items() if key not in NOT_LOGGED}
        epoch = self.seen / self.subject.epoch
        self.watch.refuse_non_finite(val, list, self.average, self.seen, list)
        self.watch.evaluation(val.get("loss"), self.seen)
        self.history.append({"images": self.seen, "epoch": epoch, **values})
        loggers.numbers(self.history, speed)
        progress.say(f"{self.seen:,} images, epoch {epoch:.1f}: {_in_words(means, val)}, {speed:.0f} images/s")
        self._note_if_best(val)
        if (len(self.history) - 1) % self.common.grids_every_evaluations == 0:
            self._show(loggers)

    def _note_if_best(self, val: dict[str, float]) -> None:
        metric = self.plain.best_by
        if metric is None:
            return
        if metric not in val:
            raise TrainingError(
                f"{self.subject.name}: expected val to give {metric!r}, by which the model picks its best weights, got "
                f"{', '.join(val) or 'nothing'}; set best_by to one of these, or to None to keep the last weights"
            )
        if val[metric] < self.best_score:
            self.best_score, self.best_at = val[metric], self.seen
            self.best_weights = {key: value.clone() for key, value in self.average.state_dict().items()}

    def _show(self, loggers: Loggers) -> None:
        if self.fabric.is_global_zero:
            self.subject.show(self.average, self.fabric, loggers, self.seen)

    def _patience_is_over(self) -> bool:
        if not self.plain.best_by:
            return False
        evaluated = self.history[-1]["images"] if self.history else 0
        return evaluated - self.best_at >= self.common.patience * self.common.evaluate_every_images


@torch.no_grad()
def evaluate(network: nn.Module, subject: Subject, fabric: Fabric) -> dict[str, float]:
    """Return the mean of every term over the val split, and what is watched; empty if the network measures nothing."""
    sums: dict[str, Tensor] = {}
    count = 0
    for batch in subject.validation():
        for part in subject.in_parts(batch, 1, 0):
            with fabric.autocast():
                outcome = network.evaluate(part)
            for key, value in (outcome.terms | subject.measured(part, outcome, network)).items():
                sums[key] = _joined(key, sums.get(key), value, len(part))
            count += len(part)
    return {key: (value if key.startswith("largest_") else value / count).item() for key, value in sums.items()}


@torch.no_grad()
def update_average(average: nn.Module, network: nn.Module, decay: float) -> None:
    """Move ``average`` towards ``network``: average = decay · average + (1 − decay) · network.

    Buffers that hold fractions, the running statistics of batch norm, are averaged alike; others are copied.
    """
    ours = [*average.parameters(), *average.buffers()]
    theirs = [value.detach() for value in (*network.parameters(), *network.buffers())]
    pairs = list(zip(ours, theirs, strict=True))
    fractions = [pair for pair in pairs if pair[0].is_floating_point()]
    torch._foreach_lerp_([pair[0] for pair in fractions], [pair[1] for pair in fractions], 1 - decay)
    for mine, other in pairs:
        if not mine.is_floating_point():
            mine.copy_(other)


def is_term(key: str) -> bool:
    """Tell whether a value of a step is a term of the loss."""
    watched = key.startswith("largest_") or key in (*checks.OF_IMAGES, *NOT_LOGGED)
    return not watched and not key.endswith(NOT_OF_A_SPLIT)


def _in_words(means: dict[str, float], val: dict[str, float]) -> str:
    losses = [f"train {name.replace('_', ' ')} {value:.4g}" for name, value in means.items() if name.endswith("loss")]
    losses += [f"val {name.replace('_', ' ')} {value:.4g}" for name, value in val.items() if name.endswith("loss")]
    norms = [value for name, value in means.items() if name.endswith("grad_norm")]
    return f"{', '.join(losses)}, gradient norm {', '.join(f'{norm:.3g}' for norm in norms)}"


def _joined(key: str, before: Tensor | None, value: Tensor, share: float) -> Tensor:
    """Join a value of one part with that of the parts before: the largest, or the mean by shares."""
    if key.startswith("largest_"):
        return value if before is None else torch.maximum(before, value)
    return value * share if before is None else before + value * share


def _under(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {key.removeprefix(prefix): value for key, value in tensors.items() if key.startswith(prefix)}
