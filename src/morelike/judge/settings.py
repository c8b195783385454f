"""The classifiers that judge the new images: the section ``evaluate``."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from morelike.core.settings import BatchSize, ChannelWidth, Count, NotNegative, Positive, Section, Share
from morelike.images.settings import Classical

MOST_RECIPES = 6  # with and without synthetic images: each more is one more chance to be wrong
EXTRAS = Literal["flip", "erase", "operations", "mixup", "cutmix"]


class Judge(Section):
    """The classifiers that judge the new images."""

    network: str = Field(
        description="`small`, a residual network of 6 to 8 layers, or a classification model of torchvision, such as "
        "`resnet18`"
    )
    pretrained: bool = Field(description="begin with torchvision's weights; of its models alone")
    width: ChannelWidth = Field(description="channels of the small network at its first level")
    batch_size: BatchSize = Field(description="images")
    learning_rates: Annotated[list[Positive], Field(min_length=1, max_length=5)] = Field(
        description="val chooses one, for real images alone; what has synthetic ones takes the same"
    )
    max_steps: Literal["auto"] | Annotated[int, Field(ge=2)] = Field(
        description="of one training; it stops before if val says so. auto: 60 epochs of the real train images, and at "
        "least 1000"
    )
    evaluate_every_steps: Count = Field(description="steps between two looks at val, and an epoch at least")
    patience: Count = Field(
        description="looks at val without a loss that is lower by 2%, then the best weights so far cool down"
    )
    cooldown_share: Annotated[float, Field(gt=0, lt=1)] = Field(
        description="of a training, at its end, in which the learning rate and the share of synthetic images fall to 0"
    )
    seeds: Annotated[int, Field(ge=5)] = Field(description="trainings of each training set that the verdict compares")
    seeds_beside: Annotated[int, Field(ge=2)] = Field(description="trainings of each of those that are shown beside it")
    selection_seeds: Count = Field(description="trainings of each recipe that val chooses from")
    shares: Annotated[list[Share], Field(min_length=1, max_length=MOST_RECIPES - 1)] = Field(
        description="probabilities of a synthetic image that val chooses from; 0 is always among them"
    )
    leak_distance: NotNegative = Field(
        description="rms of pixels in [0, 1]: a train image nearer than this to one of val or test shows the same"
    )
    margin: Annotated[float, Field(gt=0, lt=1)] = Field(
        description="balanced accuracy: a difference within it is of no use"
    )
    confidence: Annotated[float, Field(gt=0.5, lt=1)] = Field(
        description="of the intervals, when the test split is opened for the first time"
    )
    strengths: Annotated[list[Positive], Field(min_length=1, max_length=5)] = Field(
        description="factors of `evaluate.augment` that val chooses from"
    )
    extras: list[EXTRAS] = Field(description="each is tried once on top, and kept if val is the better for it")
    augment: Classical

    @model_validator(mode="after")
    def _extras_are_of_some_strength(self) -> "Judge":
        for name in {"erase", "operations"} & set(self.extras):
            if not getattr(self.augment, name):
                raise ValueError(f"augment.{name} above 0, since extras names {name}")
        return self


SECTIONS = {"evaluate": Judge}
