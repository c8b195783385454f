"""What can be wrong with a model."""

from morelike.core.errors import MorelikeError


class ModelError(MorelikeError):
    """A saved model that is missing, damaged, or does not fit what is asked of it."""
