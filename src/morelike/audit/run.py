"""The audit from raw files to the manifest: inspect, drop doubles, group, split, check the limits, write."""

from pathlib import Path
from typing import Any

import pandas as pd

from morelike import compute, files, params, progress
from morelike.audit import expectations, likeness, splitting, summary
from morelike.audit.inspection import Inspector, Row
from morelike.errors import ComputeError, SourceError, ValidationError
from morelike.layout import Entry
from morelike.sources import open_source

FILES_PER_CHUNK = 64
MANIFEST = {
    **dict.fromkeys(["file", "label", "split"], "str"),
    "group": "int64",
    **dict.fromkeys(["sha256", "pixel_sha256", "phash", "format", "mode"], "str"),
    **dict.fromkeys(["width_px", "height_px", "orientation", "frames"], "int64"),
    **dict.fromkeys(["mean", "std", "min", "max", "mean_r", "mean_g", "mean_b", "colourfulness"], "float64"),
    "notes": "str",
}
FACTS = [column for column in MANIFEST if column not in ("file", "label", "split", "group")]
QUARANTINE = ["file", "label", "code", "detail"]


def validate(
    raw: Path | str, settings: params.Validate, seed: int, out: Path, evidence: Path, workers: int | None = None
) -> dict[str, Any]:
    """Audit the raw images at ``raw``, write ``out`` whole, say what was found; return its numbers, flat.

    ``out`` gets ``manifest.parquet`` (a row an image, sorted by file), ``quarantine.parquet`` and ``.csv`` (a row
    a file that is not used: ``code`` and ``detail`` say why), ``expectations.json`` and ``summary.json``. Every
    raw file has one row in one of the two tables. The bytes depend on raw files, ``settings`` and ``seed`` alone.

    Raises:
        SourceError: if ``raw`` cannot be listed, or holds nothing.
        ValidationError: if a limit is breached. ``evidence``, a folder, keeps the quarantine table and the results.
    """
    source = open_source(raw)
    entries = source.entries()
    if not entries:
        raise SourceError(f"{raw}: expected images, found no file; set data.raw to where the images are")
    inspector = Inspector(source, settings.min_size_px, settings.max_pixels)
    table = without_doubles(inspect(inspector, entries, workers))
    quarantine = table.loc[table["code"] != "", QUARANTINE].reset_index(drop=True)
    with files.written_aside(evidence) as folder:
        _write_quarantine(folder, quarantine)
    see = f"see {evidence / 'quarantine.csv'}"
    _check_quarantined(table, settings.max_quarantined_share, see)

    manifest = table[table["code"] == ""].reset_index(drop=True)
    splits_given = bool((manifest["given"] != "").any())
    if not splits_given:
        _check_class_sizes(manifest, entries, settings.min_images_per_class, see)
    hashes = manifest["phash"].map(lambda digits: int(digits, 16)).to_numpy("uint64")
    thumbnails = manifest.pop("thumbnail").to_list()
    manifest["group"] = likeness.near_duplicate_groups(hashes, thumbnails, settings.near_duplicate_bits)
    manifest["split"] = splitting.assign_splits(manifest, settings.split.model_dump(), seed)

    labels = sorted({entry.label for entry in entries} - {""})
    suite = expectations.suite(settings.min_size_px, labels, splits_given)
    checked = expectations.check(manifest[list(MANIFEST)].astype(MANIFEST), suite)
    files.write_json(evidence / "expectations.json", checked)
    for rule, count, first in expectations.breaches(checked):
        raise ValidationError(rule, count, "none", first, f"Mend or remove them; see {evidence}/expectations.json")

    about = summary.summarise(manifest, quarantine, source.skipped())
    with files.written_aside(out) as folder:
        manifest[list(MANIFEST)].astype(MANIFEST).to_parquet(folder / "manifest.parquet")
        _write_quarantine(folder, quarantine)
        files.write_json(folder / "expectations.json", checked)
        files.write_json(folder / "summary.json", about)
    for line in summary.lines(about):
        progress.say(line)
    return summary.numbers(about)


