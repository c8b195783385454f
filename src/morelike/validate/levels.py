"""Which range of numbers the deep images of a set share, and whether they share one, by their largest numbers.

A 12-bit camera writes 16-bit files whose largest number is 4095. No single file tells that from a dark exposure; the
set does.
"""

import pandas as pd

from morelike.images.deep import TOLERANCE, WORDS, Span
from morelike.validate import rules

BITS = (8, 10, 12, 14, 16)
WHOLE = tuple(float(2**bits - 1) for bits in BITS)
LEVELS = {"int16": WHOLE, "int32": WHOLE, "float": (1.0, 255.0, 65535.0)}  # what white may be, ascending
OVERSHOOT = {"int16": 1.0, "int32": 1.0, "float": 1.0 + TOLERANCE}
REACH = {"int16": 0.85, "int32": 0.85, "float": 0.1}  # a peak between this share of a level and it makes use of it
BESIDE = {"int16": 2.0, "int32": 2.0, "float": 10.0}  # a peak within this factor of a level lies just below or above
FEWEST, SHARE = 2, 0.05  # of the images: fewer or less are outliers
MOST_ABOVE = 0.2  # peaks just above a level per peak just below it; more, and the level bounds nothing


def deep_images(table: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of a table of facts that have a say: usable deep images, and those out of the range."""
    return table[(table["numbers"].fillna("") != "") & table["code"].isin(["", "out_of_range"])]


def decided(deep: pd.DataFrame, asked: Span | None) -> dict[str, Span]:
    """Return the range of each kind of number in a set.

    ``auto`` takes the smallest level that holds the peaks of all images; but outliers, less than 2 images or 5%, have
    no say where the others make use of a lower level (:func:`_is_used`), nor has an image that no level holds.

    Args:
        deep: from :func:`deep_images`.
        asked: the range that was asked for; None for ``auto``.
    """
    return {kind: asked or Span(0.0, _level(_peaks(deep, kind), kind)) for kind in sorted(set(deep["numbers"]))}


def mixed(table: pd.DataFrame) -> pd.DataFrame:
    """Find kinds of numbers for which ``auto`` finds no range that all images share.

    Either some make use of a level below the set's, or none makes use of the set's, as floats up to 12.
    """
    deep, found = deep_images(table), []
    for kind in sorted(set(deep["numbers"])):
        peaks = _peaks(deep, kind)
        white = _level(peaks, kind)
        lower = [level for level in LEVELS[kind] if level < white]
        used = [level for level in lower if _is_used(peaks, level, kind)]
        if used:
            found.append(_finding(deep, kind, peaks, used[0], white))
        elif kind == "float" and lower and len(peaks) and peaks.max() <= REACH[kind] * white:
            detail = f"{WORDS[kind]} up to {peaks.max():g}: neither {lower[-1]:g} nor {white:g} can be white"
            found.append(rules.finding("mixed_range", detail, float(peaks.max()), REACH[kind] * white))
    return rules.gathered(found)


def with_advice(table: pd.DataFrame) -> pd.Series:
    """Return the details of ``table``; with the span of the set for each image ``out_of_range``."""
    details, out = table["detail"].copy(), table["code"] == "out_of_range"
    for kind in sorted(set(table.loc[out, "numbers"].dropna())):
        those = table["numbers"] == kind
        low, high = (f"{value:g}" for value in (table.loc[those, "low"].min(), table.loc[those, "high"].max()))
        details[out & those] += (
            f"; all {those.sum()} span {low} to {high}: if that is right, `data.range: [{low}, {high}]`"
        )
    return details


def _finding(deep: pd.DataFrame, kind: str, peaks: pd.Series, level: float, white: float) -> pd.DataFrame:
    low, high = peaks[peaks <= level * OVERSHOOT[kind]], peaks[peaks > level * OVERSHOOT[kind]]
    examples = " and ".join(f"{deep['file'][some.idxmax()]} ({some.max():g})" for some in (low, high))
    detail = (
        f"{WORDS[kind]}: {len(low)} images of {len(peaks)} are scaled from 0 to {level:g}, the others from 0 to "
        f"{white:g}, by their largest numbers, such as {examples}"
    )
    return rules.finding("mixed_range", detail, len(low) / len(peaks), SHARE)


def _peaks(deep: pd.DataFrame, kind: str) -> pd.Series:
    """Return the largest number of each image of a kind that any level holds, but for an undershoot."""
    those = deep[deep["numbers"] == kind]
    held = those["high"] <= LEVELS[kind][-1] * OVERSHOOT[kind]
    return those.loc[held & (those["low"] >= -TOLERANCE * those["high"]), "high"]


def _level(peaks: pd.Series, kind: str) -> float:
    for level in LEVELS[kind]:
        beyond = int((peaks > level * OVERSHOOT[kind]).sum())
        if not beyond or (_are_outliers(beyond, peaks) and _is_used(peaks, level, kind)):
            return level
    return LEVELS[kind][-1]


def _is_used(peaks: pd.Series, level: float, kind: str) -> bool:
    """Tell whether a real share of the images has this level as its white.

    Those just below it must be a real share of all, and a real share of these must come near it. But few may lie just
    above it: where exposures are dark, the peaks lie on both sides of any number.
    """
    most, beside = level * OVERSHOOT[kind], BESIDE[kind]
    below = peaks[(peaks > level / beside) & (peaks <= most)]
    above = int(((peaks > most) & (peaks <= most * beside)).sum())
    reaching = int((below > REACH[kind] * level).sum())
    real = not _are_outliers(len(below), peaks) and not _are_outliers(reaching, below)
    return real and above <= MOST_ABOVE * len(below)


def _are_outliers(count: int, peaks: pd.Series) -> bool:
    return count < FEWEST or count < SHARE * len(peaks)
