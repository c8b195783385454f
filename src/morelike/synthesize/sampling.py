"""New images from a trained model, each with a row that says what made it."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from morelike.core import devices, progress
from morelike.core.randomness import derived_seed, generator
from morelike.core.row_noise import RowNoise
from morelike.images import pixels
from morelike.models import saved
from morelike.models.base import Generates, ImageModel, SynthesisSettings, Varies, make
from morelike.models.errors import ModelError
from morelike.storage.nearest import nearest_rows
from morelike.storage.shards import ShardStore, ShardWriter
from morelike.synthesize.errors import SynthesisError

TYPES = {"seed": "int64"} | dict.fromkeys(["source_file", "source_sha256", "nearest_file"], "str")  # of no row, too


def counts_per_class(store: ShardStore, per_class: int | str, at_least: int) -> dict[str, int]:
    """Return how many new images each class of the train split gets, as :func:`balanced` does."""
    real = store.index.loc[store.index["split"] == "train", "label"].value_counts()
    return balanced(real, per_class, at_least)


def balanced(real: pd.Series, per_class: int | str, at_least: int) -> dict[str, int]:
    """Return how many new images each class gets.

    Args:
        real: number of real train images by label.
        per_class: a number for all, or ``balance``: up to the largest class.
        at_least: what ``balance`` gives even to the largest class.

    >>> balanced(pd.Series({"a": 200, "b": 20}), "balance", 50)
    {'a': 50, 'b': 180}
    """
    largest = int(real.max())
    if per_class == "balance":
        return {label: max(at_least, largest - int(count)) for label, count in real.sort_index().items()}
    return dict.fromkeys(sorted(real.index), int(per_class))


def plan(store: ShardStore, counts: dict[str, int], name: str, seed: int) -> pd.DataFrame:
    """Return a row per image to be made: its label, and the train row that it starts from if its method varies one.

    The sources of a class are its train images in a random order, each used as often as the others (± 1).
    """
    rows = [pd.DataFrame({"label": pd.Series(dtype="str"), "source_row": pd.Series(dtype="int64")})]
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
        batch_size, precision: affect only speed and rounding.
        seed: every image has its own stream of it.
    """

    name: str
    trained: Path
    store: ShardStore
    settings: SynthesisSettings
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
        model = saved.load(self.trained).to(fabric.device)
        _refuse_other_images(model, self.store, self.trained)
        _refuse_unable(model, self.name, self.settings)
        labels = rows["label"].map(model.spec.labels.index).to_numpy(np.int64)
        for start in range(0, len(rows), self.batch_size):
            here = np.arange(start, min(start + self.batch_size, len(rows)))
            noise = RowNoise(self.seed, self.purpose, here, fabric.device)
            label = fabric.to_device(torch.from_numpy(labels[here]))
            sources = None
            if self.settings.varies_a_source:
                real = pixels.to_float(self.store.read(rows["source_row"].to_numpy()[here]))
                sources = fabric.to_device(torch.from_numpy(real))
            with fabric.autocast():
                images = make(model, sources, label, noise, self.settings).float().cpu().numpy()
            if not np.isfinite(images).all():
                bad = start + int(np.flatnonzero(~np.isfinite(images).all(axis=(1, 2, 3)))[0])
                raise SynthesisError(
                    f"synthetic image {bad} (label {rows['label'][bad]!r}) holds NaN or infinite values: the weights "
                    "are not sound; train again with a lower models.*.learning_rate"
                )
            yield pixels.to_uint8(images)


@torch.inference_mode()
def synthesize(maker: Maker, counts: dict[str, int], out: Path) -> dict[str, int]:
    """Make ``counts`` new images per class and write them to the store ``out``, an empty folder.

    The index has a row per image; it names a source only where one was given to the model.

    Raises:
        SynthesisError, ModelError: as :meth:`Maker.batches` does.
    """
    rows = plan(maker.store, counts, maker.name, maker.seed)
    rows["seed"] = [derived_seed(maker.seed, maker.purpose, row) for row in range(len(rows))]
    writer = ShardWriter(out, *maker.store.shape)
    nearest = [nearest_train_images(np.empty((0, *maker.store.shape), np.uint8), np.empty(0, str), maker.store)]
    total = -(-len(rows) // maker.batch_size)
    for images in progress.track(maker.batches(rows), total, f"synthesize {maker.name}, batches"):
        part = rows.iloc[writer.count : writer.count + len(images)]
        nearest.append(nearest_train_images(images, part["label"].to_numpy(), maker.store))
        writer.append(images)
    index = rows.assign(
        split="train",
        generator=maker.name,
        method=maker.settings.method,
        settings=json.dumps(maker.settings.model_dump()),
        model_sha256=saved.checksum(maker.trained),
    )
    index = _with_sources(index, maker.store) if maker.settings.varies_a_source else _without_sources(index)
    writer.close(pd.concat([index, pd.concat(nearest, ignore_index=True)], axis=1).astype(TYPES))
    return {"images": len(rows)}


def nearest_train_images(images: np.ndarray, labels: np.ndarray, store: ShardStore) -> pd.DataFrame:
    """Return for each uint8 image its nearest real train image of the same label, by the rms of pixels in [0, 1].

    Columns: nearest_row, nearest_file, nearest_distance.
    """
    row, distance = np.full(len(images), -1, np.int64), np.full(len(images), np.inf)
    for label in np.unique(labels):
        mine = labels == label
        row[mine], distance[mine] = nearest_rows(images[mine], store, store.rows("train", label))
    files = store.index["file"].to_numpy()[row]
    return pd.DataFrame({"nearest_row": row, "nearest_file": files, "nearest_distance": distance})


def _with_sources(index: pd.DataFrame, store: ShardStore) -> pd.DataFrame:
    sources = store.index.iloc[index["source_row"]]
    return index.assign(source_file=sources["file"].to_numpy(), source_sha256=sources["sha256"].to_numpy())


def _without_sources(index: pd.DataFrame) -> pd.DataFrame:
    return index.assign(source_row=-1, source_file="", source_sha256="")


def _refuse_unable(model: ImageModel, name: str, settings: SynthesisSettings) -> None:
    wanted = Varies if settings.varies_a_source else Generates
    if not isinstance(model, wanted):
        can = "vary a real image" if settings.varies_a_source else "make an image from noise alone"
        raise SynthesisError(f"synthesize.{name}: the model cannot {can}, which method {settings.method} asks for")


def _refuse_other_images(model: ImageModel, store: ShardStore, trained: Path) -> None:
    spec = model.spec
    labels = tuple(sorted(store.index["label"].unique()))
    if (spec.height, spec.width, spec.channels, spec.labels) != (*store.shape, labels):
        raise ModelError(
            f"{trained}: trained on {spec.height}×{spec.width}×{spec.channels} images of {len(spec.labels)} classes, "
            f"{store.folder} holds {store.shape} of {len(labels)}; train again: `dvc repro`"
        )
