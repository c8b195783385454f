"""The dataset that people consume: class folders of PNGs, every image traced, new ones only in train."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path

import numpy as np
import pandas as pd

from morelike.core import compute, files, progress
from morelike.export import admission, card, choosing, filters, masks, metadata, rows, weights
from morelike.export.settings import Export
from morelike.images import pixels
from morelike.judge import recipe_file
from morelike.storage import tables
from morelike.storage.shards import ShardStore

FILES_PER_CHUNK = 64


@dataclass(frozen=True)
class Sources:
    """The folders that the dataset is made from.

    Attributes:
        validated: what validate wrote: the raw files that it quarantined are counted on the dataset card.
        resized: the real images.
        synthetic: holds a folder of new images per model.
        models: the models that are trained now. Folders that others left behind are never read.
    """

    validated: Path
    resized: Path
    synthetic: Path
    models: tuple[str, ...]


def write_augmented(
    sources: Sources, out: Path, settings: Export, judging: choosing.Judging, state: Path, workers: int | None = None
) -> dict:
    """Write the real images of all splits and the new images that pass the filters into ``out``.

    ``out`` gets ``<split>/<class>/*.png`` (torchvision's ImageFolder), the mask of each real image that has one under
    the same path in ``__masks__/``, ``<split>/metadata.csv`` (Hugging Face's imagefolder), ``manifest.parquet``,
    ``filtered.parquet``, ``recipe.json`` and the dataset card ``README.md``.
    Of the images that a model made of a class, the share ``settings.mix[model]`` is taken: the first that pass.
    How to train on them is chosen on val before anything is written: the recipe, and the weight of each image.

    Args:
        sources: the folders to read.
        out: the folder to write, whole or not at all.
        settings: shares and limits.
        judging: how the recipe is chosen.
        state: a folder that outlives a failed run; if too many images are filtered, ``export/`` in it lists them, and
            ``judge/`` in it keeps the classifiers that are trained.
        workers: processes that write images; one per core if None.

    Returns:
        The figures of :func:`summary`, and ``recipe_synthetic``: the recipe's share of synthetic images, None if
        nothing could be chosen.

    Raises:
        ExportError: if a model of the mix is not trained, too many of its images fail the filters, or its images do
            not fit the real ones.
        JudgeError: a classifier cannot be trained.
    """
    admission.refuse_untrained(settings, sources.models)
    quarantine = tables.read(Path(sources.validated) / "quarantine.parquet", ["code"])
    quarantined = quarantine["code"].value_counts().sort_index().to_dict()
    resized = ShardStore.checked(sources.resized)
    real = filters.RealImages.of(resized)
    table, filtered = admission.admitted(resized, Path(sources.synthetic), real, settings, Path(state))
    recipe = choosing.choose(table, judging, Path(state))
    table["weight"] = weights.of(table, recipe.recipe)
    measured = summary(table, filtered, real)
    measured["recipe_synthetic"] = recipe.recipe.synthetic if recipe.recipe else None
    with files.written_aside(out) as aside:
        table["sha256"] = list(_written(table, aside, workers))
        masks.write(table, sources.resized, aside)
        manifest = rows.in_order(table[rows.MANIFEST])
        manifest.to_parquet(aside / "manifest.parquet")
        filtered.to_parquet(aside / "filtered.parquet")
        recipe_file.write(recipe, aside)
        described = metadata.write(manifest, aside)
        text = card.text(manifest, filtered, quarantined, measured, recipe, described)
        files.write_text(aside / "README.md", text)
    return measured


def summary(table: pd.DataFrame, filtered: pd.DataFrame, real: filters.RealImages) -> dict:
    """Count the images, real, new and filtered, and measure how far their mean colours are apart."""
    new, train = table[table["synthetic"]], table["split"] == "train"
    counts = {
        "classes": table["label"].nunique(),
        "real": {split: int((table["split"] == split).sum()) for split in ("val", "test")},
        "synthetic": {"train": len(new)} | {str(m): int(n) for m, n in new.groupby("generator").size().items()},
        "filtered": {reason: int((filtered["reason"] == reason).sum()) for reason in filters.FILTERS},
    }
    counts["real"] = {"train": int((train & ~table["synthetic"]).sum())} | counts["real"]
    counts["train_images_by_class"] = {
        str(label): {"real": int((~images["synthetic"]).sum()), "synthetic": int(images["synthetic"].sum())}
        for label, images in table[train].groupby("label")
    }
    colours = {"mean_colour_real": real.train_mean_colour.tolist()}
    if len(new):
        synthetic = np.stack(new["mean_colour"].tolist()).mean(axis=0)
        difference = float(np.abs(synthetic - real.train_mean_colour).max())
        colours |= {"mean_colour_synthetic": synthetic.tolist(), "mean_colour_difference": difference}
    return counts | colours


def _written(table: pd.DataFrame, out: Path, workers: int | None) -> Iterator[str]:
    """Write each image of the table as PNG; yield the sha256 of each file, in order."""
    for folder in sorted({str(Path(path).parent) for path in table["path"]}):
        (out / folder).mkdir(parents=True)
    tasks = [
        (store, part["row"], part["path"])
        for store, images in table[["store", "row", "path"]].groupby("store", sort=False)
        for part in compute.chunks(images, FILES_PER_CHUNK)
    ]
    digests = compute.map_ordered(partial(_write_pngs, out), tasks, workers)
    for chunk in progress.track(digests, len(tasks), f"export, chunks of {FILES_PER_CHUNK} images"):
        yield from chunk


def _write_pngs(out: Path, task: tuple[str, pd.Series, pd.Series]) -> list[str]:
    store, numbers, paths = task
    digests = []
    for image, path in zip(_opened(store).read(numbers), paths, strict=True):
        data = pixels.encode_png(image)
        (out / path).write_bytes(data)
        digests.append(hashlib.sha256(data).hexdigest())
    return digests


@lru_cache(maxsize=4)
def _opened(folder: str) -> ShardStore:
    return ShardStore(Path(folder))
