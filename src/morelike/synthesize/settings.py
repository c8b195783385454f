"""How many new images are made: the section ``synthesize``. How each model makes them stands in the model's file."""

from typing import Literal

from pydantic import Field

from morelike.core.settings import Count, CountOrZero, Section


class Synthesize(Section):
    """How many new images."""

    batch_size: Count = Field(description="images")
    per_class: Literal["balance"] | CountOrZero = Field(
        description="new images per class: a number, or balance: up to the largest class"
    )
    at_least: CountOrZero = Field(description="new images per class even where `balance` asks for fewer")


SECTIONS = {"synthesize": Synthesize}
