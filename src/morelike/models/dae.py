"""A diffusion model (EDM), which is a denoising autoencoder over a range of noise levels: it restores and makes images.

Vincent et al. 2008 (a network that maps corrupted images to clean ones learns the data), Karras et al. 2022 (EDM:
preconditioning and weighting, table 1 and eq. 7-8). The network is a residual U-Net conditioned on the label and
the noise level. A share of each batch are noisy twins, of which it is told nothing else, as whoever has a noisy image
knows no more: one embedding marks them and stands in place of the label. From them it learns to restore noise of any
kind and strength without touching what it knows of Gaussian noise, which sampling relies on. That a network needs not
be told the strength: Zhang et al. 2017, "Beyond a Gaussian denoiser" (DnCNN-B).
"""

from typing import Annotated, ClassVar, Literal

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from morelike.core.settings import ChannelWidth, Count, Positive
from morelike.models.base import Batch, ImageModel, ImageSpec, ModelSettings, Noise, Outcome
from morelike.models.base import SynthesisSettings as BaseSynthesisSettings
from morelike.models.diffusion import heun, sigma_steps
from morelike.models.layers import (
    ResidualBlock,
    SelfAttention,
    crop,
    fourier_features,
    norm,
    pad_to_multiple,
)

P_MEAN, P_STD = -1.2, 1.2  # of the log of the training noise level (EDM, table 1), pixels in [-1, 1]
SIGMA_MIN, SIGMA_MAX = 0.002, 80.0  # EDM, table 1
SMALLEST_GRID = 8  # the U-Net halves until the longer side is no more than this
BLOCKS = 2  # residual blocks a level on the way down
THINNEST = 16  # channels at full resolution, if the network has as many anywhere
TWIN_SIGMA = 0.2  # the level by which all twins are scaled and weighted, pixels in [-1, 1]: about what recipes do


class Settings(ModelSettings):
    """The denoiser's section of ``models``."""

    learning_rate: Positive = Field(description="at its highest")
    width: ChannelWidth = Field(description="channels of the first level on the folded image")
    patch_px: Literal["auto", 1, 2, 4, 8] = Field(
        description="pixels per side folded into channels first; auto: 1 up to 16 pixels, 2 to 32, 4 to 128, 8 above"
    )
    dropout: Annotated[float, Field(ge=0, lt=1)] = Field(description="share of activations")
    restore_share: Annotated[float, Field(ge=0, lt=1)] = Field(
        description="share of each batch that learns to restore noisy twins, fresh ones at every step"
    )


class SynthesisSettings(BaseSynthesisSettings):
    """How the denoiser makes images."""

    method: Literal["variations", "walkback"] = Field(
        description="`variations` of real train images, or `walkback`, a chain of them"
    )
    strength_sigma: Annotated[float, Field(ge=0, le=SIGMA_MAX)] = Field(
        description="noise level that an image is taken to, pixels in [-1, 1]; 0 returns the image, 80 is pure noise"
    )
    steps: Annotated[int, Field(ge=2)] = Field(description="steps of Heun's method")
    walkback_rounds: Count = Field(description="rounds of noise and denoising of `walkback`")

    @property
    def varies_a_source(self) -> bool:
        """True below the highest noise level, at which nothing of the source would be left."""
        return self.strength_sigma < SIGMA_MAX


