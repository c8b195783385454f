"""Which images are let into the dataset: all real ones, and the new ones that pass the filters."""

from pathlib import Path

import numpy as np
import pandas as pd

from morelike.export import filters, rows
from morelike.export.errors import ExportError
from morelike.export.settings import Export
from morelike.storage import folders
from morelike.storage.shards import ShardStore

ADVICE = {
    "non_finite": "the model diverged: train it with a lower learning rate or precision 32-true",
    "blank": "the model has collapsed: train it longer (models.*.budget_images) or lower export.blank_std",
    "duplicate": "raise the strength or the temperature of its section of synthesize, so that new images differ",
    "off_palette": "train it longer (models.*.budget_images), or raise export.palette_distance",
    "copy": "raise the strength in its section of synthesize, or lower export.copy_distance",
}


def admitted(
    resized: ShardStore, synthetic: Path, real: filters.RealImages, settings: Export, state: Path
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return a row per image to export, and a row per new image that a filter keeps out.

    Args:
        resized: the real images.
        synthetic: holds a folder of new images per model.
        real: the real images, as the filters want them.
        settings: shares and limits.
        state: a folder that outlives a failed run; if too many images are filtered, ``export/`` in it lists them.

    Raises:
        ExportError: if too many images of a model fail the filters, or they do not fit the real ones.
    """
    of_labels = folders.names(sorted(set(resized.index["label"])))
    taken, filtered = [rows.real(resized, of_labels)], [_filtered(pd.DataFrame(), "")]
    for model in sorted(model for model, share in settings.mix.items() if share > 0):
        store = _fitting_store(synthetic / model, resized, real)
        if len(store) == 0:
            continue
        answers = _answers(store, real, settings)
        filtered.append(_filtered(answers, model))
        _refuse_too_many(filtered[-1], model, len(store), settings.max_filtered_share, state / "export")
        taken.append(rows.synthetic(_first_passing(answers, settings.mix[model]), model, store.folder, of_labels))
    return pd.concat(taken, ignore_index=True), pd.concat(filtered, ignore_index=True)


def refuse_untrained(settings: Export, models: tuple[str, ...]) -> None:
    """Raise ExportError if a model has a share in the mix and is not among ``models``, those that are trained."""
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


def _answers(store: ShardStore, real: filters.RealImages, settings: Export) -> pd.DataFrame:
    """Return the index of a store, with reason, value, limit, row and mean_colour of each image."""
    reasons, colours, start = [], [], 0
    for images in store.batches():
        part = store.index.iloc[start : start + len(images)]
        reasons.append(filters.judge(filters.NewImages(images, part, real, settings)))
        colours += list(filters.mean_colours(images))
        start += len(images)
    answers = pd.concat([store.index, pd.concat(reasons)], axis=1)
    return answers.assign(row=range(len(store)), mean_colour=colours)


def _filtered(answers: pd.DataFrame, model: str) -> pd.DataFrame:
    columns = {"generator": str, "row": "int64", "label": str, "reason": str, "value": float, "limit": float}
    if answers.empty:
        return pd.DataFrame(columns=list(columns)).astype(columns)
    failed = answers[answers["reason"] != ""]
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


def _first_passing(answers: pd.DataFrame, share: float) -> pd.DataFrame:
    """Return the first rows of each label that pass: at most ``share`` of its images, rounded half up."""
    wanted = answers["label"].map(answers["label"].value_counts()) * share + 0.5
    passing = answers[answers["reason"] == ""]
    return passing[passing.groupby("label").cumcount() < np.floor(wanted[passing.index])]
