"""What a model is to the trainer and to synthesis, and what it may be able to do: a protocol per ability."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import ClassVar, Literal, NamedTuple, Protocol, runtime_checkable

import torch
from pydantic import Field
from torch import Tensor, nn

from morelike.core.settings import Count, Section

Noise = Callable[[tuple[int, ...]], Tensor]  # shape of one row -> float32 N×shape, standard normal


class ModelSettings(Section):
    """What the section of every model has: its budget."""

    budget_images: Count = Field(description="images seen in training, at most")


class SynthesisSettings(Section):
    """How a model makes images: its section of ``synthesize``."""

    method: str

    @property
    def varies_a_source(self) -> bool:
        """Whether new images start from real ones; if not, the model is given none, and none is named as a source."""
        return False


@dataclass(frozen=True)
class ImageSpec:
    """The images that a model is built for.

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

    @property
    def classes(self) -> int:
        """The number of label embeddings; one class needs no condition, but costs nothing."""
        return max(1, len(self.labels))


class Batch:
    """One batch of images, or a part of one, on the model's device.

    No dataclass and no dict: Fabric would bring their tensors, the targets too, to the precision of the network.

    Attributes:
        images: float32 N×C×H×W in [0, 1], augmented; what is to be learned.
        labels: int64 N.
        stored: the same images as stored, before classical augmentation.
        noisy: the noisy twins of ``stored``; in training those of the model's ``twin_share``, elsewhere ``stored``.
        seed: of every random draw.
        images_seen: how many images training has seen before this batch.
        first: the place of the first row in the whole batch.
        draws: the random values of the whole batch, which all its parts share; they ask for them in one order.
    """

    def __init__(
        self,
        images: Tensor,
        labels: Tensor,
        stored: Tensor,
        noisy: Tensor,
        seed: int = 0,
        images_seen: int = 0,
        first: int = 0,
        draws: "Draws | None" = None,
    ):
        self.images, self.labels, self.stored, self.noisy = images, labels, stored, noisy
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

    def of_share(self, share: float) -> Tensor:
        """Return which rows belong to a share of the whole batch (:func:`spread`), bool N."""
        return spread(share, torch.arange(self.first, self.first + len(self), device=self.labels.device))

    def cut(self, parts: int) -> list["Batch"]:
        """Cut the batch into ``parts`` parts, down to one image each."""
        tensors = (self.images, self.labels, self.stored, self.noisy)
        made, first = [], self.first
        for of_part in zip(*(torch.tensor_split(tensor, parts) for tensor in tensors), strict=True):
            made.append(Batch(*of_part, self.seed, self.images_seen, first, self.draws))
            first += len(made[-1])
        return [part for part in made if len(part)]


def spread(share: float, places: Tensor) -> Tensor:
    """Return which places of a batch, int64 N, belong to a share of it that is spread evenly over it, bool N.

    >>> spread(0.25, torch.arange(8)).nonzero().flatten().tolist()
    [3, 7]
    """
    return ((places + 1) * share).floor() > (places * share).floor()


class Draws:
    """The standard normal values of a whole batch, each drawn once for all of its parts."""

    def __init__(self, rows: int, seed: int, device: torch.device):
        self.rows, self.device, self.values = rows, device, []
        self._generator = torch.Generator(device).manual_seed(seed)

    def __call__(self, number: int, shape: tuple[int, ...]) -> Tensor:
        """Return the values that are asked for as the ``number``-th, from 0 on: rows×shape."""
        if number == len(self.values):
            self.values.append(torch.randn((self.rows, *shape), generator=self._generator, device=self.device))
        return self.values[number]


class Outcome(NamedTuple):
    """What one pass over a batch gives.

    Attributes:
        terms: of the loss, each a mean over the batch; ``loss`` is what is minimised. Those named ``largest_...``
            are the largest of the batch. Some are watched (``morelike/train/checks.py``) where a model has them:
            ``largest_kl``, of a latent dimension, nats; ``largest_logvar``; ``discriminator_accuracy``.
        output: float32 N×C×H×W, what the model makes of ``images``, on their scale; None if it makes nothing of them.
    """

    terms: dict[str, Tensor]
    output: Tensor | None = None


