"""What the training of all models shares: the section ``train``."""

from typing import Annotated

from pydantic import Field, model_validator

from morelike.core.settings import (
    BatchSize,
    Count,
    CountOrZero,
    ModelName,
    NotNegative,
    Positive,
    Precision,
    Section,
    Share,
)
from morelike.images.settings import Augment


class Checks(Section):
    """Limits of what is watched while a model trains; null switches a check off."""

    after_images: CountOrZero = Field(
        description="images seen before the checks begin that untrained weights would fail"
    )
    targets: NotNegative | None = Field(
        description="how far targets may reach out of the range that loss and output are made for"
    )
    diverged: Positive | None = Field(description="rise of the loss per value above its start")
    logvar_overflow: Positive | None = Field(
        description="largest log-variance of the posterior, before it is bounded; float32's exponential ends at 88.7"
    )
    posterior_collapse: NotNegative | None = Field(
        description="nats: KL divergence of the most used latent dimension, at least"
    )
    dead_decoder: Share | None = Field(description="contrast of the output, as a share of the targets', at least")
    colour_shift: Share | None = Field(
        description="pixels in [0, 1]: how far a channel's mean may be from the targets'"
    )
    discriminator_won: Share | None = Field(description="share of the images that a discriminator tells apart, at most")
    stuck: NotNegative | None = Field(description="movement of the val loss per value since the start, at least")
    overflow_steps: Count | None = Field(
        description="steps in a row that are left out because 16-bit gradients overflowed, at most"
    )


class Train(Section):
    """What the training of all models shares."""

    models: Annotated[list[ModelName], Field(min_length=1)] = Field(
        description="the models that are trained and make images; one taken off leaves no trace in the next export"
    )
    base: ModelName = Field(description="the model that those of `train.models_on_base` build on; trained before them")
    models_on_base: list[ModelName] = Field(description="models that learn from what a trained model makes of images")
    batch_size: BatchSize = Field(description="images")
    class_balance: Share = Field(description="0 draws classes as often as they are, 1 all equally often")
    warmup_images: CountOrZero = Field(description="images in which the learning rate rises from 0")
    cooldown_share: Share = Field(description="share of the budget, at its end, in which the learning rate falls to 0")
    evaluate_every_images: Count = Field(description="images seen between two evaluations on val")
    patience: Count = Field(description="evaluations on val without a better score, then training stops")
    grad_clip_norm: Positive = Field(description="the gradient's norm is clipped to it")
    ema_halflife_images: NotNegative = Field(
        description="images after which the moving average of the weights has forgotten half; at most 5% of the images "
        "seen so far, so a default budget never reaches it; 0: no average"
    )
    precision: Precision = Field(description="auto: 16 bits where the hardware is faster with them")
    compile: bool = Field(description="`torch.compile`; without a compiler training says so and goes on")
    grids_every_evaluations: Count = Field(description="evaluations between two grids of samples and reconstructions")
    augment: Augment
    checks: Checks

    @model_validator(mode="after")
    def _names_each_model_once_and_the_base_first(self) -> "Train":
        names = [*self.models, *self.models_on_base]
        if twice := [name for name in names if names.count(name) > 1]:
            raise ValueError(f"each model once, not {twice[0]} twice")
        if self.models_on_base and self.base not in self.models:
            raise ValueError(f"the base {self.base} among the models {', '.join(self.models)}")
        return self


SECTIONS = {"train": Train}
