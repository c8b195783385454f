"""The dataset that people consume: class folders of PNGs, every image traced, new ones only in train."""

import hashlib
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path

import numpy as np
import pandas as pd

from morelike.core import compute, files, progress
from morelike.export import card, filters
from morelike.export.errors import ExportError
from morelike.export.settings import Export
from morelike.images import pixels
from morelike.storage.shards import ShardStore

SPLITS = ("train", "val", "test")
FILES_PER_CHUNK = 64
KEPT_ASIDE = Path(".morelike/export")  # where the table of filtered images lies when too many are
NOT_IN_A_NAME = re.compile(r'[<>:"/\\|?*\x00-\x1f]|[. ]+$')
HIDES_A_FOLDER = re.compile(r"^(\.|__)[._]*")  # from the loaders
MAX_FOLDER_BYTES = 200
REAL = {"generator": "", "method": "", "settings": "", "model_sha256": "", "nearest_file": ""}
MANIFEST = [
    *("path", "split", "label", "synthetic", "generator", "method", "seed", "source_file", "source_sha256"),
    *("settings", "model_sha256", "nearest_file", "nearest_distance", "sha256"),
]
METADATA = ["file_name", "label", "synthetic", "generator", "method", "seed", "source_file", "nearest_distance"]
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
        validated, resized: of the real images.
        synthetic: holds a folder per model.
        models: that are trained now; of others nothing is read, whatever they left behind.
    """

    validated: Path
    resized: Path
    synthetic: Path
    models: tuple[str, ...]


def write_augmented(sources: Sources, out: Path, settings: Export, workers: int | None = None) -> dict:
    """Write the real images of all splits and the new images that pass the filters into ``out``.

    ``out`` gets ``<split>/<class>/*.png`` (torchvision's ImageFolder), ``<split>/metadata.csv`` (Hugging
    Face's imagefolder), ``manifest.parquet``, ``filtered.parquet`` and the dataset card ``README.md``.
    From the model ``m`` come at most ``settings.mix[m]`` of the images that it made of each class, the
    first that pass.

    Returns:
        What was counted and measured.

    Raises:
        ExportError: if too many images of a model fail the filters, or its images do not fit the real ones.
    """
    _refuse_untrained(settings, sources.models)
    real = ShardStore(sources.resized)
    known = filters.RealImages.of(real)
    table, filtered = _chosen(real, Path(sources.synthetic), known, settings)
    with files.written_aside(out) as aside:
        table["sha256"] = list(_written(table, aside, workers))
        manifest = _in_order(table[MANIFEST])
        manifest.to_parquet(aside / "manifest.parquet")
        filtered.to_parquet(aside / "filtered.parquet")
        described = _write_metadata(manifest, aside)
        measured = summary(table, filtered, known)
        quarantined = (
            pd.read_parquet(Path(sources.validated) / "quarantine.parquet")["code"].value_counts().sort_index()
        )
        files.write_text(aside / "README.md", card.text(manifest, filtered, quarantined.to_dict(), measured, described))
    return measured


def _chosen(
    real: ShardStore, synthetic: Path, known: filters.RealImages, settings: Export
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return a row for every image to export, and one for every new image that a filter keeps out."""
    folders = folder_names(sorted(set(real.index["label"])))
    tables, filtered = [_real_rows(real, folders)], [_filtered(pd.DataFrame(), "")]
    for model in sorted(model for model, share in settings.mix.items() if share > 0):
        store = _fitting_store(synthetic / model, real, known)
        if len(store) == 0:
            continue
        judged = _judged(store, known, settings)
        filtered.append(_filtered(judged, model))
        _refuse_too_many(filtered[-1], model, len(store), settings.max_filtered_share)
        tables.append(_synthetic_rows(_first_passing(judged, settings.mix[model]), model, store.folder, folders))
    return pd.concat(tables, ignore_index=True), pd.concat(filtered, ignore_index=True)


def summary(table: pd.DataFrame, filtered: pd.DataFrame, known: filters.RealImages) -> dict:
    """Return the numbers of the stage: images, what was filtered, and how far the mean colours are apart."""
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
    colours = {"mean_colour_real": known.train_mean_colour.tolist()}
    if len(new):
        synthetic = np.stack(new["mean_colour"].tolist()).mean(axis=0)
        difference = float(np.abs(synthetic - known.train_mean_colour).max())
        colours |= {"mean_colour_synthetic": synthetic.tolist(), "mean_colour_difference": difference}
    return counts | colours


def folder_names(labels: list[str]) -> dict[str, str]:
    """Return a folder name for every label: the label itself, but for what a file system or a loader cannot hold.

    >>> folder_names(["Alpha", "a/b", "a?b"])
    {'Alpha': 'Alpha', 'a/b': 'a_b', 'a?b': 'a_b-2'}
    """
    names, taken = {}, set()
    for label in labels:
        short = label.encode()[:MAX_FOLDER_BYTES].decode(errors="ignore")
        plain = HIDES_A_FOLDER.sub("_", NOT_IN_A_NAME.sub("_", short)) or "_"
        name, count = plain, 1
        while name.casefold() in taken:
            count += 1
            name = f"{plain}-{count}"
        taken.add(name.casefold())
        names[label] = name
    return names


def _refuse_untrained(settings: Export, models: tuple[str, ...]) -> None:
    for model, share in settings.mix.items():
        if share > 0 and model not in models:
            trained = ", ".join(models) or "none"
            raise ExportError(f"export.mix.{model} is {share:g}, but train.models does not name it, only: {trained}")


def _fitting_store(folder: Path, real: ShardStore, known: filters.RealImages) -> ShardStore:
    store = ShardStore(folder)
    if store.shape != real.shape:
        raise ExportError(
            f"{folder}: expected images of {'×'.join(map(str, real.shape))} as in {real.folder}, "
            f"got {'×'.join(map(str, store.shape))}; run `dvc repro` to train and synthesize again"
        )
    if unknown := sorted(set(store.index["label"]) - set(known.palettes)):
        raise ExportError(
            f"{folder}: no real train image has the label {unknown[0]!r}; run `dvc repro` to train and synthesize again"
        )
    return store


def _judged(store: ShardStore, known: filters.RealImages, settings: Export) -> pd.DataFrame:
    """Return the index of a store with reason, value, limit, row and mean_colour of every image."""
    answers, colours, start = [], [], 0
    for images in store.batches():
        rows = store.index.iloc[start : start + len(images)]
        answers.append(filters.judge(filters.NewImages(images, rows, known, settings)))
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


def _refuse_too_many(filtered: pd.DataFrame, model: str, made: int, max_share: float) -> None:
    if len(filtered) <= max_share * made:
        return
    KEPT_ASIDE.mkdir(parents=True, exist_ok=True)
    table = KEPT_ASIDE / f"filtered-{model}.parquet"
    filtered.to_parquet(table)
    reasons = filtered["reason"].value_counts()
    counts = ", ".join(f"{reason} {count}" for reason, count in reasons.items())
    raise ExportError(
        f"{model}: {len(filtered)} of its {made} images fail the filters ({counts}), more than "
        f"export.max_filtered_share {max_share:g}; they are listed in {table}; {ADVICE[reasons.index[0]]}"
    )


def _first_passing(judged: pd.DataFrame, share: float) -> pd.DataFrame:
    """Return the first rows that pass, at most ``share`` of the images of each label, rounded half up."""
    wanted = judged["label"].map(judged["label"].value_counts()) * share + 0.5
    passing = judged[judged["reason"] == ""]
    return passing[passing.groupby("label").cumcount() < np.floor(wanted[passing.index])]


def _real_rows(real: ShardStore, folders: dict[str, str]) -> pd.DataFrame:
    names = [f"real_{row:06d}.png" for row in range(len(real))]
    table = real.index.rename(columns={"file": "source_file", "sha256": "source_sha256"})
    table = table.assign(**REAL, synthetic=False, seed=-1, nearest_distance=np.nan, row=range(len(real)))
    return _with_paths(table.assign(store=str(real.folder), mean_colour=None), names, folders)


def _synthetic_rows(index: pd.DataFrame, model: str, folder: Path, folders: dict[str, str]) -> pd.DataFrame:
    names = [f"{model}_{row:06d}.png" for row in index["row"]]
    table = index.assign(split="train", synthetic=True, store=str(folder))
    return _with_paths(table, names, folders)


def _with_paths(table: pd.DataFrame, names: list[str], folders: dict[str, str]) -> pd.DataFrame:
    paths = table["split"] + "/" + table["label"].map(folders) + "/" + pd.Series(names, index=table.index, dtype=str)
    columns = [column for column in MANIFEST if column not in ("path", "sha256")]
    return table.assign(path=paths)[["path", *columns, "store", "row", "mean_colour"]]


def _written(table: pd.DataFrame, out: Path, workers: int | None) -> Iterator[str]:
    """Write every image of the table as PNG and yield the sha256 of each file, in order."""
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


def _write_metadata(manifest: pd.DataFrame, out: Path) -> bool:
    """Write ``metadata.csv`` into every split; tell whether the labels survive CSV.

    CSV has no types: a class ``None`` or ``007`` would come back as nothing or 7. Such a set gets
    ``provenance.csv`` instead, and loaders take the labels from the folders.
    """
    splits = [split for split in SPLITS if (manifest["split"] == split).any()]
    tables = {split: manifest[manifest["split"] == split] for split in splits}
    survives = _labels_survive_csv([sorted(set(table["label"])) for table in tables.values()])
    for split, table in tables.items():
        metadata = table.assign(file_name=table["path"].str.removeprefix(f"{split}/"))[METADATA].replace("", "none")
        text = metadata.to_csv(index=False, lineterminator="\n")
        files.write_text(out / split / ("metadata.csv" if survives else "provenance.csv"), text)
    return survives


def _labels_survive_csv(labels_of_splits: list[list[str]]) -> bool:
    read = []
    for labels in labels_of_splits:
        text = pd.DataFrame({"label": labels}).to_csv(index=False)
        read.append(pd.read_csv(io.StringIO(text))["label"])
    same = all(list(back.astype(str)) == labels for back, labels in zip(read, labels_of_splits, strict=True))
    return same and len({str(back.dtype) for back in read}) == 1
