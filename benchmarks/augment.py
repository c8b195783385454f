"""Augmentation of a batch at once, and image by image with torchvision's transforms of about the same strengths.

Processor time of one thread, the best of several rounds in turns, batches of 64. Both rotate, slant, shift, zoom, bend,
change contrast and brightness, draw one tone operation and erase a box.
"""

import time
from collections.abc import Callable
from functools import partial

import torch
from torchvision.transforms import v2

from morelike.images.classical import classical
from morelike.images.settings import Classical

SHAPES = [(64, 1, 28, 28), (64, 1, 64, 64), (64, 3, 64, 64), (64, 3, 128, 128)]
ROUNDS = 15
SETTINGS = Classical(
    flip=False,
    rotate_deg=10,
    translate=0.08,
    scale=0.12,
    brightness=0.1,
    contrast=0.2,
    shear_deg=10,
    elastic=0.036,
    operations=1,
    operation_strength=0.5,
    erase=0.2,
    mix="none",
)


def main() -> None:
    """Print a line per shape: milliseconds per image of both, and their ratio."""
    torch.set_num_threads(1)
    generator = torch.Generator().manual_seed(0)
    per_image = by_torchvision()
    for shape in SHAPES:
        images = torch.rand(shape, generator=generator)
        works = [partial(classical, images, SETTINGS, generator), partial(each, per_image, images)]
        ours, theirs = (1000 * best / len(images) for best in fastest(works))
        print(f"{shape[1:]}: {ours:.3f} ms per image, torchvision {theirs:.2f} ms, {theirs / ours:.0f} times")


def each(transform: Callable[[torch.Tensor], torch.Tensor], images: torch.Tensor) -> torch.Tensor:
    """Transform one image after another."""
    return torch.stack([transform(image) for image in images])


def by_torchvision() -> Callable[[torch.Tensor], torch.Tensor]:
    """Return torchvision's transforms of these strengths, for one image."""
    tones = [
        v2.Identity(),
        v2.RandomAdjustSharpness(1.5, p=1),
        v2.RandomAutocontrast(p=1),
        v2.RandomPosterize(6, p=1),
    ]
    return v2.Compose(
        [
            v2.RandomAffine(SETTINGS.rotate_deg, (0.08, 0.08), (0.88, 1.12), 10, v2.InterpolationMode.BILINEAR),
            v2.ElasticTransform(alpha=30.0, sigma=4.0),
            v2.ColorJitter(brightness=SETTINGS.brightness, contrast=SETTINGS.contrast),
            v2.ToDtype(torch.uint8, scale=True),  # it posterizes bytes only
            v2.RandomChoice(tones),
            v2.ToDtype(torch.float32, scale=True),
            v2.RandomErasing(p=1, scale=(0.0, SETTINGS.erase)),
        ]
    )


def fastest(works: list[Callable[[], object]]) -> list[float]:
    """Return the least processor time of each, in seconds, of rounds in which they take turns."""
    best = [float("inf")] * len(works)
    for _ in range(ROUNDS):
        for number, work in enumerate(works):
            start = time.thread_time()
            work()
            best[number] = min(best[number], time.thread_time() - start)
    return best


if __name__ == "__main__":
    main()
