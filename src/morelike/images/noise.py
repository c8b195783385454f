"""Noise: one short class per kind, with its settings. uint8 H×W×C in, a new uint8 H×W×C out.

To add a kind, write a class here with its own ``kind`` and name it in :data:`NoiseStep`.
Strengths refer to pixel values in [0, 1]. Every kind is called with a random generator, even if it draws nothing.
"""

from collections.abc import Sequence
from typing import Annotated, Literal

import cv2
import numpy as np
from pydantic import Discriminator, Field

from morelike.core.settings import Count, Section, Share
from morelike.images import pixels

Strength = Annotated[float, Field(ge=0, le=100)]


class Gaussian(Section):
    """Add N(0, ``std``²) to every value (sensor and amplifier noise; Gonzalez & Woods, ch. 5), then clip."""

    kind: Literal["gaussian"]
    std: Strength = Field(description="standard deviation, pixels in [0, 1]")

    def __call__(self, image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Return a noisy copy."""
        return _to_uint8(_to_float(image) + self.std * rng.standard_normal(image.shape, np.float32))


class SaltAndPepper(Section):
    """Turn each pixel black or white, with probability ``share``/2 each (impulse noise; Gonzalez & Woods, ch. 5)."""

    kind: Literal["salt_and_pepper"]
    share: Share = Field(description="share of the pixels")

    def __call__(self, image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Return a noisy copy."""
        draw = rng.random(image.shape[:2], np.float32)
        noisy = image.copy()
        noisy[draw < self.share] = 255
        noisy[draw < self.share / 2] = 0
        return noisy


class Speckle(Section):
    """Multiply every value by 1 + N(0, ``std``²), then clip: white is hit hardest and black not at all."""

    kind: Literal["speckle"]
    std: Strength = Field(description="standard deviation of the factor")

    def __call__(self, image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Return a noisy copy."""
        return _to_uint8(_to_float(image) * (1 + self.std * rng.standard_normal(image.shape, np.float32)))


class Poisson(Section):
    """Count photons: Poisson(value · ``peak``) / ``peak``, of variance value / ``peak``."""

    kind: Literal["poisson"]
    peak: Annotated[float, Field(gt=0, le=1e9)] = Field(description="photons at white")

    def __call__(self, image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Return a noisy copy."""
        return _to_uint8(rng.poisson(_to_float(image) * self.peak) / self.peak)


class Blur(Section):
    """Convolve with a Gaussian; the image is mirrored at its border, so its mean stays."""

    kind: Literal["blur"]
    sigma_px: Annotated[float, Field(gt=0, le=100)] = Field(description="standard deviation of the kernel, pixels")

    def __call__(self, image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Return a blurred copy."""
        return cv2.GaussianBlur(image, (0, 0), self.sigma_px, borderType=cv2.BORDER_REFLECT).reshape(image.shape)


class Jpeg(Section):
    """Encode as baseline JPEG (ISO/IEC 10918-1, 4:2:0), and decode again."""

    kind: Literal["jpeg"]
    quality: Annotated[int, Field(ge=1, le=100)] = Field(description="1 to 100")

    def __call__(self, image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Return a copy with JPEG's artefacts."""
        return pixels.through_jpeg(image, self.quality)


class Masking(Section):
    """Black out distinct squares, as many as fit into ``share`` of the area.

    Masking noise of Vincent et al., "Extracting and composing robust features with denoising autoencoders" (2008),
    with squares instead of single pixels. The squares are cells of a grid at a random offset, so they never overlap.
    The masked area is at most ``share`` of the image and less than one square below it, unless the grid has too few
    cells.
    """

    kind: Literal["masking"]
    share: Share = Field(description="share of the area")
    size_px: Count = Field(description="side of the squares, pixels")

    def __call__(self, image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Return a masked copy."""
        height, width = image.shape[:2]
        size = min(self.size_px, height, width)
        rows, columns = height // size, width // size
        wanted = min(int(self.share * height * width / size**2 + 1e-9), rows * columns)
        top, left = rng.integers(height % size + 1), rng.integers(width % size + 1)
        noisy = image.copy()
        for cell in rng.choice(rows * columns, wanted, replace=False):
            y, x = top + cell // columns * size, left + cell % columns * size
            noisy[y : y + size, x : x + size] = 0
        return noisy


NoiseStep = Annotated[Gaussian | SaltAndPepper | Speckle | Poisson | Blur | Jpeg | Masking, Discriminator("kind")]
Recipes = Annotated[dict[str, Annotated[list[NoiseStep], Field(min_length=1)]], Field(min_length=1)]


def apply(recipe: Sequence[NoiseStep], image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Apply the steps of a recipe in order; ``image`` itself is left as it is."""
    for step in recipe:
        image = step(image, rng)
    return image


def twin(image: np.ndarray, recipes: Recipes, rng: np.random.Generator) -> tuple[np.ndarray, str]:
    """Return a noisy twin of uint8 H×W×C by a recipe that is drawn, all being equally likely, and the recipe's name."""
    name = sorted(recipes)[rng.integers(len(recipes))]
    return apply(recipes[name], image, rng), name


def _to_float(image: np.ndarray) -> np.ndarray:
    return image.astype(np.float32) / np.float32(255)


def _to_uint8(image: np.ndarray) -> np.ndarray:
    return np.rint(image.clip(0, 1) * 255).astype(np.uint8)
