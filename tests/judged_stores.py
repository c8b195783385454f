"""Small judged stores for the tests of what is measured beside the verdict: soft patterns of known classes."""

from pathlib import Path

import cv2
import numpy as np
import pandas as pd

from morelike.evaluate.sample import Sample
from morelike.storage.shards import ShardStore, ShardWriter

CLASSES = ("a", "b", "c")


def patterns(labels: list[str], random: np.random.Generator, side: int = 12) -> np.ndarray:
    """Return a bar of the class's direction at a random place, in soft noise; uint8 N×side×side×1."""
    images = np.empty((len(labels), side, side, 1), np.uint8)
    for image, label in zip(images, labels, strict=True):
        ground = cv2.GaussianBlur(random.normal(0, 1, (side, side)), (0, 0), 1.0) * 60 + 110
        place, half = int(random.integers(2, side - 3)), side // 2
        if label == "a":
            ground[place : place + 2] += 90
        elif label == "b":
            ground[:, place : place + 2] += 90
        else:
            ground[half - 3 : half + 3, half - 3 : half + 3] += 90
        image[..., 0] = ground.clip(0, 255)
    return images


def rows(labels: list[str], synthetic: bool = False, split: str = "train", source: list[str] | None = None):
    """Return an index of a judged store: a row per label; real ones are their own source files."""
    kind = "synthetic" if synthetic else f"real-{split}"
    table = pd.DataFrame({"label": labels}).assign(split=split, synthetic=synthetic, group="")
    table["path"] = [f"{kind}/{number}.png" for number in range(len(table))]
    own = [""] * len(table) if synthetic else table["path"]
    table["source_file"] = own if source is None else source
    return table.assign(generator="made" if synthetic else "", nearest_distance=0.5 if synthetic else np.nan)


def write(folder: Path, images: list[np.ndarray], tables: list[pd.DataFrame]) -> ShardStore:
    """Write a judged store of several kinds of images, one after the other."""
    writer = ShardWriter(folder, *images[0].shape[1:])
    for part in images:
        writer.append(part)
    writer.close(pd.concat(tables, ignore_index=True))
    return ShardStore(folder)


def beside(folder: Path, made, per_class: int = 60, held_out: int = 40) -> ShardStore:
    """Write real train and val images, and of each real train image the synthetic one that ``made`` makes of it.

    ``made`` takes the real images, uint8 N×12×12×1, and their labels.
    """
    random = np.random.default_rng(0)
    labels, others = list(CLASSES) * per_class, list(CLASSES) * held_out
    real, val = patterns(labels, random), patterns(others, random)
    index = rows(labels)
    tables = [index, rows(labels, synthetic=True, source=index["path"]), rows(others, split="val")]
    return write(folder, [real, made(real, labels), val], tables)


def fresh(real: np.ndarray, labels: list[str]) -> np.ndarray:
    """Return new images of the same distribution as the real ones."""
    return patterns(labels, np.random.default_rng(1))


def copies(real: np.ndarray, labels: list[str]) -> np.ndarray:
    """Return the real images with a little noise."""
    random = np.random.default_rng(2)
    return (real + random.normal(0, 2, real.shape)).clip(0, 255).astype(np.uint8)


def noise(real: np.ndarray, labels: list[str]) -> np.ndarray:
    """Return white noise."""
    return np.random.default_rng(3).integers(0, 256, real.shape).astype(np.uint8)


def blurred(real: np.ndarray, labels: list[str], px: float = 0.8) -> np.ndarray:
    """Return the real images blurred."""
    return np.stack([cv2.GaussianBlur(image, (0, 0), px)[:, :, None] for image in real])


def sampled(store: ShardStore) -> Sample:
    """Draw the sample of a store."""
    return Sample.draw(store, np.random.default_rng(0))
