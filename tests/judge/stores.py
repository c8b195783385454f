"""Judged stores of tiny drawn images: dashes, poles and rings in noise."""

from pathlib import Path

import numpy as np
import pandas as pd

from morelike.storage.shards import ShardStore, ShardWriter

CLASSES = ("dash", "pole", "ring")
COLUMNS = ["split", "label", "drawn", "synthetic", "generator", "group"]


def draw(label: str, random: np.random.Generator) -> np.ndarray:
    """Return a 12×13 grey image of a shape somewhere, in noise."""
    image = random.normal(90, 45, (12, 13))
    row, column = random.integers(2, 6), random.integers(2, 7)
    if label == "dash":
        image[row + 2, column : column + 6] += 90
    elif label == "pole":
        image[row : row + 6, column + 2] += 90
    else:
        image[row : row + 5, [column, column + 4]] += 45
        image[[row, row + 4], column : column + 5] += 45
    return image.clip(0, 255).astype(np.uint8)[:, :, None]


def images(split: str, count: int, generator: str = "", drawn: dict | None = None, group: str = "") -> list[tuple]:
    """Return ``count`` images of each class; ``drawn`` says what is drawn in place of a class."""
    drawn = drawn or {}
    return [(split, k, drawn.get(k, k), bool(generator), generator, group) for k in CLASSES for _ in range(count)]


def write(folder: Path, rows: list[tuple], seed: int = 0) -> ShardStore:
    """Write a judged store of the images in ``rows``."""
    random, index = np.random.default_rng(seed), pd.DataFrame(rows, columns=COLUMNS)
    writer = ShardWriter(folder, 12, 13, 1)
    writer.append(np.stack([draw(label, random) for label in index["drawn"]]))
    paths = [f"{split}/{number:05d}.png" for number, split in enumerate(index["split"])]
    writer.close(index.drop(columns="drawn").assign(path=paths, source_file="", nearest_distance=np.nan))
    return ShardStore(folder)
