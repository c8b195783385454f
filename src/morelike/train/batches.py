"""Batches for training: which rows, in which order, with which noise. All of it follows from (seed, model, step)."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from morelike.core import devices
from morelike.core.randomness import derived_seed, generator
from morelike.images import augment
from morelike.images.noise import Recipes
from morelike.models.base import Batch, spread
from morelike.storage.shards import ShardStore
from morelike.train.errors import TrainingError
from morelike.train.prefetch import Prefetch, Reader, Rows
from morelike.train.settings import Train
from morelike.train.twins import Twins


class Drawn(NamedTuple):
    """What a training step reads: the rows of its batch, and the fresh twins of some of them, if any."""

    stored: Rows
    twins: Rows | None


class Batches:
    """Draw training batches and walk through the validation split.

    Every batch is a pure function of (seed, model, step), so nothing has to be saved for a run to go on.

    Args:
        clean: the images; ``noisy``: their noisy twins, row for row, from which restoring is measured.
        settings: what the training of all models shares.
        seed: of every draw; ``model``: the name of what is trained.
        device: where the batches are wanted.
        recipes: of the noise of fresh twins, which training learns from.
        twin_share: the share of each training batch that gets them.
    """

    def __init__(
        self,
        clean: ShardStore,
        noisy: ShardStore,
        settings: Train,
        seed: int,
        model: str,
        device: torch.device,
        recipes: Recipes,
        twin_share: float = 0.0,
    ):
        if len(clean) != len(noisy):
            raise TrainingError(
                f"{noisy.folder} has {len(noisy)} images, {clean.folder} has {len(clean)}; run `dvc repro`"
            )
        self.clean, self.noisy, self.settings = clean, noisy, settings
        self.purpose, self.seed, self.device = model, seed, device
        self.labels = label_names(clean)
        self.label_numbers = clean.index["label"].map(self.labels.index).to_numpy(np.int64)
        self.train_rows, self.val_rows = clean.rows("train"), clean.rows("val")
        for split, rows in (("train", self.train_rows), ("val", self.val_rows)):
            if not len(rows):
                raise TrainingError(
                    f"{clean.folder}: the {split} split has no image; check validate.split in params.yaml"
                )
        self._chances = class_weights(self.label_numbers[self.train_rows], settings.class_balance).cumsum()
        form = devices.memory_format(settings.precision)
        self._clean = Reader(clean, device, memory_format=form)
        self._noisy = Reader(noisy, device, room_bytes=0, memory_format=form)
        places = np.flatnonzero(spread(twin_share, torch.arange(settings.batch_size)))
        self._twins = Twins(clean, recipes, seed, model, places) if len(places) else None
        self._prefetch = Prefetch(self._drawn)

    def training(self, step: int) -> tuple[Batch, np.ndarray]:
        """Return the batch of a step, augmented, and the rows it came from."""
        drawn, twins = self._prefetch(step)
        stored = noisy = self._clean.on_device(drawn)
        if twins is not None:
            noisy = stored.clone()
            noisy[self._twins.places] = self._clean.on_device(twins)
        seed = derived_seed(self.seed, "train", self.purpose, step)
        batch = self._batch(drawn.rows, stored, noisy, seed, step * self.settings.batch_size)
        chance = torch.Generator().manual_seed(derived_seed(self.seed, "augment", self.purpose, step))
        batch.images = augment.apply(batch.stored, self.settings.augment, chance)
        return batch, drawn.rows

    def _drawn(self, step: int) -> Drawn:
        draw = generator(self.seed, "train", self.purpose, step)
        places = np.searchsorted(self._chances, draw.random(self.settings.batch_size) * self._chances[-1], "right")
        rows = self.train_rows[places]
        twins = self._twins and self._clean.of(rows[self._twins.places], self._twins.of(step, rows))
        return Drawn(self._clean.read(rows), twins)

    def validation(self, most: int = 1024) -> Iterator[Batch]:
        """Yield up to ``most`` images of the val split, always the same, with the same noise, not augmented."""
        rows = generator(self.seed, "val", self.purpose).permutation(self.val_rows)[:most]
        for start in range(0, len(rows), self.settings.batch_size):
            part = rows[start : start + self.settings.batch_size]
            yield self._with_twins(part, derived_seed(self.seed, "val", self.purpose, start))

    def stored(self) -> Iterator[Batch]:
        """Yield the train split in order, as it is stored, without twins."""
        for start in range(0, len(self.train_rows), self.settings.batch_size):
            rows = self.train_rows[start : start + self.settings.batch_size]
            images = self._clean.on_device(self._clean.read(rows))
            yield self._batch(rows, images, images, derived_seed(self.seed, "rows", self.purpose))

    def of_rows(self, rows: np.ndarray) -> Batch:
        """Return the batch of these rows, not augmented, with the twins of ``noisy``."""
        return self._with_twins(rows, derived_seed(self.seed, "rows", self.purpose))

    def files(self, rows: np.ndarray) -> list[str]:
        """Return the raw files that these rows came from."""
        return self.clean.index["file"].iloc[rows].tolist()

    def close(self) -> None:
        """End the thread that prefetches."""
        self._prefetch.close()

    def _with_twins(self, rows: np.ndarray, seed: int) -> Batch:
        stored, noisy = (reader.on_device(reader.read(rows)) for reader in (self._clean, self._noisy))
        return self._batch(rows, stored, noisy, seed)

    def _batch(self, rows: np.ndarray, stored: Tensor, noisy: Tensor, seed: int, images_seen: int = 0) -> Batch:
        labels = torch.from_numpy(self.label_numbers[rows]).to(self.device)
        return Batch(stored, labels, stored, noisy, seed, images_seen)


def label_names(store: ShardStore) -> list[str]:
    """Return the names of the classes, in the order of the label numbers."""
    return sorted(store.index["label"].unique())


def class_weights(labels: np.ndarray, balance: float) -> np.ndarray:
    """Return the probability of drawing each image: a class of n images is drawn in proportion to n^(1 − balance).

    >>> class_weights(np.array([0, 0, 0, 1]), 1.0).round(3).tolist()
    [0.167, 0.167, 0.167, 0.5]
    """
    _, inverse, counts = np.unique(labels, return_inverse=True, return_counts=True)
    weights = counts[inverse].astype(np.float64) ** -balance
    return weights / weights.sum()
