"""The size of the built-in set: the section ``demo_data``."""

from pydantic import Field

from morelike.core.settings import Count, Section


class DemoData(Section):
    """Images per class in the built-in set."""

    train_common: Count = Field(description="train images of each of the digits 0 to 4")
    train_rare: Count = Field(description="train images of each of the digits 5 to 9")
    val: Count = Field(description="val images per digit")
    test: Count = Field(description="test images per digit")


SECTIONS = {"demo_data": DemoData}
