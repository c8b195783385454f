"""The audit: inspect raw files, find faults, apply policies, group near-duplicates, split, check, write."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from morelike.core import files, progress
from morelike.images.colour import WHITE, Colour
from morelike.storage import tables
from morelike.storage.errors import SourceError
from morelike.storage.sources import open_source
from morelike.validate import (
    collection,
    drift,
    expectations,
    hashing,
    likeness,
    policies,
    rules,
    sets,
    splitting,
    summary,
)
from morelike.validate.errors import ValidationError
from morelike.validate.inspection import HISTOGRAM_MEASURES, IMAGE_MEASURES
from morelike.validate.settings import Validate

MANIFEST = {
    **dict.fromkeys(["file", "label", "split"], "str"),
    "group": "int64",
    **dict.fromkeys(["sha256", "pixel_sha256", "phash", "format", "mode", "profile"], "str"),
    **dict.fromkeys(["bits", "width_px", "height_px", "orientation", "frames"], "int64"),
    **dict.fromkeys(["white", "transparent_share", "disagreement", *IMAGE_MEASURES, *HISTOGRAM_MEASURES], "float64"),
    "findings": "str",
}
QUARANTINE = rules.FINDING
FINDINGS = ["file", "label", "code", "policy", "value", "limit", "detail"]


@dataclass(frozen=True)
class Audit:
    """Where an audit writes, and what it needs to know of the rest of the pipeline.

    Attributes:
        out: the folder of its results.
        state: a folder that is kept between runs and is safe to delete. It holds the facts of known contents, the
            profile of the last accepted set, and the findings of the last run, even if it failed.
        seed: the seed of the random splits.
        background: RGB, 0 to 255; transparent images are laid on it.
        resized_px: height and width that the images will be resized to; None if that depends on the images.
    """

    out: Path
    state: Path
    seed: int = 0
    background: Colour = WHITE
    resized_px: tuple[int, int] | None = None

    @property
    def evidence(self) -> Path:
        """The folder of the findings, which are kept even if the run fails."""
        return self.state / "validate"

    def accepted(self, raw: Path | str) -> Path:
        """Return the path of the profile of the last accepted set of ``raw``."""
        return self.state / "accepted" / f"{Path(raw).name or 'raw'}.json"


def validate(raw: Path | str, settings: Validate, audit: Audit, workers: int | None = None) -> dict[str, Any]:
    """Audit the raw images at ``raw``, write ``audit.out``, print what was found, and return it as metrics.

    ``out`` is written all or nothing and gets:

    - ``manifest.parquet``: a row per accepted image, sorted by file.
    - ``quarantine.parquet`` and ``.csv``: a row per file that is not used; code, value, limit and detail say why.
    - ``findings.parquet`` and ``.csv``: a row per file and fault code, with its policy.
    - ``expectations.json`` and ``summary.json``.

    Every raw file has one row in either the manifest or the quarantine. The bytes depend only on the raw files, the
    settings, and (for drift) the set that was accepted before.

    Raises:
        ParamsError: if the rule of a fault code is not valid.
        SourceError: if ``raw`` cannot be listed, or holds nothing.
        ValidationError: if a limit is breached. ``audit.evidence`` keeps the tables and the results.
    """
    fault_rules = settings.codes
    policies.check_rules(fault_rules)
    source = open_source(raw)
    entries = source.entries()
    if not entries:
        raise SourceError(f"{raw}: expected images, found no file; set data.raw to where the images are")
    max_pixels = int(fault_rules["bomb"].limit)
    table, decoded = collection.collect(source, entries, max_pixels, audit.background, audit.state / "audit", workers)
    images, found = find_faults(table, fault_rules, audit.resized_px)
    shifts, profiles = drift.against_last(images, audit.accepted(raw), fault_rules)
    found = policies.noted(rules.gathered([found, shifts]), fault_rules)
    quarantine = policies.quarantined(found).merge(table[["file"]], on="file")[QUARANTINE].sort_values("file")
    with files.written_aside(audit.evidence) as folder:
        _write_tables(folder, quarantine, found)
    see = f"see {audit.evidence}"
    policies.check_limits(found, fault_rules, len(table), see)
    _check_quarantined(table, quarantine, settings.max_quarantined_share, see)

    images["split"] = splitting.assign_splits(images, settings.split.model_dump(), audit.seed)
    manifest = _manifest(images, found)
    given = splitting.given_splits(images)
    suite = expectations.suite(fault_rules, sorted(set(table["label"]) - {""}), bool(given))
    checked = expectations.check(manifest, suite)
    files.write_json(audit.evidence / "expectations.json", checked)
    for rule, count, first in expectations.breaches(checked):
        raise ValidationError(
            rule, count, "none", first, f"Mend or remove them; see {audit.evidence}/expectations.json"
        )

    about = summary.summarise(manifest, given, quarantine, found, source.skipped(), fault_rules)
    with files.written_aside(audit.out) as folder:
        manifest.to_parquet(folder / "manifest.parquet")
        _write_tables(folder, quarantine, found)
        files.write_json(folder / "expectations.json", checked)
        files.write_json(folder / "summary.json", about)
    files.write_json(audit.accepted(raw), profiles)
    progress.say(f"{decoded} of {len(table)} files decoded, the others are known")
    for line in summary.lines(about):
        progress.say(line)
    return summary.numbers(about)


def find_faults(
    table: pd.DataFrame, fault_rules: policies.FaultRules, size_px: tuple[int, int] | None
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Find the faults of every file, and of the set of usable images.

    Args:
        table: the facts, from :func:`morelike.validate.collection.collect`.
        fault_rules: what becomes of each fault.
        size_px: height and width that the images will be resized to; None to skip the check for enlarged images.

    Returns:
        The images that are not quarantined, with the number of their near-duplicate ``group`` (no such column if no
        image is left); and all findings.
    """
    images = table[table["code"] == ""].reset_index(drop=True)
    found = [rules.unusable_files(table), rules.image_faults(images, fault_rules), sets.misspelt(images["label"])]
    if size_px:
        found.append(rules.enlarged(images, *size_px, fault_rules))
    if fault_rules["label_spelling"].policy == "fix":
        images["label"] = images["label"].replace(sets.spellings(images["label"]))
    images = _without(images, found, fault_rules)
    found.append(sets.same_pixels(images))
    images = _without(images, found, fault_rules)
    if images.empty:
        return images, rules.gathered(found)
    images["group"] = likeness.near_duplicate_groups(
        np.stack([hashing.from_hex(images["phash"]), hashing.from_hex(images["phash_cut"])], axis=1),
        images.pop("thumbnail").to_list(),
        int(fault_rules["near_duplicate"].limit),
    )
    found += [sets.near_duplicates(images, fault_rules["near_duplicate"].limit), sets.leaks(images)]
    found.append(sets.unsafe_labels(images["label"]))
    images = _without(images, found, fault_rules)
    labels = {label for label in table.loc[~table["code"].isin(["not_an_image", "stray"]), "label"] if label}
    if fault_rules["label_spelling"].policy == "fix":
        labels -= set(sets.spellings(table["label"]))
    found.append(sets.class_sizes(images, labels, fault_rules, bool(splitting.given_splits(images))))
    return images, rules.gathered(found)


