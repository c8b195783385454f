"""The sampler of Karras et al. 2022 (EDM): from noise of a known level to a clean image."""

from collections.abc import Callable

import torch
from torch import Tensor

RHO = 7.0  # EDM, table 1: how much denser the steps are at low noise


def sigma_steps(sigma_start: float, sigma_end: float, steps: int) -> Tensor:
    """Return ``steps`` noise levels from ``sigma_start`` down to ``sigma_end``, then 0 (EDM, eq. 5); float32.

    >>> sigma_steps(80.0, 0.002, 3).tolist()[-1]
    0.0
    """
    ramp = torch.linspace(0, 1, steps, dtype=torch.float64)
    start, end = sigma_start ** (1 / RHO), sigma_end ** (1 / RHO)
    return torch.cat([(start + ramp * (end - start)) ** RHO, torch.zeros(1)]).float()


def heun(denoise: Callable[[Tensor, Tensor], Tensor], x: Tensor, sigmas: Tensor) -> Tensor:
    """Follow the probability-flow ODE from ``sigmas[0]`` to 0 by Heun's second-order method (EDM, algorithm 1).

    Args:
        denoise: maps N×C×H×W and noise levels N to the expected clean images.
        x: float32 N×C×H×W, clean images plus noise of ``sigmas[0]``.
        sigmas: decreasing, the last is 0.

    Returns:
        float32 N×C×H×W. Deterministic; two evaluations a step, one for the last.
    """
    for now, after in zip(sigmas[:-1].tolist(), sigmas[1:].tolist(), strict=True):
        slope = (x - denoise(x, x.new_full((len(x),), now))) / now
        following = x + (after - now) * slope
        if after > 0:
            slope_there = (following - denoise(following, x.new_full((len(x),), after))) / after
            following = x + (after - now) * (slope + slope_there) / 2
        x = following
    return x
