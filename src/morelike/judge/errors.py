"""What can go wrong while classifiers judge."""

from morelike.core.errors import MorelikeError


class JudgeError(MorelikeError):
    """A classifier that cannot be trained as asked."""


class LeakError(MorelikeError):
    """Images to learn from that show what val or test hold back."""