def _without(images: pd.DataFrame, found: list[pd.DataFrame], fault_rules: policies.FaultRules) -> pd.DataFrame:
    out = policies.quarantined(policies.noted(pd.concat(found), fault_rules))
    return images[~images["file"].isin(out["file"])].reset_index(drop=True)


def _manifest(images: pd.DataFrame, found: pd.DataFrame) -> pd.DataFrame:
    said = found["code"] + ": " + found["detail"]
    by_file = said.groupby(found["file"]).agg("; ".join)
    images = images.assign(findings=images["file"].map(by_file).astype("str").fillna(""))
    return images[list(MANIFEST)].astype(MANIFEST)


def _check_quarantined(table: pd.DataFrame, quarantine: pd.DataFrame, limit: float, see: str) -> None:
    """Refuse a raw set with too many unusable files; exact duplicates do not count as unusable."""
    bad = quarantine[quarantine["code"] != "exact_duplicate"]
    if len(quarantine) < len(table) and len(bad) <= limit * len(table):
        return
    rule = f"quarantined files ({', '.join(f'{n} {code}' for code, n in bad['code'].value_counts().items())})"
    first = [f"{row.file} ({row.code})" for row in bad.itertuples()]
    advice = f"Mend or remove them, or raise validate.max_quarantined_share; {see}"
    raise ValidationError(rule, len(bad), f"{limit:.0%} of {len(table)}", first, advice)


def _write_tables(folder: Path, quarantine: pd.DataFrame, found: pd.DataFrame) -> None:
    texts = dict.fromkeys(["file", "label", "code", "detail"], "str")
    for name, rows in (("quarantine", quarantine), ("findings", found[FINDINGS])):
        table = rows.astype(texts).astype({"value": "float64", "limit": "float64"}).reset_index(drop=True)
        table.to_parquet(folder / f"{name}.parquet")
        tables.write_csv(folder / f"{name}.csv", table)
