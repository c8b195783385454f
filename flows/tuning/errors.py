"""What can go wrong in a search."""

from morelike.core.errors import MorelikeError


class SearchError(MorelikeError):
    """A search that cannot begin, or of which no trial completed."""


class TrialInterrupted(SearchError):
    """A trial that was ended from outside the search."""


class MetricMissing(SearchError):
    """A metric that the stage does not write: every trial would lack it."""
