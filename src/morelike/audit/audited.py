"""Audit raw images, and keep in one object what was found."""

import math
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from morelike.audit.reading import COLUMNS, Reader
from morelike.audit.workers import without_main
from morelike.core.settings import Params
from morelike.validate import policies, run, splitting, summary
from morelike.validate.codes import CODES
from morelike.validate.errors import ValidationError
from morelike.validate.settings import Validate

NOT_OF_THE_PIXELS = {"wrong_extension", "near_duplicate", "label_spelling"}
CONVERTED = {name for name, code in CODES.items() if "fix" in code.policies} - NOT_OF_THE_PIXELS
RULES = "--params FILE takes other rules"


@dataclass(frozen=True, eq=False, repr=False)
class Audited:
    """What an audit found.

    Attributes:
        findings: a row per file and fault: ``file`` ("" for a fault of the set), ``label``, ``code``, ``policy``,
            ``value``, ``limit`` and ``detail``.
        images: a row per accepted image with its facts, the columns of the pipeline's manifest. ``split`` is the given
            one, "" if none was; ``group`` numbers near-duplicates alike.
        quarantine: a row per file that is not accepted, with the finding that says why.
        summary: the counts, as a JSON value; ``failed`` has a line per limit that is breached.
        fault_rules: what became of each fault.
        reader: reads the files.
        converted: the files whose pixels are not used as they are stored.
        decodable: a row per file whose pixels could be decoded, to read it once more.
    """

    findings: pd.DataFrame
    images: pd.DataFrame
    quarantine: pd.DataFrame
    summary: dict[str, Any]
    fault_rules: policies.FaultRules
    reader: Reader
    converted: frozenset[str]
    decodable: pd.DataFrame

    @property
    def failed(self) -> list[str]:
        """A line per limit that is breached; empty if the set passes."""
        return self.summary["failed"]

    def as_json(self) -> dict[str, Any]:
        """Return the summary and every finding as a JSON value; numbers that are NaN or infinite are None."""
        return self.summary | {"findings": [_plain(row) for row in self.findings.to_dict("records")]}

    def __repr__(self) -> str:
        return "\n".join(lines(self.summary))

    def _repr_html_(self) -> str:
        rows = pd.DataFrame(counted(self), columns=["code", "count", "policy", "about", "first"])
        said = pd.DataFrame({"": lines(self.summary)})
        return said.to_html(index=False, header=False, border=0) + rows.to_html(index=False, border=0)


@without_main()
def audit(folder: Path | str, values: Params, cache: Path | str | None, workers: int | None) -> Audited:
    """Audit ``folder`` by the rules in ``values``; the rest is as :func:`morelike.audit.audit` says."""
    settings = values.section("validate", Validate)
    policies.check_rules(settings.codes, values.path)
    with tempfile.TemporaryDirectory(prefix="morelike-audit-") as away:
        state = Path(cache or away)
        place = run.Audit.of(values, state, state)
        examined = run.examine(folder, settings, place, workers)
    return _judged(examined, settings, Reader(examined.source, int(settings.codes["bomb"].limit), place.background))


def _judged(examined: run.Examined, settings: Validate, reader: Reader) -> Audited:
    fault_rules = settings.codes
    found = policies.noted(examined.found, fault_rules)
    quarantine = run.quarantined_files(found).reset_index(drop=True)
    images = examined.images.assign(split=examined.images["given"])
    images = run.manifest_of(images.assign(group=images.get("group", 0)), found)
    counts = {
        "files": examined.files,
        "accepted": len(images),
        "masks": int((images["mask"] != "").sum()),
        "quarantined": len(quarantine),
        "quarantined_by_code": quarantine["code"].value_counts().sort_index().to_dict(),
        "skipped": examined.listing.skipped,
        "notes": examined.listing.notes,
        "classes": images["label"].value_counts().sort_index().to_dict(),
        "splits": {split: int((images["split"] == split).sum()) for split in splitting.given_splits(examined.images)},
        "found": summary.by_code(found, fault_rules),
        "failed": _breached(
            lambda: policies.check_limits(found, fault_rules, examined.files, RULES),
            lambda: run.check_quarantined(examined.files, quarantine, settings.max_quarantined_share, RULES),
        ),
    }
    return Audited(
        found[run.FINDINGS],
        images,
        quarantine,
        counts,
        fault_rules,
        reader,
        converted=frozenset(examined.found["file"][examined.found["code"].isin(CONVERTED)]),
        decodable=examined.table.loc[examined.table["white"].notna(), COLUMNS],
    )


def _breached(*checks: Callable[[], None]) -> list[str]:
    said = []
    for check in checks:
        try:
            check()
        except ValidationError as error:
            said.append(str(error))
    return said


def counted(audited: Audited) -> list[dict[str, Any]]:
    """Return a row per code that was found, in the order of the codes: its rule, its meaning and the first file."""
    firsts = audited.findings.drop_duplicates("code").set_index("code")
    return [
        {"code": code, **one, "first": firsts["file"][code] or firsts["label"][code] or "the set"}
        for code, one in audited.summary["found"].items()
    ]


def lines(counts: dict[str, Any]) -> list[str]:
    """Return the counts in a few lines of text; the last ones say whether the set passes."""
    classes = len(counts["classes"])
    of_classes = f"{classes:,} class" + ("es" if classes != 1 else "")
    said = [f"{counts['accepted']:,} of {counts['files']:,} files accepted, in {of_classes}"]
    if counts["masks"]:
        said.append(f"{counts['masks']:,} masks, each with its image")
    said += counts["notes"]
    for what, of in (("quarantined", counts["quarantined_by_code"]), ("skipped", counts["skipped"])):
        if of:
            said.append(f"{what}: " + ", ".join(f"{count:,} {reason}" for reason, count in of.items()))
    if counts["splits"]:
        said.append("splits: " + ", ".join(f"{count:,} {split}" for split, count in counts["splits"].items()))
    return said + ([f"fails: {line}" for line in counts["failed"]] or ["passes: no limit is breached"])


def _plain(row: dict[str, Any]) -> dict[str, Any]:
    numbers = {key: value for key, value in row.items() if isinstance(value, float)}
    return row | {key: value if math.isfinite(value) else None for key, value in numbers.items()}