def inspect(inspector: Inspector, entries: list[Entry], workers: int | None = None) -> pd.DataFrame:
    """Inspect every entry on ``workers`` processes (as many as cores if None); one row an entry, in order.

    A file whose decoder crashes a worker, or has it killed for memory, is found by halving and quarantined as
    ``decode_error``. With one worker there is no process but this one to protect.
    """
    workers = workers or max(2, compute.cores())
    left = compute.chunks(entries, FILES_PER_CHUNK)
    rows: list[Row] = []
    while left:
        done = 0
        try:
            results = compute.map_ordered(inspector, [*left, []], workers)  # more than one item: never done here
            for chunk_rows in progress.track(results, len(left) + 1, "validate"):
                rows += chunk_rows
                done += 1
        except ComputeError:
            rows += _inspect_apart(inspector, left[done])
            done += 1
        left = left[done:]
    return pd.DataFrame(rows, columns=["file", "label", "given", "code", "detail", *FACTS, "thumbnail"])


def _inspect_apart(inspector: Inspector, chunk: list[Entry]) -> list[Row]:
    """Inspect a chunk that may kill its process, in processes that may die."""
    try:
        return [row for rows in compute.map_ordered(inspector, [chunk, []], 2) for row in rows]
    except ComputeError:
        if len(chunk) > 1:
            half = len(chunk) // 2
            return _inspect_apart(inspector, chunk[:half]) + _inspect_apart(inspector, chunk[half:])
    entry = chunk[0]
    row = {"file": entry.name, "label": entry.label, "given": entry.split}
    return [row | {"code": "decode_error", "detail": "its decoder crashed, or ran out of memory"}]


def without_doubles(table: pd.DataFrame) -> pd.DataFrame:
    """Quarantine every image with the pixels and shape of an earlier one; note on that one if the labels differ."""
    table = table.copy()
    good = table[table["code"] == ""]
    double = good[good.duplicated("pixel_sha256")]
    kept = good.drop_duplicates("pixel_sha256").set_index("pixel_sha256")
    for row in double.itertuples():
        first = kept.loc[row.pixel_sha256]
        differs = f", which is labelled {first['label']}" if first["label"] != row.label else ""
        table.loc[row.Index, ["code", "detail"]] = ["exact_duplicate", f"the same pixels as {first['file']}{differs}"]
        if differs:
            here = table["file"] == first["file"]
            notes = set(filter(None, table.loc[here, "notes"].item().split(","))) | {"label_conflict"}
            table.loc[here, "notes"] = ",".join(sorted(notes))
    return table


def _check_quarantined(table: pd.DataFrame, limit: float, see: str) -> None:
    """Refuse a raw set of which too much is unusable; doubles are no damage and do not count."""
    bad = table[~table["code"].isin(["", "exact_duplicate"])]
    if (table["code"] == "").any() and len(bad) <= limit * len(table):
        return
    rule = f"quarantined files ({', '.join(f'{n} {code}' for code, n in bad['code'].value_counts().items())})"
    first = [f"{row.file} ({row.code})" for row in bad.itertuples()]
    advice = f"Mend or remove them, or raise validate.max_quarantined_share; {see}"
    raise ValidationError(rule, len(bad), f"{limit:.0%} of {len(table)}", first, advice)


def _check_class_sizes(manifest: pd.DataFrame, entries: list[Entry], least: int, see: str) -> None:
    counts = dict.fromkeys(sorted({entry.label for entry in entries if not entry.code} - {""}), 0)
    counts |= manifest["label"].value_counts().to_dict()
    small = [f"{label} ({count} images)" for label, count in counts.items() if count < least]
    if small:
        advice = f"Add images, or remove the class; {see}"
        raise ValidationError("classes too small to split", len(small), f"{least} images a class", small, advice)


def _write_quarantine(folder: Path, quarantine: pd.DataFrame) -> None:
    quarantine = quarantine.astype("str")
    quarantine.to_parquet(folder / "quarantine.parquet")
    quarantine.to_csv(folder / "quarantine.csv", index=False, lineterminator="\n")
