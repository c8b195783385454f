"""The errors that raw images and stores raise."""

from morelike.core.errors import MorelikeError


class SourceError(MorelikeError):
    """The raw images cannot be found or listed at all."""


class StoreError(MorelikeError):
    """A shard store is missing, damaged, or of another shape than expected."""
