"""How images are augmented by classical means: for the models and for the judge. It must load without torch."""

import math
from typing import Annotated, Literal

from pydantic import Field
from pydantic.fields import FieldInfo

from morelike.core.settings import CountOrZero, Section, Share

Mix = Literal["none", "mixup", "cutmix"]


class Augment(Section):
    """Classical augmentation: each value is the largest change; the change itself is drawn uniformly."""

    flip: bool = Field(description="mirror half of the images; letters and digits must not be")
    rotate_deg: Annotated[float, Field(ge=0, le=180)] = Field(description="degrees, at most")
    translate: Share = Field(description="share of the side, at most")
    scale: Annotated[float, Field(ge=0, lt=1)] = Field(description="zoom in or out by up to this share")
    brightness: Share = Field(description="share of the range, at most")
    contrast: Annotated[float, Field(ge=0, lt=1)] = Field(description="share, at most")


class Classical(Augment):
    """Classical augmentation of what a classifier learns from: :class:`Augment` and what only labels can bear."""

    shear_deg: Annotated[float, Field(ge=0, le=60)] = Field(description="slant, degrees, at most")
    elastic: Annotated[float, Field(ge=0, le=0.25)] = Field(
        description="standard deviation of the shifts of a 5×5 grid, as a share of the longer side"
    )
    operations: CountOrZero = Field(description="tone operations drawn per image (RandAugment), such as gamma")
    operation_strength: Share = Field(description="of these operations, at most")
    erase: Share = Field(description="share of the area erased, at most")
    mix: Mix = Field(description="how two images and their labels are mixed: none, mixup or cutmix")

    def scaled(self, strength: float) -> "Classical":
        """Return these settings with every largest change times ``strength``, at most what the field allows.

        ``flip``, ``operations`` and ``mix`` have no strength and stay.
        """
        magnitudes = {name: field for name, field in type(self).model_fields.items() if field.annotation is float}
        changes = {name: min(getattr(self, name) * strength, _most(field)) for name, field in magnitudes.items()}
        return type(self).model_validate(self.model_dump() | changes)


def _most(field: FieldInfo) -> float:
    """Return the largest float within the upper bound of a field."""
    for bound in field.metadata:
        if hasattr(bound, "le"):
            return float(bound.le)
        if hasattr(bound, "lt"):
            return math.nextafter(bound.lt, 0)
    return math.inf


SECTIONS: dict[str, type[Section]] = {}  # they are parts of `train` and `evaluate`
