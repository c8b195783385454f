"""Drawn images that several tests work on."""

import cv2
import numpy as np

from morelike.core import randomness


def picture(height: int = 40, width: int = 32, channels: int = 3, seed: int = 0) -> np.ndarray:
    """Return soft blobs, uint8 H×W×C."""
    cells = randomness.generator(seed, "test").random((6, 5, channels)).astype(np.float32)
    image = cv2.resize(cells, (width, height), interpolation=cv2.INTER_CUBIC).reshape(height, width, channels)
    return (image.clip(0, 1) * 255).astype(np.uint8)
