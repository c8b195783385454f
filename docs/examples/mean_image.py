"""A Gaussian per pixel: a mean image per label, one spread for all. About the smallest model that makes images."""

from typing import Literal

from pydantic import Field
from torch import Tensor, full, nn, zeros

from morelike.models import base


class Settings(base.ModelSettings):
    """The section ``models.mean_image``."""

    learning_rate: float = Field(gt=0, description="at its highest")


class SynthesisSettings(base.SynthesisSettings):
    """The section ``synthesize.mean_image``."""

    method: Literal["draw"] = Field(description="draws every pixel by itself")


class Model(base.ImageModel):
    """p(x | y) = N(μ_y, σ²), with μ per label and pixel, and σ per pixel."""

    example_settings = SynthesisSettings(method="draw")

    def __init__(self, spec: base.ImageSpec, settings: Settings):
        super().__init__(spec, settings)
        self.mean = nn.Parameter(full((spec.classes, spec.channels, spec.height, spec.width), 0.5))
        self.log_sigma = nn.Parameter(zeros(self.mean.shape[1:]))

    def forward(self, batch: base.Batch) -> base.Outcome:
        """Return −log p(x | y) per value, but for a constant, and the mean image of each label."""
        error = (batch.images - self.mean[batch.labels]) / self.log_sigma.exp()
        return base.Outcome({"loss": (error.square() / 2 + self.log_sigma).mean()}, self.mean[batch.labels])

    def generate(self, labels: Tensor, noise: base.Noise, settings: SynthesisSettings) -> Tensor:
        """Return a draw for each label."""
        return (self.mean[labels] + self.log_sigma.exp() * noise(self.log_sigma.shape)).clamp(0, 1)
