"""Read audited files once more, as the audit read them."""

import hashlib
from dataclasses import dataclass, fields

import numpy as np
import pandas as pd

from morelike.audit.errors import AuditError
from morelike.images import pixels, stacks
from morelike.images.colour import Colour
from morelike.images.deep import Span
from morelike.storage.labels import path_of
from morelike.storage.sources import Source


@dataclass(frozen=True, slots=True)
class Stored:
    """A raw image, and how it was audited: columns of the table of facts."""

    file: str
    sha256: str
    page: int
    black: float
    white: float


COLUMNS = [field.name for field in fields(Stored)]


def stored_in(table: pd.DataFrame) -> list[Stored]:
    """Return each row of a table that has the columns of :class:`Stored`."""
    return [Stored(*row) for row in table[COLUMNS].itertuples(index=False)]


@dataclass(frozen=True)
class Reader:
    """Reads and decodes raw files; pickles, so it can be sent to worker processes.

    Attributes:
        source: where the files are.
        max_pixels: larger images are refused before they are decoded.
        background: RGB, 0 to 255; transparent images are laid on it.
    """

    source: Source
    max_pixels: int
    background: Colour

    def data(self, stored: Stored) -> bytes:
        """Return the bytes of a file.

        Raises:
            AuditError: if they are others than those that were audited.
            ImageError: if they can no longer be read.
        """
        data = self.source.read(path_of(stored.file, stored.page))
        if hashlib.sha256(data).hexdigest() != stored.sha256:
            raise AuditError(f"{stored.file}: its sha256 is another one than when it was audited; run again")
        return data

    def pixels(self, stored: Stored, data: bytes) -> np.ndarray:
        """Decode ``data`` of a file: uint8 H×W×1 if it is grey, H×W×3 in RGB order if not; upright.

        Raises:
            ImageError: if it is no usable image.
        """
        span = Span(stored.black, stored.white, clips=True)
        return pixels.decode(stacks.alone(data, stored.page, self.max_pixels), self.max_pixels, self.background, span)
