"""Stand-in."""

from typing import Literal

import pydantic

from morelike.images.settings import Classical


class Recipe(pydantic.BaseModel):
    """Stand-in."""

    model_config = pydantic.ConfigDict(frozen=True, extra="forbid")

    draw: Literal["class", "folder"] = "class"
    synthetic: float = 0.0
    generators: tuple[str, ...] = ()
    augment: Classical = Classical()
