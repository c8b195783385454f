"""The errors that images raise."""

import math

from morelike.core.errors import MorelikeError


class ImageError(MorelikeError):
    """One file that is not a usable image.

    Attributes:
        code: the fault code under which the file is quarantined.
        detail: the reason in words.
        value: what was measured, NaN if nothing was.
        limit: what ``value`` was compared with, NaN if there is none.
    """

    def __init__(self, code: str, detail: str, value: float = math.nan, limit: float = math.nan):
        self.code, self.detail, self.value, self.limit = code, detail, value, limit
        super().__init__(f"{code}: {detail}")


class NormalisationError(MorelikeError):
    """The arrays that a model would read are not what it expects (NaN, range, shape, channel order)."""
