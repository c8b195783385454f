"""How many new images are made: the section ``synthesize``. How each model makes them stands in the model's file."""

from typing import Annotated, Literal

from pydantic import Field

from morelike.core.settings import BatchSize, Section

ImagesPerClass = Annotated[int, Field(ge=0, le=1_000_000)]


class Synthesize(Section):
    """How many new images."""

    batch_size: BatchSize = Field(description="images")
    per_class: Literal["balance"] | ImagesPerClass = Field(
        description="new images per class: a number, or balance: up to the largest class"
    )
    at_least: ImagesPerClass = Field(description="new images per class even where `balance` asks for fewer")


SECTIONS = {"synthesize": Synthesize}
