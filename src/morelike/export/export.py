"""The dataset that people consume: class folders of PNGs, every image traced, new ones only in train."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path

import numpy as np
import pandas as pd

from morelike.core import compute, files, progress
from morelike.export import card, filters, masks, metadata
from morelike.export.errors import ExportError
from morelike.export.settings import Export
from morelike.images import pixels
from morelike.storage import folders, tables
from morelike.storage.labels import NO_ATTRIBUTES
from morelike.storage.shards import ShardStore

SPLITS = ("train", "val", "test")
FILES_PER_CHUNK = 64
REAL = {"generator": "", "method": "", "settings": "", "model_sha256": "", "nearest_file": ""}
NEW = {"given_group": "", "mask": "", "attributes": NO_ATTRIBUTES}
MANIFEST = [
    *("path", "split", "label", "synthetic", "generator", "method", "seed", "source_file", "source_sha256"),
    *("settings", "model_sha256", "nearest_file", "nearest_distance", "given_group", "mask", "sha256", "attributes"),
]
ADVICE = {
    "non_finite": "the model diverged: train it with a lower learning rate or precision 32-true",
    "blank": "the model has collapsed: train it longer (models.*.budget_images) or lower export.blank_std",
    "duplicate": "raise the strength or the temperature of its section of synthesize, so that new images differ",
    "off_palette": "train it longer (models.*.budget_images), or raise export.palette_distance",
    "copy": "raise the strength in its section of synthesize, or lower export.copy_distance",
}


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


def write_augmented(sources: Sources, out: Path, settings: Export, state: Path, workers: int | None = None) -> dict:
    """Write the real images of all splits and the new images that pass the filters into ``out``.

    ``out`` gets ``<split>/<class>/*.png`` (torchvision's ImageFolder), the mask of each real image that has one under
    the same path in ``__masks__/``, ``<split>/metadata.csv`` (Hugging Face's imagefolder), ``manifest.parquet``,
    ``filtered.parquet`` and the dataset card ``README.md``.
    Of the images that a model made of a class, the share ``settings.mix[model]`` is taken: the first that pass.

    Args:
        sources: the folders to read.
        out: the folder to write, whole or not at all.
        settings: shares and limits.
        state: a folder that outlives a failed run; if too many images are filtered, ``export/`` in it lists them.
        workers: processes that write images; one per core if None.

    Returns:
        The figures of :func:`summary`.

    Raises:
        ExportError: if a model of the mix is not trained, too many of its images fail the filters, or its images do
            not fit the real ones.
    """
    _refuse_untrained(settings, sources.models)
    quarantine = tables.read(Path(sources.validated) / "quarantine.parquet", ["code"])
    quarantined = quarantine["code"].value_counts().sort_index().to_dict()
    resized = ShardStore.checked(sources.resized)
    real = filters.RealImages.of(resized)
    table, filtered = _chosen(resized, Path(sources.synthetic), real, settings, Path(state))
    with files.written_aside(out) as aside:
        table["sha256"] = list(_written(table, aside, workers))
        masks.write(table, sources.resized, aside)
        manifest = _in_order(table[MANIFEST])
        manifest.to_parquet(aside / "manifest.parquet")
        filtered.to_parquet(aside / "filtered.parquet")
        described = metadata.write(manifest, aside)
        measured = summary(table, filtered, real)
        files.write_text(aside / "README.md", card.text(manifest, filtered, quarantined, measured, described))
    return measured


def _chosen(
    resized: ShardStore, synthetic: Path, real: filters.RealImages, settings: Export, state: Path
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return a row per image to export, and a row per new image that a filter keeps out."""
    of_labels = folders.names(sorted(set(resized.index["label"])))
    taken, filtered = [_real_rows(resized, of_labels)], [_filtered(pd.DataFrame(), "")]
    for model in sorted(model for model, share in settings.mix.items() if share > 0):
        store = _fitting_store(synthetic / model, resized, real)
        if len(store) == 0:
            continue
        judged = _judged(store, real, settings)
        filtered.append(_filtered(judged, model))
        _refuse_too_many(filtered[-1], model, len(store), settings.max_filtered_share, state / "export")
        taken.append(_synthetic_rows(_first_passing(judged, settings.mix[model]), model, store.folder, of_labels))
    return pd.concat(taken, ignore_index=True), pd.concat(filtered, ignore_index=True)


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
        str(label): {"real": int((~rows["synthetic"]).sum()), "synthetic": int(rows["synthetic"].sum())}
        for label, rows in table[train].groupby("label")
    }
    colours = {"mean_colour_real": real.train_mean_colour.tolist()}
    if len(new):
        synthetic = np.stack(new["mean_colour"].tolist()).mean(axis=0)
        difference = float(np.abs(synthetic - real.train_mean_colour).max())
        colours |= {"mean_colour_synthetic": synthetic.tolist(), "mean_colour_difference": difference}
    return counts | colours


def _refuse_untrained(settings: Export, models: tuple[str, ...]) -> None:
    for model, share in settings.mix.items():
        if share > 0 and model not in models:
            trained = ", ".join(models) or "no model"
            raise ExportError(
                f"export.mix.{model} is {share:g}, but neither train.models nor train.models_on_base names {model}; "
                f"trained are {trained}"
            )


def _fitting_store(folder: Path, resized: ShardStore, real: filters.RealImages) -> ShardStore:
    store = ShardStore.checked(folder)
    if store.shape != resized.shape:
        raise ExportError(
            f"{folder}: expected images of {'×'.join(map(str, resized.shape))} as in {resized.folder}, "
            f"got {'×'.join(map(str, store.shape))}; run `dvc repro` to train and synthesize again"
        )
    if unknown := sorted(set(store.index["label"]) - set(real.palettes)):
        raise ExportError(
            f"{folder}: no real train image has the label {unknown[0]!r}; run `dvc repro` to train and synthesize again"
        )
    return store


def _judged(store: ShardStore, real: filters.RealImages, settings: Export) -> pd.DataFrame:
    """Return the index of a store, with reason, value, limit, row and mean_colour of each image."""
    answers, colours, start = [], [], 0
    for images in store.batches():
        rows = store.index.iloc[start : start + len(images)]
        answers.append(filters.judge(filters.NewImages(images, rows, real, settings)))
        colours += list(filters.mean_colours(images))
        start += len(images)
    judged = pd.concat([store.index, pd.concat(answers)], axis=1)
    return judged.assign(row=range(len(store)), mean_colour=colours)


def _filtered(judged: pd.DataFrame, model: str) -> pd.DataFrame:
    columns = {"generator": str, "row": "int64", "label": str, "reason": str, "value": float, "limit": float}
    if judged.empty:
        return pd.DataFrame(columns=list(columns)).astype(columns)
    failed = judged[judged["reason"] != ""]
    return failed.assign(generator=model)[list(columns)].astype(columns).reset_index(drop=True)


def _refuse_too_many(filtered: pd.DataFrame, model: str, made: int, max_share: float, folder: Path) -> None:
    """Raise ExportError if more than ``max_share`` of the images are filtered, and list these in ``folder``."""
    if len(filtered) <= max_share * made:
        return
    folder.mkdir(parents=True, exist_ok=True)
    table = folder / f"filtered-{model}.parquet"
    filtered.to_parquet(table)
    reasons = filtered["reason"].value_counts()
    counts = ", ".join(f"{reason} {count}" for reason, count in reasons.items())
    raise ExportError(
        f"{model}: {len(filtered)} of its {made} images fail the filters ({counts}), more than "
        f"export.max_filtered_share {max_share:g}; they are listed in {table}; {ADVICE[reasons.index[0]]}"
    )


def _first_passing(judged: pd.DataFrame, share: float) -> pd.DataFrame:
    """Return the first rows of each label that pass: at most ``share`` of its images, rounded half up."""
    wanted = judged["label"].map(judged["label"].value_counts()) * share + 0.5
    passing = judged[judged["reason"] == ""]
    return passing[passing.groupby("label").cumcount() < np.floor(wanted[passing.index])]


def _real_rows(resized: ShardStore, of_labels: dict[str, str]) -> pd.DataFrame:
    names = [f"real_{row:06d}.png" for row in range(len(resized))]
    table = resized.index.rename(columns={"file": "source_file", "sha256": "source_sha256"})
    table = table.assign(**REAL, synthetic=False, seed=-1, nearest_distance=np.nan, row=range(len(resized)))
    table = _with_paths(table.assign(store=str(resized.folder), mean_colour=None), names, of_labels)
    return table.assign(mask=(f"{masks.FOLDER}/" + table["path"]).where(table["mask"] != "", ""))


def _synthetic_rows(index: pd.DataFrame, model: str, folder: Path, of_labels: dict[str, str]) -> pd.DataFrame:
    names = [f"{model}_{row:06d}.png" for row in index["row"]]
    table = index.assign(**NEW, split="train", synthetic=True, store=str(folder))
    return _with_paths(table, names, of_labels)


def _with_paths(table: pd.DataFrame, names: list[str], of_labels: dict[str, str]) -> pd.DataFrame:
    paths = table["split"] + "/" + table["label"].map(of_labels) + "/" + pd.Series(names, index=table.index, dtype=str)
    columns = [column for column in MANIFEST if column not in ("path", "sha256")]
    return table.assign(path=paths)[["path", *columns, "store", "row", "mean_colour"]]


def _written(table: pd.DataFrame, out: Path, workers: int | None) -> Iterator[str]:
    """Write each image of the table as PNG; yield the sha256 of each file, in order."""
    for folder in sorted({str(Path(path).parent) for path in table["path"]}):
        (out / folder).mkdir(parents=True)
    tasks = [
        (store, rows["row"].iloc[start : start + FILES_PER_CHUNK], rows["path"].iloc[start : start + FILES_PER_CHUNK])
        for store, rows in table.groupby("store", sort=False)
        for start in range(0, len(rows), FILES_PER_CHUNK)
    ]
    digests = compute.map_ordered(partial(_write_pngs, out), tasks, workers)
    for chunk in progress.track(digests, len(tasks), f"export, chunks of {FILES_PER_CHUNK} images"):
        yield from chunk


def _write_pngs(out: Path, task: tuple[str, pd.Series, pd.Series]) -> list[str]:
    store, rows, paths = task
    digests = []
    for image, path in zip(_opened(store).read(rows), paths, strict=True):
        data = pixels.encode_png(image)
        (out / path).write_bytes(data)
        digests.append(hashlib.sha256(data).hexdigest())
    return digests


@lru_cache(maxsize=4)
def _opened(folder: str) -> ShardStore:
    return ShardStore(Path(folder))


def _in_order(manifest: pd.DataFrame) -> pd.DataFrame:
    order = manifest["split"].map({split: number for number, split in enumerate(SPLITS)})
    return manifest.assign(order=order).sort_values(["order", "path"]).drop(columns="order").reset_index(drop=True)
