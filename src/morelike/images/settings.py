"""How images are augmented by classical means: the section ``train.augment``. It must load without torch."""

from typing import Annotated, Literal

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


class Classical(Section):
    """Stand-in."""

    rotate_deg: Annotated[float, Field(ge=0, le=180)] = Field(0.0, description="degrees, at most")
    shear_deg: Annotated[float, Field(ge=0, le=60)] = Field(0.0, description="degrees, at most")
    translate: Share = Field(0.0, description="share of the side, at most")
    scale: Annotated[float, Field(ge=0, lt=1)] = Field(0.0, description="zoom in or out by up to this share")
    elastic: Annotated[float, Field(ge=0, le=0.5)] = Field(0.0, description="std of the shifts")
    brightness: Share = Field(0.0, description="share of the range, at most")
    contrast: Annotated[float, Field(ge=0, lt=1)] = Field(0.0, description="share, at most")
    operations: Annotated[int, Field(ge=0, le=8)] = Field(0, description="tone operations drawn per image")
    operation_strength: Share = Field(0.0, description="of the operations")
    erase: Share = Field(0.0, description="largest share of the area erased")
    flip: bool = Field(False, description="mirror half of the images")
    mix: Literal["none", "mixup", "cutmix"] = Field("none", description="mix pairs")

    def scaled(self, strength: float) -> "Classical":
        return self