class Model(ImageModel):
    """D(x; σ, y) = c_skip(σ) x + c_out(σ) F(c_in(σ) x; c_noise(σ), y) (EDM, eq. 7)."""

    restores: ClassVar[Literal["stored", "noisy"]] = "noisy"
    example_settings: ClassVar = SynthesisSettings(method="variations", strength_sigma=1.0, steps=12, walkback_rounds=1)

    def __init__(self, spec: ImageSpec, settings: Settings):
        super().__init__(spec, settings)
        dims = 4 * settings.width
        self.patch = patch_px(settings.patch_px, spec)
        self.twin_share = settings.restore_share
        self.embed = nn.Embedding(spec.classes + 1, dims)  # the last row is for noisy twins
        self.time = nn.Sequential(nn.Linear(dims, dims), nn.SiLU(), nn.Linear(dims, dims))
        grid = -(-max(spec.height, spec.width) // self.patch)
        inner = UNet(settings.width, grid, dims, settings.dropout)
        self.network = FineLevel(spec.channels, settings.width, self.patch, dims, inner)

    def denoise(self, noisy: Tensor, sigma: Tensor, labels: Tensor) -> Tensor:
        """Return D(x; σ, y), the expectation of the clean image.

        Args:
            noisy: float32 N×C×H×W, pixels in [-1, 1] plus noise.
            sigma: float32 N, standard deviation of the noise.
            labels: int64 N; the number of classes for a noisy twin, whose ``sigma`` is ``TWIN_SIGMA`` whatever it is.
        """
        s = sigma.view(-1, 1, 1, 1)
        data = self.spec.sigma_data
        total = (s.square() + data**2).sqrt()
        features = fourier_features(sigma.log() / 4, self.embed.embedding_dim)
        condition = F.silu(self.time(features) + self.embed(labels))
        x = pad_to_multiple(noisy / total, self.patch * self.network.inner.multiple)
        h = crop(self.network(x, condition).float(), self.spec.height, self.spec.width)
        return (data / total).square() * noisy + s * data / total * h

    def forward(self, batch: Batch) -> Outcome:
        """Return EDM's weighted loss (eq. 8), mean over batch and pixels; about 1 for an untrained network."""
        twin = batch.of_share(self.twin_share)
        of_twin = twin.view(-1, 1, 1, 1)
        clean = torch.where(of_twin, batch.stored, batch.images) * 2 - 1
        sigma = (P_MEAN + P_STD * batch.normal()).exp()
        noisy = clean + sigma.view(-1, 1, 1, 1) * batch.normal(*clean.shape[1:])
        noisy = torch.where(of_twin, batch.noisy * 2 - 1, noisy)
        sigma = torch.where(twin, TWIN_SIGMA, sigma)
        denoised = self.denoise(noisy, sigma, torch.where(twin, self.spec.classes, batch.labels))
        error = (denoised - clean).square().mean((1, 2, 3))
        data = self.spec.sigma_data
        weighted = error * (sigma.square() + data**2) / (sigma * data).square()
        kinds = {"denoising": ~twin} | ({"restoration": twin} if self.twin_share else {})
        terms = {name: (weighted * rows).sum() / rows.sum().clamp_min(1) for name, rows in kinds.items()}
        return Outcome({"loss": weighted.mean()} | terms, (denoised + 1) / 2)

    def restore(self, batch: Batch) -> Tensor:
        """Return the noisy twins denoised in one step; nothing but their pixels is looked at."""
        as_twins = torch.full_like(batch.labels, self.spec.classes)
        sigma = torch.full(as_twins.shape, TWIN_SIGMA, device=as_twins.device)
        return ((self.denoise(batch.noisy * 2 - 1, sigma, as_twins) + 1) / 2).clamp(0, 1)

    def vary(self, sources: Tensor, labels: Tensor, noise: Noise, settings: SynthesisSettings) -> Tensor:
        """Return variations of real images, or the ends of walk-back chains that start at them.

        A variation is the source with noise of level σ = ``strength_sigma`` added, denoised along EDM's ODE; at 0 it
        is the source itself. A walk-back chain (Bengio et al. 2013, generalized denoising autoencoders) repeats that
        from its own outcome.
        """
        if settings.strength_sigma == 0:
            return sources
        x = sources * 2 - 1
        for _ in range(settings.walkback_rounds if settings.method == "walkback" else 1):
            x = self._denoised(x + settings.strength_sigma * noise(tuple(x.shape[1:])), labels, settings)
        return (x + 1) / 2

    def generate(self, labels: Tensor, noise: Noise, settings: SynthesisSettings) -> Tensor:
        """Return images denoised from pure noise of level ``strength_sigma``."""
        shape = (self.spec.channels, self.spec.height, self.spec.width)
        return (self._denoised(settings.strength_sigma * noise(shape), labels, settings) + 1) / 2

    def _denoised(self, noisy: Tensor, labels: Tensor, settings: SynthesisSettings) -> Tensor:
        sigma = settings.strength_sigma
        sigmas = sigma_steps(sigma, min(SIGMA_MIN, sigma / 2), settings.steps)
        return heun(lambda image, level: self.denoise(image, level, labels), noisy, sigmas).clamp(-1, 1)


class FineLevel(nn.Module):
    """One thin level at full resolution around a U-Net that works on patches folded into channels.

    Folding (space-to-depth) makes large images affordable; the thin level carries what is finer than a patch,
    which the folded channels are too few for: without it, samples keep coloured noise.
    """

    def __init__(self, channels_io: int, width: int, patch: int, condition_dims: int, inner: "UNet"):
        super().__init__()
        self.patch, self.inner = patch, inner
        thin = max(min(width, THINNEST), width // patch)
        self.first = nn.Conv2d(channels_io, thin, 3, padding=1)
        self.before = ResidualBlock(thin, thin, condition_dims)
        self.fold, self.unfold = nn.Conv2d(thin * patch**2, width, 1), nn.Conv2d(width, thin * patch**2, 1)
        self.after = ResidualBlock(2 * thin, thin, condition_dims)
        self.out = nn.Sequential(norm(thin), nn.SiLU(), nn.Conv2d(thin, channels_io, 3, padding=1))
        nn.init.zeros_(self.out[-1].weight)
        nn.init.zeros_(self.out[-1].bias)

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        """Map N×C×H×W and N×D to N×C×H×W; sides must be multiples of ``patch`` times the U-Net's ``multiple``."""
        fine = self.before(self.first(x), condition)
        coarse = self.inner(self.fold(F.pixel_unshuffle(fine, self.patch)), condition)
        back = F.pixel_shuffle(self.unfold(coarse), self.patch)
        return self.out(self.after(torch.cat([fine, back], 1), condition))


class UNet(nn.Module):
    """Residual U-Net (Ronneberger et al. 2015; blocks of Dhariwal and Nichol 2021), attention at the coarsest grid."""

    def __init__(self, width: int, grid: int, condition_dims: int, dropout: float):
        super().__init__()
        levels = 1
        while grid / 2 ** (levels - 1) > SMALLEST_GRID:
            levels += 1
        self.multiple = 2 ** (levels - 1)
        channels = [width * min(2**level, 4) for level in range(levels)]
        self.down, self.up = nn.ModuleList(), nn.ModuleList()
        skips, now = [width], width
        for level, wide in enumerate(channels):
            for _ in range(BLOCKS):
                self.down.append(ResidualBlock(now, wide, condition_dims, dropout))
                now = wide
                skips.append(now)
            if level < levels - 1:
                self.down.append(nn.Conv2d(now, now, 3, 2, 1))
                skips.append(now)
        self.middle = nn.ModuleList(
            [
                ResidualBlock(now, now, condition_dims, dropout),
                SelfAttention(now),
                ResidualBlock(now, now, condition_dims),
            ]
        )
        for level, wide in reversed(list(enumerate(channels))):
            for _ in range(BLOCKS + 1):
                self.up.append(ResidualBlock(now + skips.pop(), wide, condition_dims, dropout))
                now = wide
            if level:
                self.up.append(nn.Conv2d(now, now, 3, padding=1))

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        """Map N×C×H×W and N×D to N×C×H×W; sides must be multiples of ``multiple``."""
        skips = [x]
        for layer in self.down:
            x = layer(x, condition) if isinstance(layer, ResidualBlock) else layer(x)
            skips.append(x)
        first, attention, second = self.middle
        x = second(attention(first(x, condition)), condition)
        for layer in self.up:
            if isinstance(layer, ResidualBlock):
                x = layer(torch.cat([x, skips.pop()], 1), condition)
            else:
                x = layer(F.interpolate(x, scale_factor=2, mode="nearest"))
        return x


def patch_px(setting: int | str, spec: ImageSpec) -> int:
    """Return the side of the patches that the stem folds into channels.

    ``auto``: 1 for images of up to 16 pixels, 2 to 32, 4 to 128, 8 above.
    """
    if setting != "auto":
        return int(setting)
    side = max(spec.height, spec.width)
    return next((patch for largest, patch in ((16, 1), (32, 2), (128, 4)) if side <= largest), 8)
