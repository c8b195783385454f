"""Where the raw images are, and how they are read: the section ``data``."""

import math
from pathlib import PurePath
from typing import Any, Literal

from PIL import ImageColor
from pydantic import Field, field_validator

from morelike.core.settings import Section
from morelike.images.deep import Span
from morelike.storage import grouping

Bits = Literal[8, 10, 12, 14, 16]


class Data(Section):
    """Where the raw images are, and how they are read."""

    raw: str = Field(description="your images: a folder, `.zip`, `.tar`, or a folder of `.tar` shards")
    labels: str = Field(
        "auto",
        description="`auto`: from a table of labels among the images, else from folders; `folders`: the top folders "
        "are the classes, and none is a split; or the path of a table in `data.raw`",
    )
    groups: str | None = Field(
        None,
        description="images that must share a split: a regular expression on their paths whose first group names them, "
        "or `column:NAME` of the table of labels; `null`: only near-duplicates",
    )
    masks: Literal["auto", "none"] = Field(
        "auto", description="auto: masks are told by their names from the images beside them; none: all are images"
    )
    range: Literal["auto"] | Bits | tuple[float, float] = Field(
        "auto",
        description="which numbers become black and white in images of more than 8 bits: from 0 to what so many bits "
        "hold, or `[low, high]`, where what lies beyond is clipped; auto: 0 to the usual range that holds all images",
    )
    stack: Literal["first", "slices"] = Field(
        "first",
        description="of a multi-page TIFF or an animation: its first image, or each as an image of its own",
    )
    background: str = Field(description="a colour name or #rrggbb; transparent images are laid on it")

    @field_validator("groups")
    @classmethod
    def _names_groups(cls, value: str | None) -> str | None:
        return value if value is None else grouping.check_rule(value)

    @field_validator("range", mode="before")
    @classmethod
    def _is_a_range(cls, value: Any) -> Any:
        if isinstance(value, list | tuple):
            numbers = all(isinstance(one, int | float) and not isinstance(one, bool) for one in value)
            if len(value) == 2 and numbers and all(math.isfinite(one) for one in value) and value[0] < value[1]:
                return tuple(value)
        elif value == "auto" or (type(value) is int and value in Bits.__args__):
            return value
        raise ValueError("auto, 8, 10, 12, 14, 16, or [low, high] with two numbers, low below high")

    @field_validator("raw")
    @classmethod
    def _is_a_path_beside_the_project(cls, value: str) -> str:
        if "://" in value:
            raise ValueError("a path on this machine; `dvc import-url` fetches what lies elsewhere")
        if not value.strip() or "\0" in value or set(PurePath(value).parts) <= {"..", "."}:
            raise ValueError("a folder or file of images, which the project does not lie in")
        return value

    @field_validator("background")
    @classmethod
    def _is_a_colour(cls, value: str) -> str:
        ImageColor.getrgb(value)
        return value

    @property
    def span(self) -> Span | None:
        """The range of deep images, None if the set decides."""
        if self.range == "auto":
            return None
        if isinstance(self.range, tuple):
            return Span(*self.range, clips=True)
        return Span(0.0, float(2**self.range - 1))

    @property
    def background_rgb(self) -> tuple[int, int, int]:
        """Red, green and blue, 0 to 255."""
        return ImageColor.getrgb(self.background)[:3]


SECTIONS = {"data": Data}
