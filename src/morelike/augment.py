"""Classical augmentation of a batch on the device: an own affine map and tone for each image."""

import torch
import torch.nn.functional as F
from torch import Tensor

from morelike.params import Augment


def apply(images: Tensor, settings: Augment, generator: torch.Generator) -> Tensor:
    """Rotate, shift, zoom, mirror and tone each image by its own draw.

    What comes in from outside the picture is the mean colour of that picture's own border, so that neither
    black corners nor streaks are learnt.

    Args:
        images: float32 N×C×H×W in [0, 1].
        settings: the most that an image is changed by; draws are uniform, on the CPU, so that they do not
            depend on the device.
        generator: a CPU generator; advances.

    Returns:
        float32 N×C×H×W in [0, 1].
    """
    count, _, height, width = images.shape
    draws = (torch.rand(count, 7, generator=generator) * 2 - 1).to(images.device)
    angle = draws[:, 0] * torch.pi * settings.rotate_deg / 180
    zoom = 1 / (1 + draws[:, 1] * settings.scale)
    mirror = torch.where((draws[:, 2] > 0) & settings.flip, -1.0, 1.0)
    cos, sin, aspect = angle.cos() * zoom, angle.sin() * zoom, height / width
    maps = torch.stack(
        [
            torch.stack([cos * mirror, -sin * aspect, 2 * draws[:, 3] * settings.translate], 1),
            torch.stack([sin / aspect * mirror, cos, 2 * draws[:, 4] * settings.translate], 1),
        ],
        1,
    )
    grid = F.affine_grid(maps, list(images.shape), align_corners=False)
    border = border_colour(images)
    moved = F.grid_sample(images - border, grid, align_corners=False) + border
    mean = moved.mean((1, 2, 3), keepdim=True)
    contrast = 1 + draws[:, 5].view(-1, 1, 1, 1) * settings.contrast
    brightness = draws[:, 6].view(-1, 1, 1, 1) * settings.brightness
    return ((moved - mean) * contrast + mean + brightness).clamp(0, 1)


def border_colour(images: Tensor) -> Tensor:
    """Return the mean colour of each image's outermost pixels, N×C×1×1."""
    edges = [images[:, :, 0], images[:, :, -1], images[:, :, :, 0], images[:, :, :, -1]]
    return torch.cat(edges, 2).mean(2)[:, :, None, None]
