"""What every model offers to the one training loop and to sampling."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib import import_module
from typing import ClassVar, Literal

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


@dataclass
class Batch:
    """One batch, on the model's device.

    Attributes:
        clean: float32 N×C×H×W in [0, 1]; what is to be learnt.
        labels: int64 N.
        stored: the same images as stored, before classical augmentation.
        noisy: the noisy twins of ``stored``.
        generator: the source of every random draw, on the model's device.
        images_seen: how many images training has seen before this batch.
    """

    clean: Tensor
    labels: Tensor
    stored: Tensor
    noisy: Tensor
    generator: torch.Generator
    images_seen: int = 0

    def parts(self, count: int) -> list["Batch"]:
        """Cut the batch into ``count`` parts, even to one image; all draw from its generator, in order."""
        tensors = (self.clean, self.labels, self.stored, self.noisy)
        cut = zip(*(torch.tensor_split(tensor, count) for tensor in tensors), strict=True)
        return [Batch(*part, self.generator, self.images_seen) for part in cut]


class GenerativeModel(nn.Module, ABC):
    """A network that learns from batches, restores images, and makes new ones.

    Attributes:
        restores: what :meth:`restore` starts from: the ``stored`` images or their ``noisy`` twins.
        loss_scale: what the loss is divided by for its gradient, so that one ``grad_clip_norm`` fits all models.
        example_settings: a section of ``synthesize`` for the sample grids drawn while training.
    """

    restores: Literal["stored", "noisy"]
    loss_scale: float = 1.0
    example_settings: ClassVar[dict]

    def __init__(self, form: Form):
        super().__init__()
        self.form = form

    @abstractmethod
    def forward(self, batch: Batch) -> dict[str, Tensor]:
        """Return the terms of the loss, each a mean over the batch; ``loss`` is what is minimised."""

    @abstractmethod
    def restore(self, batch: Batch) -> Tensor:
        """Return what the model makes of each image of the batch: float32 N×C×H×W in [0, 1]."""

    def finish(self, batches: Iterable[Batch]) -> None:
        """Learn what only the final weights can tell, from the train split as it is stored. Nothing by default."""

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


def randn(shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    """Draw standard normal float32 values on the generator's device."""
    return torch.randn(shape, generator=generator, device=generator.device)
