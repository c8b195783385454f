"""Classical augmentation by torchvision's transforms, with a random draw per image."""

import numpy as np
import torch
import torchvision.transforms.v2.functional as F
from torch import Tensor

from morelike.images.augment import border_colour
from morelike.images.settings import Augment


def augment(images: Tensor, settings: Augment, random: np.random.Generator) -> Tensor:
    """Rotate, shift, zoom, mirror and tone each image by its own uniform draw within ``settings``.

    Pixels from outside the image get the mean colour of its border: a strong baseline must not learn black corners.

    Args:
        images: float32 N×C×H×W in [0, 1].
        settings: the largest changes.
        random: advances by seven draws per image.

    Returns:
        float32 N×C×H×W in [0, 1].
    """
    draws = random.uniform(-1, 1, (len(images), 7))
    moved = [_augment_one(image, settings, draw.tolist()) for image, draw in zip(images, draws, strict=True)]
    return torch.stack(moved)


def _augment_one(image: Tensor, settings: Augment, draws: list[float]) -> Tensor:
    angle, zoom, mirror, right, down, contrast, brightness = draws
    height, width = image.shape[1:]
    border = border_colour(image[None])[0]
    if settings.flip and mirror > 0:
        image = F.horizontal_flip(image)
    image = F.affine(
        image - border,  # not `fill`: torchvision blends it in twice at the edge
        angle=angle * settings.rotate_deg,
        translate=[right * settings.translate * width, down * settings.translate * height],
        scale=1 + zoom * settings.scale,
        shear=[0.0, 0.0],
        interpolation=F.InterpolationMode.BILINEAR,
    )
    image = F.adjust_contrast((image + border).clamp(0, 1), 1 + contrast * settings.contrast)
    return (image + brightness * settings.brightness).clamp(0, 1)
