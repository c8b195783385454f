"""Where the raw images are: the section ``data``."""

from PIL import ImageColor
from pydantic import Field, field_validator

from morelike.core.settings import Section


class Data(Section):
    """Where the raw images are, and the background of transparent ones."""

    raw: str = Field(description="your images: a folder, `.zip`, `.tar`, or a folder of `.tar` shards")
    labels: str = Field(
        description="`auto`: from a table of labels among the images, else from folders; `folders`: the top folders "
        "are the classes, and none is a split; or the path of a table in `data.raw`"
    )
    background: str = Field(description="a colour name or #rrggbb; transparent images are laid on it")

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
