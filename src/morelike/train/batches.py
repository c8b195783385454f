"""Batches for training: which rows, in which order, with which noise. All of it follows from (seed, model, step)."""

from collections.abc import Iterator

import numpy as np
import torch

from morelike.core import devices
from morelike.core.randomness import derived_seed, generator
from morelike.images import augment
from morelike.models.base import Batch
from morelike.storage.shards import ShardStore
from morelike.train.errors import TrainingError
from morelike.train.prefetch import Prefetch, Reader, Rows
from morelike.train.settings import Train


class Batches:
    """Draw training batches and walk through the validation split.

    Every batch is a pure function of (seed, model, step), so nothing has to be saved for a run to go on.
    """

    def __init__(
        self, clean: ShardStore, noisy: ShardStore, settings: Train, seed: int, model: str, device: torch.device
    ):
        if len(clean) != len(noisy):
            raise TrainingError(
                f"{noisy.folder} has {len(noisy)} images, {clean.folder} has {len(clean)}; run `dvc repro`"
            )
        self.clean, self.noisy, self.settings = clean, noisy, settings
        self.purpose, self.seed, self.device = model, seed, device
        self.labels = sorted(clean.index["label"].unique())
        self.label_numbers = clean.index["label"].map(self.labels.index).to_numpy(np.int64)
        self.train_rows, self.val_rows = clean.rows("train"), clean.rows("val")
        for split, rows in (("train", self.train_rows), ("val", self.val_rows)):
            if not len(rows):
                raise TrainingError(
                    f"{clean.folder}: the {split} split has no image; check validate.split in params.yaml"
                )
        self._chances = class_weights(self.label_numbers[self.train_rows], settings.class_balance).cumsum()
        self._reader = Reader((clean, noisy), device, memory_format=devices.memory_format(settings.precision))
        self._prefetch = Prefetch(self._drawn)

    def training(self, step: int) -> tuple[Batch, np.ndarray]:
        """Return the batch of a step, augmented, and the rows it came from."""
        drawn = self._prefetch(step)
        seed = derived_seed(self.seed, "train", self.purpose, step)
        batch = self._batch(drawn, seed, step * self.settings.batch_size)
        chance = torch.Generator().manual_seed(derived_seed(self.seed, "augment", self.purpose, step))
        batch.images = augment.apply(batch.stored, self.settings.augment, chance)
        return batch, drawn.rows

    def _drawn(self, step: int) -> Rows:
        draw = generator(self.seed, "train", self.purpose, step)
        places = np.searchsorted(self._chances, draw.random(self.settings.batch_size) * self._chances[-1], "right")
        return self._reader.read(self.train_rows[places])

    def validation(self, most: int = 1024) -> Iterator[Batch]:
        """Yield up to ``most`` images of the val split, always the same, with the same noise, not augmented."""
        rows = generator(self.seed, "val", self.purpose).permutation(self.val_rows)[:most]
        for start in range(0, len(rows), self.settings.batch_size):
            part = rows[start : start + self.settings.batch_size]
            yield self._batch(self._reader.read(part), derived_seed(self.seed, "val", self.purpose, start), 0)

    def stored(self) -> Iterator[Batch]:
        """Yield the train split in order, as it is stored."""
        for start in range(0, len(self.train_rows), self.settings.batch_size):
            yield self.of_rows(self.train_rows[start : start + self.settings.batch_size])

    def of_rows(self, rows: np.ndarray) -> Batch:
        """Return the batch of these rows, not augmented."""
        return self._batch(self._reader.read(rows), derived_seed(self.seed, "rows", self.purpose), 0)

    def files(self, rows: np.ndarray) -> list[str]:
        """Return the raw files that these rows came from."""
        return self.clean.index["file"].iloc[rows].tolist()

    def close(self) -> None:
        """End the thread that prefetches."""
        self._prefetch.close()

    def _batch(self, drawn: Rows, seed: int, images_seen: int) -> Batch:
        stored, noisy = self._reader.on_device(drawn)
        labels = torch.from_numpy(self.label_numbers[drawn.rows]).to(self.device)
        return Batch(stored, labels, stored, noisy, seed, images_seen)


def class_weights(labels: np.ndarray, balance: float) -> np.ndarray:
    """Return the probability of drawing each image: a class of n images is drawn in proportion to n^(1 − balance).

    >>> class_weights(np.array([0, 0, 0, 1]), 1.0).round(3).tolist()
    [0.167, 0.167, 0.167, 0.5]
    """
    _, inverse, counts = np.unique(labels, return_inverse=True, return_counts=True)
    weights = counts[inverse].astype(np.float64) ** -balance
    return weights / weights.sum()
