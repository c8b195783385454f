"""What is watched while a model trains: each fault has a name, a limit in ``train.checks``, and says what mends it."""

import copy
import math
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor, nn

from morelike.models.base import Batch, ImageModel, Outcome
from morelike.train.errors import TrainingFault
from morelike.train.settings import Checks

Files = Callable[[], list[str]]  # called only if there is a fault to report
DISCRIMINATOR_MEMORY = 0.98  # decay per step of the running mean of a discriminator's accuracy
OF_IMAGES = ("largest_excess", "contrast", "colour_shift")  # what :func:`measured` gives
STD_FLOOR = 1e-3  # of targets, pixels in [0, 1]: flatter images have no contrast to lose


@dataclass(frozen=True)
class Check:
    """One thing that is watched.

    Attributes:
        meaning: what a value past the limit means.
        mend: what usually mends it.
        from_below: whether values under the limit are bad; else those over it.
        early: whether it is watched from the first image on; else from ``train.checks.after_images`` on, because
            untrained weights would fail it.
    """

    meaning: str
    mend: str
    from_below: bool = False
    early: bool = False


CHECKS = {
    "targets": Check(
        "targets reach this far out of the range that the model's loss and output activation are made for",
        "normalise them: pixels are divided by 255 once, where they are read; a loss such as binary cross-entropy has "
        "no meaning outside [0, 1]",
        early=True,
    ),
    "diverged": Check(
        "the loss per value has risen this far above where training began",
        "lower models.*.learning_rate, or train.grad_clip_norm",
        early=True,
    ),
    "logvar_overflow": Check(
        "the log-variance of the posterior is this large before it is bounded: its exponential is about to overflow",
        "lower models.vae.learning_rate, or raise models.vae.beta_warmup_images",
        early=True,
    ),
    "posterior_collapse": Check(
        "the KL divergence of even the most used latent, in nats: the decoder ignores the latents",
        "lower models.vae.beta, or raise models.vae.beta_warmup_images",
        from_below=True,
    ),
    "dead_decoder": Check(
        "the contrast of the output, as a share of the targets': the decoder gives one plain colour",
        "lower models.*.learning_rate; train again with another seed",
        from_below=True,
    ),
    "colour_shift": Check(
        "the mean of a colour channel of the output is this far from the input's, pixels in [0, 1]",
        "see that inputs and targets have one channel order and one scale; lower models.*.learning_rate",
    ),
    "discriminator_won": Check(
        "the share of images that the discriminator tells apart: the generator has nothing left to learn from",
        "lower the discriminator's learning rate, or train it less often",
    ),
    "stuck": Check(
        "the val loss per value has moved by no more than this since the weights were random",
        "raise models.*.learning_rate; see that the weights are not frozen",
        from_below=True,
    ),
    "overflow_steps": Check(
        "steps in a row whose 16-bit gradients overflowed and were left out",
        "set train.precision to 32-true, or lower models.*.learning_rate",
        early=True,
    ),
}


@dataclass
class Seen:
    """The worst value of a check so far, and after how many images."""

    worst: float
    at_images: int


