"""Noise for the rows of a batch on a device."""

import numpy as np
import torch
from torch import Tensor

from morelike.core.randomness import generator


class RowNoise:
    """Standard normal values, each row from its own stream: no batch size or order changes an image's noise."""

    def __init__(self, seed: int, purpose: str, rows: np.ndarray, device: torch.device):
        self._generators = [generator(seed, purpose, int(row)) for row in rows]
        self._device = device

    def __call__(self, shape: tuple[int, ...]) -> Tensor:
        """Return float32 N×shape."""
        draws = np.stack([rng.standard_normal(shape, np.float32) for rng in self._generators])
        return torch.from_numpy(draws).to(self._device)
