"""A kind of noise, as it would stand in ``src/morelike/images/noise.py``."""

from typing import Literal

import numpy as np
from pydantic import Field

from morelike.core.settings import Count, Section, Share


class Stripes(Section):
    """Darken every ``period_px``-th row, as a failing scanner does; which row is first is drawn."""

    kind: Literal["stripes"]
    period_px: Count = Field(description="rows from one dark row to the next")
    share: Share = Field(description="share of its brightness that a dark row loses")

    def __call__(self, image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Return a striped copy."""
        noisy = image.copy()
        rows = slice(rng.integers(self.period_px), None, self.period_px)
        noisy[rows] = np.rint(image[rows] * (1 - self.share))
        return noisy
