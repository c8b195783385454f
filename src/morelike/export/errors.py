"""What can go wrong in export."""

from morelike.core.errors import MorelikeError


class ExportError(MorelikeError):
    """New images that must not be let into the augmented dataset as they are."""
