"""What every model offers to the one training loop and to sampling."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib import import_module
from typing import ClassVar, Literal, NamedTuple

import torch
from torch import Tensor, nn

from morelike.errors import ModelError

Noise = Callable[[tuple[int, ...]], Tensor]  # shape of one row -> float32 N×shape, standard normal


@dataclass(frozen=True)
class Form:
    """The form of the data a model is built for.

    Attributes:
        height, width, channels: of an image, pixels.
        labels: names of the classes, in the order of the label numbers.
        sigma_data: standard deviation of the train split, pixels in [-1, 1].
    """

    height: int
    width: int
    channels: int
    labels: tuple[str, ...]
    sigma_data: float = 0.5


class Batch:
    """One batch, or a part of one, on the model's device.

    No dataclass and no dict: Fabric would bring their tensors, the targets too, to the precision of the network.

    Attributes:
        clean: float32 N×C×H×W in [0, 1]; what is to be learnt.
        labels: int64 N.
        stored: the same images as stored, before classical augmentation.
        noisy: the noisy twins of ``stored``.
        seed: of every random draw.
        images_seen: how many images training has seen before this batch.
        first: the place of the first row in the whole batch.
        draws: the random values of the whole batch, which all its parts share; they ask for them in one order.
    """

    def __init__(
        self,
        clean: Tensor,
        labels: Tensor,
        stored: Tensor,
        noisy: Tensor,
        seed: int = 0,
        images_seen: int = 0,
        first: int = 0,
        draws: "Draws | None" = None,
    ):
        self.clean, self.labels, self.stored, self.noisy = clean, labels, stored, noisy
        self.seed, self.images_seen, self.first = seed, images_seen, first
        self.draws = draws or Draws(len(labels), seed, labels.device)
        self._drawn = 0

    def __len__(self) -> int:
        return len(self.labels)

    def normal(self, *shape: int) -> Tensor:
        """Draw standard normal float32 values, N×shape; those of a row do not depend on how the batch is cut."""
        values = self.draws(self._drawn, shape)
        self._drawn += 1
        return values[self.first : self.first + len(self)]

    def cut(self, parts: int) -> list["Batch"]:
        """Cut the batch into ``parts`` parts, even to one image."""
        tensors = (self.clean, self.labels, self.stored, self.noisy)
        made, first = [], self.first
        for of_part in zip(*(torch.tensor_split(tensor, parts) for tensor in tensors), strict=True):
            made.append(Batch(*of_part, self.seed, self.images_seen, first, self.draws))
            first += len(made[-1])
        return [part for part in made if len(part)]


class Draws:
    """The standard normal values of a whole batch, each drawn once for all of its parts."""

    def __init__(self, rows: int, seed: int, device: torch.device):
        self.rows, self.device, self.values = rows, device, []
        self._chance = torch.Generator(device).manual_seed(seed)

    def __call__(self, number: int, shape: tuple[int, ...]) -> Tensor:
        """Return the values that are asked for as the ``number``-th, from 0 on: rows×shape."""
        if number == len(self.values):
            self.values.append(torch.randn((self.rows, *shape), generator=self._chance, device=self.device))
        return self.values[number]


class Outcome(NamedTuple):
    """What one pass over a batch gives.

    Attributes:
        terms: of the loss, each a mean over the batch; ``loss`` is what is minimised. Those named ``largest_...``
            are the largest of the batch. Some are watched (``morelike/training/checks.py``) where a model has them:
            ``largest_kl``, of a latent, nats; ``largest_logvar``; ``discriminator_accuracy``.
        output: float32 N×C×H×W, what the model makes of ``clean``, on its scale.
    """

    terms: dict[str, Tensor]
    output: Tensor


class GenerativeModel(nn.Module, ABC):
    """A network that learns from batches, restores images, and makes new ones.

    Attributes:
        restores: what :meth:`restore` starts from: the ``stored`` images or their ``noisy`` twins.
        loss_scale: what the loss is divided by for its gradient, so that one ``grad_clip_norm`` fits all models.
        target_range: the values of targets that the loss is defined for and the output activation can reach.
        example_settings: a section of ``synthesize`` for the sample grids drawn while training.
    """

    restores: Literal["stored", "noisy"]
    loss_scale: float = 1.0
    target_range: ClassVar[tuple[float, float]] = (0.0, 1.0)
    example_settings: ClassVar[dict]

    def __init__(self, form: Form):
        super().__init__()
        self.form = form

    @abstractmethod
    def forward(self, batch: Batch) -> Outcome:
        """Return the terms of the loss, and what the model makes of the batch."""

    @abstractmethod
    def restore(self, batch: Batch) -> Tensor:
        """Return what the model makes of each image of the batch: float32 N×C×H×W in [0, 1]."""

    def finish(self, batches: Iterable[Batch]) -> None:
        """Learn what only the final weights can tell, from the train split as it is stored. Nothing by default."""

    def codes(self, batch: Batch) -> Tensor | None:
        """Return the latent code of each stored image, N×L; None for a model without a latent space."""
        return None

    @abstractmethod
    def make(self, labels: Tensor, sources: Tensor, noise: Noise, settings: dict) -> Tensor:
        """Return new images, float32 N×C×H×W in [0, 1].

        Args:
            labels: int64 N.
            sources: float32 N×C×H×W in [0, 1]; a real train image of that label for each, for methods that vary one.
            noise: gives each row its own standard normal values.
            settings: the model's section of ``synthesize`` in ``params.yaml``.
        """

    def classes(self) -> int:
        """Return the number of label embeddings; one class needs no condition, but costs nothing."""
        return max(1, len(self.form.labels))


def create(name: str, form: Form, settings: dict) -> GenerativeModel:
    """Build the model of ``morelike/models/NAME.py`` with random weights.

    Raises:
        ModelError: if there is no such model.
    """
    try:
        module = import_module(f"morelike.models.{name}")
    except ModuleNotFoundError as error:
        raise ModelError(f"no model named {name!r}: expected a file src/morelike/models/{name}.py") from error
    return module.Model(form, settings)
