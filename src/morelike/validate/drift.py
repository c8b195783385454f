"""How the accepted images differ from those of the last accepted set."""

import hashlib
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
from pydantic import BaseModel
from scipy.special import chdtri

from morelike.core import files, progress
from morelike.core.errors import DamagedFile
from morelike.core.settings import Count, CountOrZero
from morelike.validate import rules
from morelike.validate.policies import FaultRules

STATISTICS = ("mean", "std", "mean_r", "mean_g", "mean_b", "colourfulness", "blur", "entropy_bits", "clipped_share")
SIZES = ("width_px", "height_px")
KINDS = ("format", "mode")
BINS = 10
SIGNIFICANCE = 0.001
Profile = dict[str, Any]


class _Spread(BaseModel):
    edges: list[float]
    counts: list[float]


class _Profile(BaseModel):
    """The form of a profile in the file of the last accepted set."""

    fingerprint: str
    images: Count
    spread: dict[Literal[(*STATISTICS, *SIZES)], _Spread]
    kinds: dict[Literal[KINDS], dict[str, CountOrZero]]
    classes: dict[str, CountOrZero]


class _Kept(BaseModel):
    last: _Profile
    before: _Profile | None = None


def profile(images: pd.DataFrame) -> Profile:
    """Summarise a set: counts between the deciles of each statistic, counts of formats and classes, a fingerprint."""
    lines = images["file"] + images["pixel_sha256"]
    return {
        "fingerprint": hashlib.sha256("\n".join(sorted(lines)).encode()).hexdigest(),
        "images": len(images),
        "spread": {name: _spread(images[name].to_numpy(float)) for name in (*STATISTICS, *SIZES)},
        "kinds": {name: images[name].value_counts().sort_index().to_dict() for name in KINDS},
        "classes": images["label"].value_counts().sort_index().to_dict(),
    }


def against_last(
    images: pd.DataFrame, accepted: Path, fault_rules: FaultRules
) -> tuple[pd.DataFrame, dict[str, Profile]]:
    """Compare ``images`` with the last accepted set that differs from them.

    Returns:
        The findings, none if there was no such set; and the value to write into the JSON file ``accepted`` once these
        images are accepted.
    """
    if images.empty:
        return rules.gathered([]), {}
    kept = _kept(accepted)
    now = profile(images)
    same = kept and kept["last"]["fingerprint"] == now["fingerprint"]
    before = kept.get("before" if same else "last")
    findings = _findings(before, now, images, fault_rules) if before else rules.gathered([])
    return findings, {"last": now} | ({"before": before} if before else {})


def _kept(accepted: Path) -> dict[str, Profile]:
    """Return the profiles in the file of the last accepted set; none, and a line says so, if it is damaged."""
    if not accepted.is_file():
        return {}
    try:
        with files.readable(accepted, "profiles of sets"):
            return _Kept.model_validate_json(accepted.read_bytes()).model_dump(exclude_none=True)
    except DamagedFile:
        progress.say(f"{accepted}: damaged, so nothing is called drift this time")
        return {}


def psi(expected: np.ndarray, actual: np.ndarray) -> float:
    """Return the population stability index Σ (a − e) ln(a / e) of two sets of shares, all above 0.

    It is 0 if they are the same; below 0.1 is called stable, above 0.25 a shift (Siddiqi, "Credit risk scorecards",
    2006).

    >>> round(psi(np.array([0.5, 0.5]), np.array([0.2, 0.8])), 4)
    0.4159
    """
    return float(((actual - expected) * np.log(actual / expected)).sum())


def by_chance(bins: int, images: int, others: int) -> float:
    """Return the PSI that two samples of one population exceed once in a thousand times.

    PSI · n m / (n + m) is asymptotically χ² with ``bins`` − 1 degrees of freedom (Yurdakul, "Statistical properties of
    population stability index", 2018).
    """
    return float(chdtri(max(bins - 1, 1), SIGNIFICANCE)) * (1 / images + 1 / others)


def _spread(values: np.ndarray) -> dict[str, list[float]]:
    edges = np.unique(np.quantile(values, np.linspace(0, 1, BINS + 1)[1:-1]))
    return {"edges": edges.tolist(), "counts": _counts(values, edges).tolist()}


def _counts(values: np.ndarray, edges: np.ndarray) -> np.ndarray:
    return np.bincount(np.searchsorted(edges, values, side="left"), minlength=len(edges) + 1)


def smoothed(counts: np.ndarray) -> np.ndarray:
    """Return the shares of ``counts`` plus half an image each, so that an empty bin of a small set weighs little."""
    return (counts + 0.5) / (counts + 0.5).sum()


def _findings(before: Profile, now: Profile, images: pd.DataFrame, fault_rules: FaultRules) -> pd.DataFrame:
    found = []
    for name, spread in before["spread"].items():
        code = "drift_sizes" if name in SIZES else "drift_statistics"
        counts = _counts(images[name].to_numpy(float), np.array(spread["edges"]))
        found.append(_shift(code, name, np.array(spread["counts"]), counts, before, now, fault_rules))
    for name, counts in before["kinds"].items():
        values = sorted({*counts, *now["kinds"][name]})
        old, new = (np.array([kinds.get(value, 0) for value in values]) for kinds in (counts, now["kinds"][name]))
        found.append(_shift("drift_formats", name, old, new, before, now, fault_rules))
    for label in sorted(set(before["classes"]) ^ set(now["classes"])):
        gone = label in before["classes"]
        detail = f"class {label} is {'gone' if gone else 'new'}: {(before if gone else now)['classes'][label]} images"
        found.append(rules.finding("drift_classes", detail, label=label))
    return rules.gathered(found)


def _shift(
    code: str, name: str, old: np.ndarray, new: np.ndarray, before: Profile, now: Profile, fault_rules: FaultRules
) -> pd.DataFrame:
    limit = fault_rules[code].limit
    value, chance = psi(smoothed(old), smoothed(new)), by_chance(len(old), now["images"], before["images"])
    if value <= max(limit, chance):
        return rules.gathered([])
    detail = f"{name}: PSI {value:.3g} against the last accepted {before['images']} images, limit {limit:g}"
    return rules.finding(code, detail, value, limit)
