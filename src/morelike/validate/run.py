"""The audit: inspect raw files, find faults, apply policies, group near-duplicates, split, check, write."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from morelike.core import files, progress
from morelike.core.settings import Params
from morelike.images.colour import WHITE, Colour
from morelike.images.deep import Span
from morelike.storage import grouping, tables
from morelike.storage.errors import SourceError
from morelike.storage.labelling import AUTO
from morelike.storage.labels import OF_PLACE
from morelike.storage.settings import Data
from morelike.storage.sources import Listing, Source, open_source
from morelike.validate import (
    collection,
    drift,
    expectations,
    groups,
    hashing,
    levels,
    likeness,
    masks,
    policies,
    rules,
    sets,
    splitting,
    summary,
    typing_errors,
)
from morelike.validate.errors import ValidationError
from morelike.validate.inspection import HISTOGRAM_MEASURES, IMAGE_MEASURES
from morelike.validate.settings import Validate

MANIFEST = {
    **dict.fromkeys(["file", "label", "split"], "str"),
    **dict.fromkeys(["group", "page"], "int64"),
    **dict.fromkeys(["given_group", "mask"], "str"),
    **dict.fromkeys(["sha256", "pixel_sha256", "phash", "format", "mode", "profile", "numbers"], "str"),
    **dict.fromkeys(["bits", "width_px", "height_px", "orientation", "frames"], "int64"),
    **dict.fromkeys(["low", "high", "black", "white", "transparent_share", "disagreement"], "float64"),
    **dict.fromkeys([*IMAGE_MEASURES, *HISTOGRAM_MEASURES], "float64"),
    "attributes": "str",
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
        span: the range of deep images; None if the set decides.
        slices: whether each page of a stack is an image of its own.
        resized_px: height and width that the images will be resized to; None if that depends on the images.
        labels: where labels come from: the setting ``data.labels``.
        groups: which images must share a split, as ``data.groups`` says it; None for near-duplicates alone.
        pair_masks: whether masks are told from images.
    """

    out: Path
    state: Path
    seed: int = 0
    background: Colour = WHITE
    span: Span | None = None
    slices: bool = False
    resized_px: tuple[int, int] | None = None
    labels: str = AUTO
    groups: str | None = None
    pair_masks: bool = True

    @classmethod
    def of(cls, params: Params, out: Path, state: Path) -> "Audit":
        """Return the audit that the sections ``data`` and ``resize`` and the seed ask for."""
        data = params.section("data", Data)
        sides = params.value("resize.height_px"), params.value("resize.width_px")
        return cls(
            out,
            state,
            params.seed,
            data.background_rgb,
            data.span,
            data.stack == "slices",
            None if "auto" in sides else sides,
            data.labels,
            data.groups,
            data.masks == "auto",
        )

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

    - ``manifest.parquet``: a row per accepted image, sorted by file; and ``masks.parquet``, a row per mask of one.
    - ``quarantine.parquet`` and ``.csv``: a row per file that is not used; code, value, limit and detail say why.
    - ``findings.parquet`` and ``.csv``: a row per file and fault code, with its policy.
    - ``expectations.json`` and ``summary.json``.

    Every raw file has one row in the manifest, the masks or the quarantine. The bytes depend only on the raw files, the
    settings, and (for drift) the set that was accepted before.

    Raises:
        ParamsError: if the rule of a fault code is not valid.
        SourceError: if ``raw`` cannot be listed, or holds nothing.
        ValidationError: if a limit is breached. ``audit.evidence`` keeps the tables and the results.
    """
    fault_rules = settings.codes
    examined = examine(raw, settings, audit, workers)
    images = examined.images
    for note in examined.listing.notes:
        progress.say(note)
    shifts, profiles = drift.against_last(images, audit.accepted(raw), fault_rules)
    found = policies.noted(rules.gathered([examined.found, shifts]), fault_rules)
    quarantine = quarantined_files(found)
    with files.written_aside(audit.evidence) as folder:
        _write_tables(folder, quarantine, found)
    see = f"see {audit.evidence}"
    policies.check_limits(found, fault_rules, examined.files, see)
    check_quarantined(examined.files, quarantine, settings.max_quarantined_share, see)

    shares = settings.split.model_dump()
    images["split"] = splitting.assign_splits(images, shares, audit.seed)
    groups.check_filled(images, shares)
    manifest = manifest_of(images, found)
    given = splitting.given_splits(images)
    suite = expectations.suite(fault_rules, sorted(set(examined.table["label"]) - {""}), bool(given))
    checked = expectations.check(manifest, suite)
    files.write_json(audit.evidence / "expectations.json", checked)
    for rule, count, first in expectations.breaches(checked):
        raise ValidationError(rule, count, "none", first, f"Mend or remove them; {see}/expectations.json")

    about = summary.summarise(images, given, quarantine, found, examined.listing.skipped, fault_rules)
    with files.written_aside(audit.out) as folder:
        manifest.to_parquet(folder / "manifest.parquet")
        used = examined.masks["mask"].isin(manifest["mask"])
        examined.masks.loc[used, masks.KEPT].to_parquet(folder / "masks.parquet", index=False)
        _write_tables(folder, quarantine, found)
        files.write_json(folder / "expectations.json", checked)
        files.write_json(folder / "summary.json", about)
    files.write_json(audit.accepted(raw), profiles)
    progress.say(f"{examined.decoded} of {len(examined.table)} files decoded, the others are known")
    for line in summary.lines(about):
        progress.say(line)
    return summary.numbers(about)


@dataclass(frozen=True)
class Examined:
    """The raw files, before anything is decided about the set.

    Attributes:
        source: where they are.
        table: the facts, a row per file, from :func:`morelike.validate.collection.collect`.
        masks: the facts of masks, a row per mask, from :func:`morelike.validate.masks.inspected`.
        images: those that are not quarantined, from :func:`find_faults`; ``mask`` is "" where it is of no use.
        found: every finding, also of codes that are ignored.
        listing: how they were listed: what was left out without a look, and what is to be said of labels.
        decoded: how many contents were decoded now, because nothing was known of them.
    """

    source: Source
    table: pd.DataFrame
    masks: pd.DataFrame
    images: pd.DataFrame
    found: pd.DataFrame
    listing: Listing
    decoded: int

    @property
    def files(self) -> int:
        """The number of files that were looked at."""
        return len(self.table) + len(self.masks)


def examine(raw: Path | str, settings: Validate, audit: Audit, workers: int | None = None) -> Examined:
    """Collect the facts of all files at ``raw`` and find their faults; only ``audit.state`` is written to.

    Raises:
        ParamsError: if the rule of a fault code is not valid.
        SourceError: if ``raw`` cannot be listed, or holds nothing.
    """
    fault_rules = settings.codes
    policies.check_rules(fault_rules)
    source = open_source(raw)
    listing = source.listing(audit.labels, audit.pair_masks)
    entries = grouping.grouped(listing.entries, audit.groups)
    if not entries:
        raise SourceError(f"{raw}: expected images, found no file; name the place where they are")
    reading = collection.Reading(int(fault_rules["bomb"].limit), audit.background, audit.span, audit.slices)
    table, decoded = collection.collect(source, entries, reading, audit.state / "audit", workers)
    images, found = find_faults(table, fault_rules, audit.resized_px, audit.span)
    beside = masks.inspected(source, table, reading.max_pixels, workers)
    found = rules.gathered([found, masks.faults(beside, set(images["file"]))])
    unused = quarantined_files(policies.noted(found, fault_rules))["file"]
    images["mask"] = images["mask"].where(~images["mask"].isin(unused), "")
    return Examined(source, table, beside, images, found, listing, decoded)


def find_faults(
    table: pd.DataFrame,
    fault_rules: policies.FaultRules,
    size_px: tuple[int, int] | None,
    span: Span | None = None,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Find the faults of every file, and of the set of usable images.

    Args:
        table: the facts, from :func:`morelike.validate.collection.collect`.
        fault_rules: what becomes of each fault.
        size_px: height and width that the images will be resized to; None to skip the check for enlarged images.
        span: the range that was asked for deep images; None if the set decided, then they must share one.

    Returns:
        The images that are not quarantined, with the numbers of their near-duplicates, ``near_group``, and of all that
        they must share a split with, ``group`` (no such columns if no image is left); and all findings.
    """
    images = table[table["code"] == ""].reset_index(drop=True)
    found = [rules.unusable_files(table), rules.image_faults(images, fault_rules), sets.misspelt(images["label"])]
    found.append(typing_errors.likely(images["label"], fault_rules["label_typo"].limit))
    if span is None:
        found.append(levels.mixed(table))
    if size_px:
        found.append(rules.enlarged(images, *size_px, fault_rules))
    if fault_rules["label_spelling"].policy == "fix":
        images["label"] = images["label"].replace(sets.spellings(images["label"]))
    images = _without(images, found, fault_rules)
    found.append(sets.same_pixels(images))
    images = _without(images, found, fault_rules)
    if images.empty:
        return images, rules.gathered(found)
    images["near_group"] = likeness.near_duplicate_groups(
        np.stack([hashing.from_hex(images["phash"]), hashing.from_hex(images["phash_cut"])], axis=1),
        images.pop("thumbnail").to_list(),
        int(fault_rules["near_duplicate"].limit),
    )
    images["group"] = groups.joined(images["near_group"].to_numpy(), images["given_group"])
    found += [sets.near_duplicates(images, fault_rules["near_duplicate"].limit), sets.leaks(images)]
    found.append(groups.straddling(images))
    found.append(sets.unsafe_labels(images["label"]))
    images = _without(images, found, fault_rules)
    found.append(groups.too_large(images, fault_rules))
    labels = {label for label in table.loc[~table["code"].isin(["not_an_image", *OF_PLACE]), "label"] if label}
    if fault_rules["label_spelling"].policy == "fix":
        labels -= set(sets.spellings(table["label"]))
    found.append(sets.class_sizes(images, labels, fault_rules, bool(splitting.given_splits(images))))
    return images, rules.gathered(found)


