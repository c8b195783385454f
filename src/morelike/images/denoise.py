"""The denoisers of OpenCV that a learned one is held against. uint8 H×W×C in, a new uint8 H×W×C out."""

from collections.abc import Callable
from typing import NamedTuple

import cv2
import numpy as np


class Denoiser(NamedTuple):
    """A way to take noise out of an image, and how strong it may be.

    Attributes:
        function: of OpenCV, given an image and a strength.
        strengths: to choose from, from weak to strong.
        unit: of a strength.
    """

    function: Callable[[np.ndarray, float], np.ndarray]
    strengths: tuple[float, ...]
    unit: str

    def __call__(self, image: np.ndarray, strength: float) -> np.ndarray:
        """Return the image with less noise."""
        return self.function(image, strength).reshape(image.shape)


DENOISERS = {
    # Buades et al. 2005: the mean of pixels whose surroundings of 7×7 px are alike, among those of 21×21 px
    "non-local means": Denoiser(
        lambda image, strength: cv2.fastNlMeansDenoising(image, None, strength), (5.0, 10.0, 20.0, 35.0, 60.0), "levels"
    ),
    "median": Denoiser(lambda image, strength: cv2.medianBlur(image, int(strength)), (3.0, 5.0), "px"),
    "Gaussian": Denoiser(
        lambda image, strength: cv2.GaussianBlur(image, (0, 0), strength), (0.35, 0.5, 0.7, 1.0, 1.4), "px"
    ),
}
