"""The page: the section ``report``."""

from pydantic import Field

from morelike.core.settings import Count, Section


class Report(Section):
    """The page."""

    examples: Count = Field(description="images per class in the figures")


SECTIONS = {"report": Report}
