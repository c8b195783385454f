"""New images from a trained model, each with a row that says what made it."""

import json
from collections.abc import Iterator
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


@torch.inference_mode()
def synthesize(
    name: str,
    store: ShardStore,
    trained: Path,
    counts: dict[str, int],
    settings: dict,
    batch_size: int,
    precision: str,
    seed: int,
    out: Path,
) -> dict[str, int]:
    """Make new images with the model saved in ``trained`` and write them to the store ``out``, an empty folder.

    Raises:
        SynthesisError: if the model makes a non-finite value, naming the row.
        ModelError: if the model does not fit the store.
    """
    fabric = devices.fabric(precision)
    model = checkpoint.load(trained).to(fabric.device)
    _refuse_other_form(model, store, trained)
    rows = plan(store, counts, name, seed)
    rows["seed"] = [derived_seed(seed, f"synthesize-{name}", row) for row in range(len(rows))]
    writer = ShardWriter(out, *store.shape)
    batches = _batches(model, store, rows, settings, batch_size, f"synthesize-{name}", seed, fabric)
    nearest = []
    for images in progress.track(batches, -(-len(rows) // batch_size), f"synthesize {name}, batches"):
        part = rows.iloc[writer.count : writer.count + len(images)]
        nearest.append(nearest_train_images(images, part["label"].to_numpy(), store))
        writer.append(images)
    about = {"split": "train", "generator": name, "method": settings["method"], "settings": json.dumps(settings)}
    index = rows.assign(**about, model_sha256=checkpoint.checksum(trained))
    writer.close(pd.concat([_with_source_names(index, store), pd.concat(nearest, ignore_index=True)], axis=1))
    return {"images": len(rows)}


def _batches(
    model: GenerativeModel,
    store: ShardStore,
    rows: pd.DataFrame,
    settings: dict,
    size: int,
    purpose: str,
    seed: int,
    fabric,
) -> Iterator[np.ndarray]:
    labels = rows["label"].map(model.form.labels.index).to_numpy(np.int64)
    for start in range(0, len(rows), size):
        here = np.arange(start, min(start + size, len(rows)))
        sources = pixels.to_float(store.read(rows["source_row"].to_numpy()[here]))
        noise = RowNoise(seed, purpose, here, fabric.device)
        with fabric.autocast():
            made = model.make(
                fabric.to_device(torch.from_numpy(labels[here])),
                fabric.to_device(torch.from_numpy(sources)),
                noise,
                settings,
            )
        images = made.float().cpu().numpy()
        if not np.isfinite(images).all():
            bad = start + int(np.flatnonzero(~np.isfinite(images).all(axis=(1, 2, 3)))[0])
            raise SynthesisError(
                f"synthetic image {bad} (label {rows['label'][bad]!r}) holds NaN or infinite values: the weights are "
                "not sound; train again with a lower models.*.learning_rate"
            )
        yield pixels.to_uint8(images)


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