def _without(images: pd.DataFrame, found: list[pd.DataFrame], fault_rules: policies.FaultRules) -> pd.DataFrame:
    out = policies.quarantined(policies.noted(pd.concat(found), fault_rules))
    return images[~images["file"].isin(out["file"])].reset_index(drop=True)


def quarantined_files(found: pd.DataFrame) -> pd.DataFrame:
    """Return a row per file that is not used, sorted by file: the first finding that says why."""
    return policies.quarantined(found)[QUARANTINE].sort_values("file")


def manifest_of(images: pd.DataFrame, found: pd.DataFrame) -> pd.DataFrame:
    """Return the columns of ``MANIFEST``: the facts of each accepted image, and its findings in words."""
    said = found["code"] + ": " + found["detail"]
    by_file = said.groupby(found["file"]).agg("; ".join)
    images = images.assign(findings=images["file"].map(by_file).astype("str").fillna(""))
    return images[list(MANIFEST)].astype(MANIFEST)


def check_quarantined(total: int, quarantine: pd.DataFrame, limit: float, see: str) -> None:
    """Check that enough of ``total`` files are usable; exact duplicates and masks alone do not count as unusable.

    Raises:
        ValidationError: if none is left, or the share of the unusable ones is above ``limit``.
    """
    bad = quarantine[~quarantine["code"].isin(["exact_duplicate", "mask_alone"])]
    if len(quarantine) < total and len(bad) <= policies.of_share(limit, total):
        return
    rule = f"quarantined files ({', '.join(f'{n} {code}' for code, n in bad['code'].value_counts().items())})"
    first = [f"{row.file} ({row.code})" for row in bad.itertuples()]
    advice = f"Mend or remove them, or raise validate.max_quarantined_share; {see}"
    raise ValidationError(rule, len(bad), f"{limit:.0%} of {total}", first, advice)


def _write_tables(folder: Path, quarantine: pd.DataFrame, found: pd.DataFrame) -> None:
    texts = dict.fromkeys(["file", "label", "code", "detail"], "str")
    for name, rows in (("quarantine", quarantine), ("findings", found[FINDINGS])):
        table = rows.astype(texts).astype({"value": "float64", "limit": "float64"}).reset_index(drop=True)
        table.to_parquet(folder / f"{name}.parquet")
        tables.write_csv(folder / f"{name}.csv", table)
