"""The noise that images get: the section ``corrupt``."""

from pydantic import Field

from morelike.core.settings import Section
from morelike.images.noise import Recipes


class Corrupt(Section):
    """Named recipes of noise, each a list of steps."""

    recipes: Recipes = Field(
        description="named lists of noise steps, applied in order; each image gets one recipe, drawn at random"
    )


SECTIONS = {"corrupt": Corrupt}
