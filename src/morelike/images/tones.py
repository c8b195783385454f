"""Changes of tone that no label depends on: each image by its own amount, all of a batch at once.

An operation takes images N×C×H×W in [0, 1] and amounts N×1×1×1 from -1 to 1. Amount 0 changes nothing but rounding.
What it returns may leave [0, 1].
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

GAMMA_MOST = 2.5  # exponents go from its inverse to it
POSTERIZE_BITS = 4  # fewer of 8, at most
FLAT = 1 / 255  # the least range of an image that is stretched


def adjusted(images: Tensor, contrast: Tensor, brightness: Tensor) -> Tensor:
    """Stretch each image's values around its mean by 1 + ``contrast``, and add ``brightness``. Overwrites ``images``.

    Args:
        images: float32 N×C×H×W.
        contrast: N.
        brightness: N, as a share of the range.

    Returns:
        float32 N×C×H×W in [0, 1].
    """
    mean = images.mean((1, 2, 3), keepdim=True)
    contrast, brightness = 1 + contrast.view(-1, 1, 1, 1), brightness.view(-1, 1, 1, 1)
    return images.sub_(mean).mul_(contrast).add_(mean + brightness).clamp_(0, 1)


def operate(images: Tensor, choices: Tensor, amounts: Tensor) -> Tensor:
    """Change each image by one of :data:`OPERATIONS` after another, as RandAugment does (Cubuk et al. 2020).

    Of theirs, those are left out that may change a label (inversion, solarization) or move pixels.

    Args:
        images: float32 N×C×H×W in [0, 1].
        choices: int64 N×K on the CPU, places in :data:`OPERATIONS`.
        amounts: float32 N×K on the CPU, -1 to 1.

    Returns:
        float32 N×C×H×W in [0, 1].
    """
    images = images.clone()
    for chosen, amount in zip(choices.T, amounts.T, strict=True):
        for number, operation in enumerate(OPERATIONS):
            rows = (chosen == number).nonzero().squeeze(1)
            strength = amount[rows].view(-1, 1, 1, 1).to(images.device)
            rows = rows.to(images.device)
            images[rows] = operation(images[rows], strength).clamp_(0, 1)
    return images


def identity(images: Tensor, amounts: Tensor) -> Tensor:
    """Change nothing: a part of the images keeps its tones."""
    return images


def gamma(images: Tensor, amounts: Tensor) -> Tensor:
    """Darken or lighten what is neither black nor white, by a power."""
    return images ** (GAMMA_MOST**amounts)


def sharpness(images: Tensor, amounts: Tensor) -> Tensor:
    """Blur (-1: by a binomial filter of 3×3 pixels) or sharpen by as much."""
    padded = F.pad(images, (1, 1, 1, 1), mode="replicate")
    rows = padded[:, :, :-2] + 2 * padded[:, :, 1:-1] + padded[:, :, 2:]
    blurred = (rows[:, :, :, :-2] + 2 * rows[:, :, :, 1:-1] + rows[:, :, :, 2:]) / 16
    return images + amounts * (images - blurred)


def posterize(images: Tensor, amounts: Tensor) -> Tensor:
    """Round to fewer levels, 256 to 16."""
    steps = 2 ** (8 - POSTERIZE_BITS * amounts.abs()) - 1
    return (images * steps).round() / steps


def stretch(images: Tensor, amounts: Tensor) -> Tensor:
    """Move the darkest value towards 0 and the lightest towards 1, by a part of the way."""
    least, most = images.amin((1, 2, 3), keepdim=True), images.amax((1, 2, 3), keepdim=True)
    return torch.lerp(images, (images - least) / (most - least).clamp_min(FLAT), amounts.abs())


def colour(images: Tensor, amounts: Tensor) -> Tensor:
    """Make colours paler (-1: grey) or stronger; grey images stay."""
    return images + amounts * (images - images.mean(1, keepdim=True))


OPERATIONS: tuple[Callable[[Tensor, Tensor], Tensor], ...] = (
    identity,
    gamma,
    sharpness,
    posterize,
    stretch,
    colour,
)
