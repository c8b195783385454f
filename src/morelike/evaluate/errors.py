"""What can go wrong in evaluate."""

from morelike.core.errors import MorelikeError


class JudgeError(MorelikeError):
    """A classifier that cannot judge, because its training failed."""
