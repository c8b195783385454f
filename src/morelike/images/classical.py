"""Classical augmentation of what a classifier learns from, strong and safe for labels: all of a batch at once."""

import math

import torch
from torch import Tensor

from morelike.images import geometry, tones
from morelike.images.settings import Classical

ERASED_ELONGATION_MOST = 3.3  # Zhong et al. 2020, section 3.2: aspects from 0.3 to 1 / 0.3


def classical(images: Tensor, settings: Classical, generator: torch.Generator) -> Tensor:
    """Mirror, move, bend, tone and erase a part of each image by its own random draws.

    One affine map with shear and one elastic field make one grid, so that pixels are interpolated once. Pixels from
    outside the picture get the mean colour of its border, erased ones the mean colour of the image (Zhong et al.
    2020, "Random erasing data augmentation"). What has strength 0 is left out: it changes no bit. Every setting has
    draws of its own, so that turning one on or off leaves the others' as they are. ``settings.mix`` is not looked
    at: mixing needs labels, see :func:`morelike.images.mixing.mixed`.

    Args:
        images: float32 N×C×H×W in [0, 1], with 1 or 3 channels; they stay as they are.
        settings: the largest changes.
        generator: a CPU generator; it is advanced.

    Returns:
        float32 N×C×H×W in [0, 1], on the device of ``images``.
    """
    count = len(images)
    signed = torch.rand(count, 7, generator=generator) * 2 - 1
    mirrored, *erasure = torch.rand(count, 5, generator=generator).unbind(1)
    shifts = torch.randn(count, 2, geometry.CONTROL_POINTS, geometry.CONTROL_POINTS, generator=generator)
    operations = torch.rand(count, settings.operations, 2, generator=generator)
    moves, toning = signed[:, :5].to(images.device), signed[:, 5:].to(images.device)
    if settings.flip:
        images = torch.where((mirrored < 0.5).to(images.device)[:, None, None, None], images.flip(3), images)
    if settings.rotate_deg or settings.shear_deg or settings.translate or settings.scale or settings.elastic:
        images = geometry.resample(images, _grid(images, settings, moves, shifts.to(images.device)))
    if settings.contrast or settings.brightness:
        contrast, brightness = toning[:, 0] * settings.contrast, toning[:, 1] * settings.brightness
        images = tones.adjusted(images.clone(), contrast, brightness)
    if settings.operations and settings.operation_strength:
        choices = (operations[:, :, 0] * len(tones.OPERATIONS)).long()
        images = tones.operate(images, choices, (operations[:, :, 1] * 2 - 1) * settings.operation_strength)
    if settings.erase:
        images = _erased(images, settings.erase, torch.stack(erasure, 1).to(images.device))
    return images


def _grid(images: Tensor, settings: Classical, draws: Tensor, shifts: Tensor) -> Tensor:
    """Return where each pixel is taken from, N×H×W×2; draws N×5 from -1 to 1, shifts N×2×P×P standard normal."""
    height, width = images.shape[2:]
    maps = geometry.affine_maps(
        angle=draws[:, 0] * math.radians(settings.rotate_deg),
        shear=(draws[:, 1] * math.radians(settings.shear_deg)).tan(),
        zoom=1 / (1 + draws[:, 2] * settings.scale),
        shift=2 * draws[:, 3:5] * settings.translate,
        aspect=height / width,
    )
    grid = geometry.affine_grid(maps, height, width)
    if not settings.elastic:
        return grid
    longer = max(height, width)
    coordinates = torch.tensor([longer / width, longer / height], device=images.device) * 2 * settings.elastic
    return grid + geometry.elastic_field(shifts * coordinates[:, None, None], height, width)


def _erased(images: Tensor, share: float, draws: Tensor) -> Tensor:
    """Paint a box of up to ``share`` of each image in its mean colour; draws N×4 from 0 to 1."""
    elongation = ERASED_ELONGATION_MOST ** (2 * draws[:, 1] - 1)
    erased = geometry.boxes(draws[:, 0] * share, elongation, draws[:, 2:], *images.shape[2:])
    return torch.where(erased, images.mean((2, 3), keepdim=True), images)
