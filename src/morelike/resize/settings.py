"""The one form that all images get: the section ``resize``."""

from typing import Annotated, Literal

from pydantic import Field

from morelike.core.settings import Count, Section

Side = Annotated[int, Field(ge=1, le=8192)]


class Resize(Section):
    """The one form that all images get."""

    width_px: Literal["auto"] | Side = Field(
        description="pixels; auto: from the median size of the train images, at most 64"
    )
    height_px: Literal["auto"] | Side = Field(description="pixels; auto: as `resize.width_px`")
    color: Literal["auto", "grey", "rgb"] = Field(description="auto: rgb if any train image has colour")
    fit: Literal["pad", "crop", "stretch"] = Field(
        description="`pad` adds a border, `crop` cuts the middle out, `stretch` changes the proportions"
    )
    check_images: Count = Field(description="images whose channel order is proven against a second decoder")
    check_splits: bool = Field(True, description="stop if val or test does not look like train")


SECTIONS = {"resize": Resize}
