"""A convolutional variational autoencoder, conditioned on the label.

Kingma and Welling 2014 (ELBO, eq. 10; KL in closed form, appendix B), Sohn et al. 2015 (condition on a label),
Rybkin, Daniilidis and Levine 2021 (σ-VAE: Gaussian decoder whose variance is the analytic optimum, eq. 5, so
that β = 1 balances both terms whatever the size of the image), Ghosh et al. 2020 (section 4: sampling from a density
fitted to the latents of the train images, which fills far more of latent space than the prior does).
"""

import math
from collections.abc import Iterable
from typing import Annotated, ClassVar, Literal

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from morelike.core.settings import ChannelWidth, NotNegative, Positive
from morelike.models.base import Batch, ImageModel, ImageSpec, ModelSettings, Noise, Outcome
from morelike.models.base import SynthesisSettings as BaseSynthesisSettings
from morelike.models.layers import ResidualBlock, crop, norm, pad_to_multiple

SMALLEST_GRID = 4  # the encoder halves until the longer side is no more than this, at least once
MIN_LOG_SIGMA = math.log(0.5 / 255)  # std of the decoder, pixels in [0, 1]: half a grey level; less is rounding


class Settings(ModelSettings):
    """The VAE's section of ``models``."""

    learning_rate: Positive = Field(description="at its highest")
    width: ChannelWidth = Field(description="channels at full resolution")
    latent_dims: Annotated[int, Field(ge=1, le=4096)] = Field(description="numbers that an image is encoded into")
    beta: NotNegative = Field(description="weight of the KL term, β")
    beta_warmup_images: NotNegative = Field(description="images seen until β is reached")
    logvar_bound: Positive = Field(description="bound on the absolute log-variance of the posterior")


class SynthesisSettings(BaseSynthesisSettings):
    """How the VAE makes images; no real image has a part in one."""

    method: Literal["aggregate", "prior"] = Field(
        description="latents from a Gaussian fitted to those of each class; or `prior`, from N(0, 1)"
    )
    temperature: Positive = Field(description="scales the spread of the latents")


