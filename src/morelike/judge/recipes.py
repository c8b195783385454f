"""How a classifier is to be trained on a dataset: which images are drawn how often, and how they are augmented."""

from typing import Literal

from pydantic import Field

from morelike.core.settings import Section, Share
from morelike.images.settings import Classical


class Recipe(Section):
    """A way to draw the train images of a dataset, and to augment them."""

    draw: Literal["class", "folder"] = Field(
        "class", description="a class first, all alike, then an image of it; or any image of the folder, all alike"
    )
    synthetic: Share = Field(
        0.0,
        description="probability of a synthetic image, the same for all classes, falling to 0 at the end of training; "
        "1: nothing but synthetic images, to the end; with `folder` any number above 0 means all that there are",
    )
    generators: tuple[str, ...] = Field((), description="whose synthetic images; none: of all")
    augment: Classical

    def at(self, share: float, generators: tuple[str, ...] = ()) -> "Recipe":
        """Return this recipe with another share of synthetic images."""
        return self.model_copy(update={"synthetic": share, "generators": generators})

    def in_words(self) -> str:
        """Return how images are drawn, such as ``25% synthetic (dae)``."""
        if self.draw == "folder":
            return "all images alike" if self.synthetic else "all real images alike"
        of = f" ({', '.join(self.generators)})" if self.generators else ""
        return f"{self.synthetic:.0%} synthetic{of}" if self.synthetic else "real images alone"
