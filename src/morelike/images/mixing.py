"""Two images of a batch and their labels mixed into one."""

import torch
from torch import Tensor

from morelike.images import geometry
from morelike.images.settings import Mix


def mixed(images: Tensor, targets: Tensor, kind: Mix, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Mix each image and its target with those of another one of the batch, by a share drawn uniformly.

    ``mixup`` blends the two (Zhang et al. 2018, with α = 1), ``cutmix`` puts a box of the other in (Yun et al. 2019,
    with α = 1, but the box never reaches over the edge); the target is that of the pixels. Here each image has a
    share and box of its own, there a batch has one.

    Args:
        images: float32 N×C×H×W.
        targets: float32 N×classes, each row with sum 1.
        kind: ``none`` returns both as they are.
        generator: a CPU generator; it is advanced, unless ``kind`` is ``none``.

    Returns:
        images and targets, as they came in.
    """
    if kind == "none":
        return images, targets
    others = torch.randperm(len(images), generator=generator).to(images.device)
    draws = torch.rand(len(images), 3, generator=generator).to(images.device)
    taken = draws[:, 0, None, None, None]  # of the other one, per pixel
    if kind == "cutmix":
        taken = geometry.boxes(draws[:, 0], torch.ones_like(draws[:, 0]), draws[:, 1:], *images.shape[2:]).float()
    share = taken.mean((2, 3)).to(targets.dtype)
    return torch.lerp(images, images[others], taken), torch.lerp(targets, targets[others], share)