class Watch:
    """Judges every step by the checks, keeps the worst value of each, and raises at the first fault.

    Args:
        limits: ``train.checks``; None switches a check off.
        loss_scale: of the model.
        epoch_images: train images.
    """

    def __init__(self, limits: Checks, loss_scale: float, epoch_images: int):
        self.limits, self.loss_scale, self.epoch_images = limits, loss_scale, epoch_images
        self.seen: dict[str, Seen] = {}
        self.first_losses: dict[str, float] = {}  # by player
        self.first_val_loss: float | None = None
        self.told_apart = 0.5
        self.overflows = 0

    def step(self, values: dict[str, float], images: int, files: Files, player: str = "model") -> None:
        """Judge the values of a player's training step, after ``images`` images; ``files`` gives those of the batch."""
        first = self.first_losses.setdefault(player, values["loss"])
        judged = {
            "targets": values.get("largest_excess"),
            "diverged": (values["loss"] - first) / self.loss_scale,
            "logvar_overflow": values.get("largest_logvar"),
            "posterior_collapse": values.get("largest_kl"),
            "dead_decoder": values.get("contrast"),
            "colour_shift": values.get("colour_shift"),
            "discriminator_won": self._told_apart(values.get("discriminator_accuracy")),
            "overflow_steps": self.overflows,
        }
        for name, value in judged.items():
            if value is not None:
                self.judge(name, value, images, files)

    def evaluation(self, val_loss: float | None, images: int) -> None:
        """Judge the loss on val, if there is one; the first call is of the weights before training."""
        if val_loss is None:
            return
        if self.first_val_loss is None:
            self.first_val_loss = val_loss
            return
        self.judge("stuck", abs(val_loss - self.first_val_loss) / self.loss_scale, images, list)

    def judge(self, name: str, value: float, images: int, files: Files) -> None:
        """Hold ``value`` against the limit of the check ``name``.

        Raises:
            TrainingFault: it is past the limit.
        """
        check, limit = CHECKS[name], getattr(self.limits, name)
        if limit is None or not (check.early or images >= self.limits.after_images):
            return
        before = self.seen.get(name)
        if before is None or (value < before.worst if check.from_below else value > before.worst):
            self.seen[name] = Seen(value, images)
        if value < limit if check.from_below else value > limit:
            cause = f"{value:.4g}, limit {limit:g}: {check.meaning}"
            raise TrainingFault(name, value, self.where(images), cause, check.mend, files())

    def refuse_non_finite(
        self, values: dict[str, float], unusable: Callable[[], list[int]], model: nn.Module, images: int, files: Files
    ) -> None:
        """Raise a TrainingFault if a value is NaN or infinite, with the cause as far as it can be told.

        Args:
            values: of a step, the gradient's norm among them, or of an evaluation.
            unusable: gives the places in the batch that hold non-finite values; asked for a fault alone.
            model: whose weights and gradients the cause is looked for in.
            images: seen so far; ``files``: gives those of the rows of the batch.
        """
        bad = {key: value for key, value in values.items() if not math.isfinite(value)}
        if not bad:
            return
        rows, named = unusable(), files()
        gradients = non_finite((name, p.grad) for name, p in model.named_parameters() if p.grad is not None)
        mend = "lower models.*.learning_rate, or set train.precision to 32-true"
        if rows:
            cause = "the images themselves hold a non-finite value"
            mend, named = "run `dvc repro -f resize` and see its check", [named[row] for row in rows]
        elif weights := non_finite(model.named_parameters()):
            cause = f"the weights have diverged: {weights[0]} is not finite"
            mend = "lower models.*.learning_rate or train.grad_clip_norm"
        elif gradients and math.isfinite(values.get("loss", math.nan)):
            cause = f"images and loss are finite, the gradient of {gradients[0]} is not"
        else:
            cause = "images and weights are finite, so the computation overflowed"
        cause = f"{', '.join(f'{key} is {value}' for key, value in bad.items())}: {cause}"
        raise TrainingFault("non_finite", next(iter(bad.values())), self.where(images), cause, mend, named)

    def where(self, images: int) -> str:
        """Return where in training ``images`` images are."""
        return f"epoch {images / self.epoch_images:.2f}, after {images:,} images"

    def lines(self) -> list[dict[str, Any]]:
        """Return one line per check: its name, limit, meaning and mend, the worst value so far and where it was."""
        return [
            {"check": name, "limit": limit, **self._worst(name), "meaning": check.meaning, "mend": check.mend}
            for name, check in CHECKS.items()
            if (limit := getattr(self.limits, name)) is not None
        ]

    def state(self) -> dict[str, Any]:
        """Return all that :meth:`restore` needs, as JSON."""
        seen = {name: asdict(one) for name, one in self.seen.items()}
        numbers = ("first_losses", "first_val_loss", "told_apart", "overflows")
        return copy.deepcopy({name: getattr(self, name) for name in numbers}) | {"seen": seen}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from :meth:`state`."""
        for name, value in state.items():
            setattr(self, name, value)
        self.seen = {name: Seen(**one) for name, one in state["seen"].items()}

    def _worst(self, name: str) -> dict[str, Any]:
        seen = self.seen.get(name)
        return asdict(seen) if seen else {"worst": None, "at_images": None}

    def _told_apart(self, accuracy: float | None) -> float | None:
        if accuracy is None:
            return None
        self.told_apart += (1 - DISCRIMINATOR_MEMORY) * (accuracy - self.told_apart)
        return self.told_apart


@torch.no_grad()
def measured(batch: Batch, outcome: Outcome, model: ImageModel) -> dict[str, Tensor]:
    """Return what is watched of a model of images, 0-dim float32, under the names of :data:`OF_IMAGES`.

    Of a model that makes nothing of the images, only whether the targets are in range.
    """
    low, high = model.target_range
    targets = batch.images
    excess = torch.maximum(targets.amax() - high, low - targets.amin())
    if outcome.output is None:
        return {OF_IMAGES[0]: excess}
    output = outcome.output.float()
    contrast = std_of_each(output).mean() / std_of_each(targets).mean().clamp_min(STD_FLOOR)
    shift = (output.mean((0, 2, 3)) - targets.mean((0, 2, 3))).abs().amax()
    return dict(zip(OF_IMAGES, (excess, contrast, shift), strict=True))


def std_of_each(images: Tensor) -> Tensor:
    """Return the standard deviation of each image, N; ``Tensor.std`` is not vectorised on a CPU: 15 times slower.

    >>> std_of_each(torch.tensor([[[[0.0, 0.0, 1.0, 2.0, 2.0]]]])).item()
    1.0
    """
    values = images.flatten(1)
    return torch.linalg.vector_norm(values - values.mean(1, keepdim=True), dim=1) / (values.shape[1] - 1) ** 0.5


def non_finite(named: Any) -> list[str]:
    """Return the names of the tensors that hold a non-finite value, given (name, tensor) pairs."""
    return [name for name, tensor in named if not torch.isfinite(tensor).all()]


def non_finite_rows(batch: Batch) -> list[int]:
    """Return the rows of the batch in which an image holds a non-finite value."""
    sound = [torch.isfinite(images).flatten(1).all(1) for images in (batch.images, batch.stored, batch.noisy)]
    return torch.nonzero(~torch.stack(sound).all(0)).flatten().tolist()