class Model(ImageModel):
    """Encoder q(z | x, y) = N(μ, σ²), decoder p(x | z, y) = N(D(z, y), s²) with D in [0, 1]."""

    restores: ClassVar[Literal["stored", "noisy"]] = "stored"
    example_settings: ClassVar = SynthesisSettings(method="aggregate", temperature=1.0)

    def __init__(self, spec: ImageSpec, settings: Settings):
        super().__init__(spec, settings)
        self.loss_scale = float(spec.height * spec.width * spec.channels)  # the loss is a sum over pixels
        width, latent = settings.width, settings.latent_dims
        self.halvings = max(1, math.ceil(math.log2(max(spec.height, spec.width) / SMALLEST_GRID)))
        self.multiple = 2**self.halvings
        self.grid = (math.ceil(spec.height / self.multiple), math.ceil(spec.width / self.multiple))
        channels = [min(width * 2**i, 4 * width) for i in range(self.halvings)]
        cells, dims = channels[-1] * self.grid[0] * self.grid[1], 4 * width
        self.embed = nn.Embedding(spec.classes, dims)
        self.encoder = Encoder(spec.channels, channels, dims)
        self.to_posterior = nn.Linear(cells + dims, 2 * latent)
        self.from_latent = nn.Linear(latent + dims, cells)
        self.decoder = Decoder(spec.channels, channels[::-1], dims)
        self.register_buffer("latents_mean", torch.zeros(spec.classes, latent))
        self.register_buffer("latents_factor", torch.eye(latent).repeat(spec.classes, 1, 1))

    def posterior(self, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Return mean and log-variance of the posterior, each N×latent; |log-variance| < ``logvar_bound``."""
        mean, logvar = self._unbounded_posterior(images, labels)
        return mean, self._bounded(logvar)

    def encode(self, images: Tensor, labels: Tensor) -> Tensor:
        """Return the mean of each image's posterior, N×latent."""
        return self._unbounded_posterior(images, labels)[0]

    def _unbounded_posterior(self, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        condition = self.embed(labels)
        h = self.encoder(pad_to_multiple(images * 2 - 1, self.multiple), condition)
        return self.to_posterior(torch.cat([h.flatten(1), condition], 1)).float().chunk(2, 1)

    def _bounded(self, logvar: Tensor) -> Tensor:
        bound = self.settings.logvar_bound
        return bound * torch.tanh(logvar / bound)

    def decode(self, latents: Tensor, labels: Tensor) -> Tensor:
        """Return the mean of p(x | z, y): float32 N×C×H×W in [0, 1]."""
        condition = self.embed(labels)
        h = self.from_latent(torch.cat([latents, condition], 1)).unflatten(1, (-1, *self.grid))
        return crop(torch.sigmoid(self.decoder(h, condition).float()), self.spec.height, self.spec.width)

    def forward(self, batch: Batch) -> Outcome:
        """Return the negative ELBO and its terms: summed over pixels and latents, mean over the batch, in nats."""
        mean, unbounded = self._unbounded_posterior(batch.images, batch.labels)
        logvar = self._bounded(unbounded)
        latents = mean + torch.exp(logvar / 2) * batch.normal(mean.shape[1])
        output = self.decode(latents, batch.labels)
        reconstruction = optimal_gaussian_nll((output - batch.images).square())
        kl = kl_to_standard_normal(mean, logvar).mean(0)
        warm_up = self.settings.beta_warmup_images
        beta = self.settings.beta * (min(1.0, batch.images_seen / warm_up) if warm_up and self.training else 1.0)
        terms = {"loss": reconstruction + beta * kl.sum(), "reconstruction": reconstruction, "kl": kl.sum()}
        return Outcome(terms | {"largest_kl": kl.max(), "largest_logvar": unbounded.max()}, output)

    def restore(self, batch: Batch) -> Tensor:
        """Return the reconstruction of each stored image from the mean of its posterior."""
        return self.decode(self.encode(batch.stored, batch.labels), batch.labels)

    @torch.no_grad()
    def finish(self, batches: Iterable[Batch]) -> None:
        """Fit a Gaussian to each class's latents, the aggregated posterior (Ghosh et al. 2020, section 4)."""
        posteriors = [(*self.posterior(batch.stored, batch.labels), batch.labels) for batch in batches]
        means, logvars, labels = (torch.cat(parts).cpu() for parts in zip(*posteriors, strict=True))
        centres, factors = gaussian_of_each_class(means.double(), logvars.double().exp(), labels, self.spec.classes)
        self.latents_mean.copy_(centres)
        self.latents_factor.copy_(factors)

    def generate(self, labels: Tensor, noise: Noise, settings: SynthesisSettings) -> Tensor:
        """Return means of p(x | z, y), z from N(0, 1) or from the class's aggregated posterior.

        ``temperature`` scales the spread of z.
        """
        latents = settings.temperature * noise((self.settings.latent_dims,))
        if settings.method == "aggregate":
            latents = self.latents_mean[labels] + (self.latents_factor[labels] @ latents[:, :, None]).squeeze(2)
        return self.decode(latents, labels)


class Encoder(nn.Module):
    """Halve the picture once a level; a residual block at each."""

    def __init__(self, channels_in: int, channels: list[int], condition_dims: int):
        super().__init__()
        before = [channels_in, *channels[:-1]]
        downs = [nn.Conv2d(a, b, 4, 2, 1) for a, b in zip(before, channels, strict=True)]
        self.downs = nn.ModuleList(downs)
        self.blocks = nn.ModuleList(ResidualBlock(c, c, condition_dims) for c in channels)

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        """Map N×C×H×W to the coarsest grid."""
        for down, block in zip(self.downs, self.blocks, strict=True):
            x = block(down(x), condition)
        return x


class Decoder(nn.Module):
    """The mirror of :class:`Encoder`; nearest-neighbour upsampling before a convolution leaves no checkerboard."""

    def __init__(self, channels_out: int, channels: list[int], condition_dims: int):
        super().__init__()
        after = [*channels[1:], channels[-1]]
        self.blocks = nn.ModuleList(ResidualBlock(c, c, condition_dims) for c in channels)
        self.ups = nn.ModuleList(nn.Conv2d(a, b, 3, padding=1) for a, b in zip(channels, after, strict=True))
        self.out = nn.Sequential(norm(after[-1]), nn.SiLU(), nn.Conv2d(after[-1], channels_out, 3, padding=1))

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        """Map the coarsest grid to N×C×H×W, before the sigmoid."""
        for block, up in zip(self.blocks, self.ups, strict=True):
            x = up(F.interpolate(block(x, condition), scale_factor=2, mode="nearest"))
        return self.out(x)


def kl_to_standard_normal(mean: Tensor, logvar: Tensor) -> Tensor:
    """Return KL(N(mean, exp(logvar)) ‖ N(0, 1)) element by element, in nats (Kingma and Welling 2014, appendix B).

    >>> kl_to_standard_normal(torch.zeros(1), torch.zeros(1)).item()
    0.0
    """
    return 0.5 * (mean.square() + logvar.exp() - 1 - logvar)


def gaussian_of_each_class(means: Tensor, variances: Tensor, labels: Tensor, classes: int) -> tuple[Tensor, Tensor]:
    """Return mean (classes×L) and Cholesky factor (classes×L×L) of a Gaussian for the latents of each class.

    The covariance is that of the posteriors' means plus their mean variance. A class of n images is shrunk towards
    the covariance within all classes by L / (L + n) (regularised discriminant analysis, Friedman 1989). A class
    without images keeps N(0, 1).

    Args:
        means, variances: of the posteriors, each N×L.
        labels: int64 N.
    """
    latent = means.shape[1]
    centres, factors = means.new_zeros(classes, latent), torch.eye(latent, dtype=means.dtype).repeat(classes, 1, 1)
    present = labels.unique().tolist()
    for label in present:
        centres[label] = means[labels == label].mean(0)
    inner = means - centres[labels]
    within = inner.T @ inner / len(inner)
    for label in present:
        mine = inner[labels == label]
        share = latent / (latent + len(mine))
        covariance = (1 - share) * mine.T @ mine / len(mine) + share * within
        factors[label] = torch.linalg.cholesky(covariance + variances[labels == label].mean(0).diag())
    return centres, factors


def optimal_gaussian_nll(squared_error: Tensor) -> Tensor:
    """Return −log N(x; x̂, s²) summed over pixels, mean over the batch, at the batch's own best s (σ-VAE, eq. 5).

    Args:
        squared_error: N×C×H×W, pixels in [0, 1].
    """
    pixels = squared_error[0].numel()
    log_sigma = (0.5 * squared_error.mean().clamp_min(1e-12).log()).clamp_min(MIN_LOG_SIGMA)
    mean_error = squared_error.sum((1, 2, 3)).mean()
    return 0.5 * mean_error * torch.exp(-2 * log_sigma) + pixels * (log_sigma + 0.5 * math.log(2 * math.pi))
