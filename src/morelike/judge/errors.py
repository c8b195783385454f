"""What can go wrong while classifiers judge."""

from morelike.core.errors import MorelikeError


class JudgeError(MorelikeError):
    """A classifier that cannot be trained as asked."""


class LeakError(MorelikeError):
    """Train images that show images of val or test, so that a verdict on these would say nothing."""
