"""What the page shows: the section ``report``."""

from pydantic import Field

from morelike.core.settings import Count, Section


class Report(Section):
    """What the page shows."""

    examples: Count = Field(description="images per class in the figures")


SECTIONS = {"report": Report}