class Player(NamedTuple):
    """One named optimiser: what it moves, and how fast.

    Attributes:
        name: given to ``forward`` as ``player`` where a model has several; names its loss and its saved state.
        parameters: that it moves. Those of no player are frozen.
        learning_rate: at its highest.
        betas: of AdamW.
        weight_decay: of AdamW.
    """

    name: str
    parameters: list[nn.Parameter]
    learning_rate: float
    betas: tuple[float, float] = (0.9, 0.99)
    weight_decay: float = 0.01


class ImageModel(nn.Module):
    """A network that learns from batches of images: what the trainer needs to know of it.

    A model file, ``morelike/models/NAME.py``, has a ``Model`` of this kind with ``forward``, its ``Settings`` and, if
    it makes images, its ``SynthesisSettings``. What else a model can do, it says by having the methods of a protocol
    below.

    Attributes:
        spec: the images that it is built for.
        settings: its section of ``models`` in ``params.yaml``.
        loss_scale: what the loss is divided by for its gradient, so that one ``grad_clip_norm`` fits all models.
        target_range: the values of targets that the loss is defined for and the output activation can reach.
        best_by: the metric on val, lower is better, that picks the weights which are kept; None keeps the last.
        twin_share: the share of each batch of which it learns from noisy twins.
        needs_base: whether it learns from what another model makes of images, which it is then given, trained.
    """

    loss_scale: float = 1.0
    twin_share: float = 0.0
    target_range: ClassVar[tuple[float, float]] = (0.0, 1.0)
    best_by: ClassVar[str | None] = "loss"
    needs_base: ClassVar[bool] = False

    def __init__(self, spec: ImageSpec, settings: ModelSettings):
        super().__init__()
        self.spec, self.settings = spec, settings

    def players(self) -> list[Player]:
        """Return the optimisers, in the order in which they step; one for all parameters unless a model says more.

        A model of several gets ``forward(batch, player)``, once per player and step.
        """
        trained = [parameter for parameter in self.parameters() if parameter.requires_grad]
        return [Player("model", trained, self.settings.learning_rate)]

    def evaluate(self, batch: Batch) -> Outcome:
        """Return the terms that are measured on val and what the model makes of the batch; no terms: nothing is."""
        return self(batch)

    def finish(self, batches: Iterable[Batch]) -> None:
        """Learn what only the final weights can tell, from the train split as it is stored. Nothing by default."""


@runtime_checkable
class Encodes(Protocol):
    """Has a latent space."""

    def encode(self, images: Tensor, labels: Tensor) -> Tensor:
        """Return the latent of each image, N×L, of float32 N×C×H×W in [0, 1] and int64 N."""


@runtime_checkable
class Decodes(Protocol):
    """Makes an image of a latent."""

    def decode(self, latents: Tensor, labels: Tensor) -> Tensor:
        """Return float32 N×C×H×W in [0, 1], of N×L and int64 N."""


@runtime_checkable
class Restores(Protocol):
    """Gives back the image that it is shown, or of which it is shown a noisy twin."""

    restores: ClassVar[Literal["stored", "noisy"]]

    def restore(self, batch: Batch) -> Tensor:
        """Return what the model makes of the ``stored`` or the ``noisy`` images: float32 N×C×H×W in [0, 1]."""


@runtime_checkable
class Generates(Protocol):
    """Makes images from noise alone."""

    example_settings: ClassVar[SynthesisSettings]

    def generate(self, labels: Tensor, noise: Noise, settings: SynthesisSettings) -> Tensor:
        """Return new images, float32 N×C×H×W in [0, 1].

        Args:
            labels: int64 N.
            noise: gives each row its own standard normal values.
            settings: the model's section of ``synthesize``.
        """


@runtime_checkable
class Varies(Protocol):
    """Makes images from real ones."""

    example_settings: ClassVar[SynthesisSettings]

    def vary(self, sources: Tensor, labels: Tensor, noise: Noise, settings: SynthesisSettings) -> Tensor:
        """Return a new image for each source, float32 N×C×H×W in [0, 1]; ``sources`` are real ones of these labels."""


def make(
    model: ImageModel, sources: Tensor | None, labels: Tensor, noise: Noise, settings: SynthesisSettings
) -> Tensor:
    """Return new images, float32 N×C×H×W in [0, 1]: varied from ``sources`` if the settings say so, else generated."""
    if settings.varies_a_source:
        return model.vary(sources, labels, noise, settings)
    return model.generate(labels, noise, settings)
