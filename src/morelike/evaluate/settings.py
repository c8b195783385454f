"""The classifiers that judge the new images: the section ``evaluate``."""

from typing import Annotated

from pydantic import Field

from morelike.core.settings import BatchSize, ChannelWidth, Count, Positive, Section


class Evaluate(Section):
    """The classifiers that judge the new images."""

    seeds: Annotated[int, Field(ge=3)] = Field(description="trainings of each classifier")
    steps: Count = Field(description="steps of each classifier, whatever its training set")
    batch_size: BatchSize = Field(description="images")
    learning_rate: Positive = Field(description="at its highest")
    width: ChannelWidth = Field(description="channels of the classifier at its first level")
    confidence: Annotated[float, Field(gt=0.5, lt=1)] = Field(description="of the intervals")
    bootstrap: Annotated[int, Field(ge=100, le=1_000_000)] = Field(description="resamples")


SECTIONS = {"evaluate": Evaluate}
