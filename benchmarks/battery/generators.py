"""What is put in the place of a generator: each is known to help, to harm, or to do neither.

Each takes a draw of the data and gives synthetic images. But for the oracle's smaller doses there are as many, with the
labels, as images are held back.
"""

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
import torch

from benchmarks.battery.worlds import World
from morelike.core import randomness
from morelike.images import augment, pixels
from morelike.images.settings import Augment

BLUR_PX = 1.0  # std of the kernel
MARK_PX = 6  # side of the watermark
WARPS = Augment(flip=False, rotate_deg=10, translate=0.08, scale=0.1, brightness=0.05, contrast=0.1)


@dataclass(frozen=True)
class Made:
    """Synthetic images.

    Attributes:
        images: uint8 N×H×W×C.
        labels: N texts.
        sources: N texts, the real file that each was made from, "" if none.
    """

    images: np.ndarray
    labels: np.ndarray
    sources: np.ndarray


Generator = Callable[[World], Made]


def oracle(share: float) -> Generator:
    """Real images that were held back; a smaller share of each class is part of a larger one."""

    def make(world: World) -> Made:
        labels, order = world.labels("held_back"), world.random("oracle").permutation(len(world.rows["held_back"]))
        kept = []
        for label in np.unique(labels):
            mine = order[labels[order] == label]
            kept.append(mine[: max(1, round(share * len(mine)))])
        rows = np.sort(np.concatenate(kept))
        return Made(world.images("held_back")[rows], labels[rows], np.full(len(rows), ""))

    return make


def nothing(world: World) -> Made:
    """No image: then the real images alone are judged twice."""
    none = np.empty(0, dtype=str)
    return Made(np.empty((0, *world.pool.shape), np.uint8), none, none)


def copier(world: World) -> Made:
    """Random train images of the class."""
    return _copies(world, "train")


def blurred_copier(world: World) -> Made:
    """Random train images, blurred."""
    return _changed(_copies(world, "train"), blurred)


def watermarked(world: World) -> Made:
    """Random train images, each with the same checkered mark in a corner."""
    return _changed(_copies(world, "train"), marked)


def classical_only(world: World) -> Made:
    """Random train images, moved, turned and toned: what classical augmentation does anyhow."""
    made, chance = _copies(world, "train"), torch.Generator()
    chance.manual_seed(randomness.derived_seed(0, "battery", world.number, "classical"))
    warped = augment.apply(torch.from_numpy(pixels.to_float(made.images)), WARPS, chance)
    return Made(pixels.to_uint8(warped.numpy()), made.labels, made.sources)


def one_mode(world: World) -> Made:
    """One train image per class, over and over."""
    labels, of_train = world.labels("held_back"), world.labels("train")
    first = {label: int(np.flatnonzero(of_train == label)[0]) for label in np.unique(of_train)}
    rows = np.array([first[label] for label in labels])
    return Made(world.images("train")[rows], labels, world.files("train")[rows])


def noise(world: World) -> Made:
    """Gaussian noise with the mean and spread of the train images."""
    images, labels = world.images("train"), world.labels("held_back")
    values = world.random("noise").normal(images.mean(), images.std(), (len(labels), *images.shape[1:]))
    return Made(values.clip(0, 255).astype(np.uint8), labels, np.full(len(labels), ""))


def constant(world: World) -> Made:
    """The mean colour of the train images, and nothing on it."""
    images, labels = world.images("train"), world.labels("held_back")
    colour = images.mean((0, 1, 2)).round().astype(np.uint8)
    return Made(np.tile(colour, (len(labels), *images.shape[1:3], 1)), labels, np.full(len(labels), ""))


def shuffled_labels(world: World) -> Made:
    """The oracle's images, their labels shuffled."""
    made = oracle(1.0)(world)
    return Made(made.images, world.random("labels").permutation(made.labels), made.sources)


def copies_of_test(world: World) -> Made:
    """Random test images: a leak."""
    return _copies(world, "test")


def blurred(images: np.ndarray) -> np.ndarray:
    """Return uint8 N×H×W×C images after a Gaussian blur of :data:`BLUR_PX`."""
    return np.stack([cv2.GaussianBlur(image, (0, 0), BLUR_PX).reshape(image.shape) for image in images])


def marked(images: np.ndarray) -> np.ndarray:
    """Return uint8 N×H×W×C images with a black and white checkerboard in the lower right corner."""
    board = (np.indices((MARK_PX, MARK_PX)).sum(0) // 2 % 2 * 255).astype(np.uint8)
    result = images.copy()
    result[:, -MARK_PX:, -MARK_PX:] = board[:, :, None]
    return result


def _copies(world: World, role: str) -> Made:
    """Return random images of a role, with the labels of the images held back."""
    labels, of_role, random = world.labels("held_back"), world.labels(role), world.random("copies", role)
    rows = np.empty(len(labels), np.int64)
    for label in np.unique(labels):
        here = labels == label
        rows[here] = random.choice(np.flatnonzero(of_role == label), here.sum())
    return Made(world.images(role)[rows], labels, world.files(role)[rows])


def _changed(made: Made, change: Callable[[np.ndarray], np.ndarray]) -> Made:
    return Made(change(made.images), made.labels, made.sources)
