"""The errors that the audit on its own raises."""

from morelike.core.errors import MorelikeError


class AuditError(MorelikeError):
    """What was asked for cannot be written, or the files changed meanwhile."""
