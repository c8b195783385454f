"""What can go wrong when images are made."""

from morelike.core.errors import MorelikeError


class SynthesisError(MorelikeError):
    """New images that cannot be made as asked."""
