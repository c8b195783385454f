"""New images from a trained model, each with a row that says what made it."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from morelike import checkpoint, devices, pixels, progress
from morelike.errors import ModelError, SynthesisError
from morelike.models.base import GenerativeModel
from morelike.randomness import derived_seed, generator
from morelike.shards import ShardStore, ShardWriter

ROWS_AT_ONCE = 128  # real images that new ones are compared with; memory must not grow with a class


class RowNoise:
    """Standard normal values, each row from its own stream: no batch size or order changes an image's noise."""

    def __init__(self, seed: int, purpose: str, rows: np.ndarray, device: torch.device):
        self._generators = [generator(seed, purpose, int(row)) for row in rows]
        self._device = device

    def __call__(self, shape: tuple[int, ...]) -> Tensor:
        """Return float32 N×shape."""
        draws = np.stack([rng.standard_normal(shape, np.float32) for rng in self._generators])
        return torch.from_numpy(draws).to(self._device)


def counts_per_class(real: pd.Series, per_class: int | str, at_least: int) -> dict[str, int]:
    """Return how many new images each class gets.

    Args:
        real: number of real train images by label.
        per_class: a number for all, or ``balance``: up to the largest class.
        at_least: what ``balance`` gives even to the largest class.

    >>> counts_per_class(pd.Series({"a": 200, "b": 20}), "balance", 50)
    {'a': 50, 'b': 180}
    """
    largest = int(real.max())
    if per_class == "balance":
        return {label: max(at_least, largest - int(count)) for label, count in real.sort_index().items()}
    return dict.fromkeys(sorted(real.index), int(per_class))


def plan(store: ShardStore, counts: dict[str, int], name: str, seed: int) -> pd.DataFrame:
    """Return a row for each image to be made: its label, and the train row it may start from.

    The sources of a class are its train images in a random order, each used as often as the others (± 1).
    """
    rows = []
    for label, count in counts.items():
        sources = store.rows("train", label)
        order = [
            generator(seed, "sources", name, label, turn).permutation(sources)
            for turn in range(-(-count // len(sources)))
        ]
        rows.append(pd.DataFrame({"label": label, "source_row": np.concatenate([*order, []])[:count].astype(np.int64)}))
    return pd.concat(rows, ignore_index=True)


@dataclass(frozen=True)
class Maker:
    """A trained model, and how it is to make images.

    Attributes:
        name: of the model; ``trained``: the folder that it is saved in.
        store: the real images.
        settings: the model's section of ``synthesize``.
        batch_size, precision: decide no more than speed and the last bits.
        seed: every image has its own stream of it.
    """

    name: str
    trained: Path
    store: ShardStore
    settings: dict
    batch_size: int
    precision: str
    seed: int

    @property
    def purpose(self) -> str:
        """What the draws are for."""
        return f"synthesize-{self.name}"

    def batches(self, rows: pd.DataFrame) -> Iterator[np.ndarray]:
        """Yield the images that ``rows`` plan, uint8 N×H×W×C, in order.

        Raises:
            SynthesisError: the model makes a non-finite value; names the row.
            ModelError: it does not fit the store.
        """
        fabric = devices.fabric(self.precision)
        model = checkpoint.load(self.trained).to(fabric.device)
        _refuse_other_form(model, self.store, self.trained)
        labels = rows["label"].map(model.form.labels.index).to_numpy(np.int64)
        for start in range(0, len(rows), self.batch_size):
            here = np.arange(start, min(start + self.batch_size, len(rows)))
            sources = pixels.to_float(self.store.read(rows["source_row"].to_numpy()[here]))
            noise = RowNoise(self.seed, self.purpose, here, fabric.device)
            on_device = [fabric.to_device(torch.from_numpy(values)) for values in (labels[here], sources)]
            with fabric.autocast():
                images = model.make(*on_device, noise, self.settings).float().cpu().numpy()
            if not np.isfinite(images).all():
                bad = start + int(np.flatnonzero(~np.isfinite(images).all(axis=(1, 2, 3)))[0])
                raise SynthesisError(
                    f"synthetic image {bad} (label {rows['label'][bad]!r}) holds NaN or infinite values: the weights "
                    "are not sound; train again with a lower models.*.learning_rate"
                )
            yield pixels.to_uint8(images)


@torch.inference_mode()
def synthesize(maker: Maker, counts: dict[str, int], out: Path) -> dict[str, int]:
    """Make ``counts`` new images a class and write them to the store ``out``, an empty folder.

    Raises:
        SynthesisError, ModelError: as :meth:`Maker.batches` does.
    """
    rows = plan(maker.store, counts, maker.name, maker.seed)
    rows["seed"] = [derived_seed(maker.seed, maker.purpose, row) for row in range(len(rows))]
    writer = ShardWriter(out, *maker.store.shape)
    nearest = []
    total = -(-len(rows) // maker.batch_size)
    for images in progress.track(maker.batches(rows), total, f"synthesize {maker.name}, batches"):
        part = rows.iloc[writer.count : writer.count + len(images)]
        nearest.append(nearest_train_images(images, part["label"].to_numpy(), maker.store))
        writer.append(images)
    index = rows.assign(
        split="train",
        generator=maker.name,
        method=maker.settings["method"],
        settings=json.dumps(maker.settings),
        model_sha256=checkpoint.checksum(maker.trained),
    )
    writer.close(pd.concat([_with_source_names(index, maker.store), pd.concat(nearest, ignore_index=True)], axis=1))
    return {"images": len(rows)}


def nearest_train_images(images: np.ndarray, labels: np.ndarray, store: ShardStore) -> pd.DataFrame:
    """Return for each uint8 image its nearest real train image of the same label, by the rms of pixels in [0, 1].

    Columns: nearest_row, nearest_file, nearest_distance.
    """
    best = np.full(len(images), np.inf)
    row = np.full(len(images), -1, np.int64)
    flat = images.reshape(len(images), -1).astype(np.float32) / 255
    for label in np.unique(labels):
        mine = np.flatnonzero(labels == label)
        candidates = store.rows("train", label)
        for start in range(0, len(candidates), ROWS_AT_ONCE):
            part = candidates[start : start + ROWS_AT_ONCE]
            real = store.read(part).reshape(len(part), -1).astype(np.float32) / 255
            distances = torch.cdist(torch.from_numpy(flat[mine]), torch.from_numpy(real)).numpy()
            closest = distances.argmin(1)
            found = distances[np.arange(len(mine)), closest]
            better = found < best[mine]
            best[mine[better]], row[mine[better]] = found[better], part[closest[better]]
    files = store.index["file"].to_numpy()[row]
    return pd.DataFrame({"nearest_row": row, "nearest_file": files, "nearest_distance": best / np.sqrt(flat.shape[1])})


def _with_source_names(index: pd.DataFrame, store: ShardStore) -> pd.DataFrame:
    sources = store.index.iloc[index["source_row"]]
    if index["method"].iloc[0] == "prior":
        return index.assign(source_row=-1, source_file="", source_sha256="")
    return index.assign(source_file=sources["file"].to_numpy(), source_sha256=sources["sha256"].to_numpy())


def _refuse_other_form(model: GenerativeModel, store: ShardStore, trained: Path) -> None:
    form = model.form
    labels = tuple(sorted(store.index["label"].unique()))
    if (form.height, form.width, form.channels, form.labels) != (*store.shape, labels):
        raise ModelError(
            f"{trained}: trained on {form.height}×{form.width}×{form.channels} images of {len(form.labels)} classes, "
            f"{store.folder} holds {store.shape} of {len(labels)}; train again: `dvc repro`"
        )
