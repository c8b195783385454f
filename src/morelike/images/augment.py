"""Classical augmentation of what a model learns from: each image gets its own affine map, brightness and contrast."""

import torch
from torch import Tensor

from morelike.images import geometry, tones
from morelike.images.settings import Augment


def apply(images: Tensor, settings: Augment, generator: torch.Generator) -> Tensor:
    """Rotate, shift, zoom, mirror, brighten and raise the contrast of each image by its own random draw.

    Pixels from outside the picture get the mean colour of that picture's border, so that a model learns neither
    black corners nor streaks.

    Args:
        images: float32 N×C×H×W in [0, 1].
        settings: the largest changes. The draws are made on the CPU, so that they do not depend on the device.
        generator: a CPU generator; it is advanced.

    Returns:
        float32 N×C×H×W in [0, 1].
    """
    count, _, height, width = images.shape
    draws = (torch.rand(count, 7, generator=generator) * 2 - 1).to(images.device)
    angle = draws[:, 0] * torch.pi * settings.rotate_deg / 180
    zoom = 1 / (1 + draws[:, 1] * settings.scale)
    mirror = torch.where((draws[:, 2] > 0) & settings.flip, -1.0, 1.0)
    maps = geometry.affine_maps(angle, 0.0, zoom, 2 * draws[:, 3:5] * settings.translate, height / width)
    maps[:, :, 0] *= mirror[:, None]
    moved = geometry.resample(images, geometry.affine_grid(maps, height, width))
    return tones.adjusted(moved, draws[:, 5] * settings.contrast, draws[:, 6] * settings.brightness)
