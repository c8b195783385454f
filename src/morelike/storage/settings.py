"""Where the raw images are: the section ``data``."""

from typing import Literal

from PIL import ImageColor
from pydantic import Field, field_validator

from morelike.core.settings import Section
from morelike.storage import grouping


class Data(Section):
    """Where the raw images are, and the background of transparent ones."""

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
    background: str = Field(description="a colour name or #rrggbb; transparent images are laid on it")

    @field_validator("groups")
    @classmethod
    def _names_groups(cls, value: str | None) -> str | None:
        return value if value is None else grouping.check_rule(value)

    @field_validator("background")
    @classmethod
    def _is_a_colour(cls, value: str) -> str:
        ImageColor.getrgb(value)
        return value

    @property
    def background_rgb(self) -> tuple[int, int, int]:
        """Red, green and blue, 0 to 255."""
        return ImageColor.getrgb(self.background)[:3]


SECTIONS = {"data": Data}
