"""Where the raw images are: the section ``data``."""

from pathlib import PurePath

from PIL import ImageColor
from pydantic import Field, field_validator

from morelike.core.settings import Section


class Data(Section):
    """Where the raw images are, and the background of transparent ones."""

    raw: str = Field(description="your images: a folder, `.zip`, `.tar`, or a folder of `.tar` shards")
    background: str = Field(description="a colour name or #rrggbb; transparent images are laid on it")

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
    def background_rgb(self) -> tuple[int, int, int]:
        """Red, green and blue, 0 to 255."""
        return ImageColor.getrgb(self.background)[:3]


SECTIONS = {"data": Data}
