"""How images are augmented by classical means: the section ``train.augment``. It must load without torch."""

from typing import Annotated

from pydantic import Field

from morelike.core.settings import Section, Share


class Augment(Section):
    """Classical augmentation: each value is the largest change; the change itself is drawn uniformly."""

    flip: bool = Field(description="mirror half of the images; letters and digits must not be")
    rotate_deg: Annotated[float, Field(ge=0, le=180)] = Field(description="degrees, at most")
    translate: Share = Field(description="share of the side, at most")
    scale: Annotated[float, Field(ge=0, lt=1)] = Field(description="zoom in or out by up to this share")
    brightness: Share = Field(description="share of the range, at most")
    contrast: Annotated[float, Field(ge=0, lt=1)] = Field(description="share, at most")


SECTIONS: dict[str, type[Section]] = {}  # the only one is a part of `train`
