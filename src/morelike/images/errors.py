"""What can be wrong with images."""

import math

from morelike.core.errors import MorelikeError


class ImageError(MorelikeError):
    """One file that is not a usable image.

    ``code`` is the reason under which it is quarantined; ``value`` was measured against ``limit``, or is NaN.
    """

    def __init__(self, code: str, detail: str, value: float = math.nan, limit: float = math.nan):
        self.code, self.detail, self.value, self.limit = code, detail, value, limit
        super().__init__(f"{code}: {detail}")


class NormalisationError(MorelikeError):
    """The arrays that a model would read are not what it expects (NaN, range, shape, channel order)."""
