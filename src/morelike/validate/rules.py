"""Find faults in the table of facts: pure functions that return findings, a row per file and fault code."""

import posixpath
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from string import Formatter

import numpy as np
import pandas as pd

from morelike.images import headers
from morelike.images.colour import COLOURED
from morelike.storage import labels
from morelike.validate.codes import CODES
from morelike.validate.policies import FaultRules

FINDING = ["file", "label", "code", "value", "limit", "detail"]
MODES_BUT_RGB = {"1", "L", "LA", "La", "P", "PA", "I", "F"}
FEWEST_COLOURED = 20  # coloured images that it takes to know the usual colours of the set
SYNTHETIC = '"synthetic": "true"'  # in the attributes
Table = pd.DataFrame


@dataclass(frozen=True)
class Measure:
    """A number that is a fault beyond its limit."""

    of: Callable[[Table], pd.Series]
    above: bool
    words: str


def _side(table: Table) -> pd.Series:
    return np.sqrt(table["width_px"] * table["height_px"])


def _long(table: Table) -> pd.Series:
    return table[["width_px", "height_px"]].max(axis=1)


def _short(table: Table) -> pd.Series:
    return table[["width_px", "height_px"]].min(axis=1)


def _octaves(table: Table) -> pd.Series:
    return np.abs(np.log2(_side(table) / _side(table).median()))


def _clipped(table: Table) -> pd.Series:
    """Only what exceeds the set's median counts: digits on black are all clipped, and none is burnt out."""
    return table["clipped_share"] - table["clipped_share"].median()


MEASURES = {
    "decoders_disagree": Measure(lambda t: t["disagreement"], True, "share of values that OpenCV decodes otherwise"),
    "near_black": Measure(lambda t: t["dark"], False, "99th percentile of brightness"),
    "near_white": Measure(lambda t: t["light"], True, "1st percentile of brightness"),
    "blurred": Measure(lambda t: t["blur"], True, "blur"),
    "low_information": Measure(lambda t: t["entropy_bits"], False, "entropy in bits"),
    "clipped": Measure(_clipped, True, "share of pixels at level 0 or 255, above the set's median,"),
    "too_small": Measure(_short, False, "pixels of the shorter side"),
    "odd_aspect": Measure(lambda t: _long(t) / _short(t), True, "long side / short side"),
    "odd_size": Measure(_octaves, True, "factors of 2 from the median side"),
}
SCALED = "scaled from {black:g} to {white:g}, the range of the set"
FORMS: dict[str, tuple[Callable[[Table], pd.Series], str]] = {
    "animated": (lambda t: t["frames"] > 1, "{frames:.0f} frames or pages, the first is used"),
    "synthetic": (lambda t: t["attributes"].str.contains(SYNTHETIC, case=False, regex=False), "called synthetic"),
    "orientation": (lambda t: t["orientation"].between(2, 8), "EXIF orientation {orientation:.0f}, turned upright"),
    "alpha": (lambda t: t["alpha"].astype(bool), "transparent over {transparent_share:.1%}"),
    "palette": (lambda t: t["mode"].isin(["P", "PA"]), "mode {mode}, becomes RGB"),
    "cmyk": (lambda t: t["mode"] == "CMYK", "mode {mode}, becomes sRGB"),
    "lab": (lambda t: t["mode"] == "LAB", "mode {mode}, becomes sRGB"),
    "one_bit": (lambda t: t["mode"] == "1", "1 bit, becomes grey"),
    "sixteen_bit": (
        lambda t: t["numbers"] == "int16",
        "{bits:.0f} bits, scaled from {black:g} to {white:g}, the range of the set",
    ),
    "thirty_two_bit": (
        lambda t: t["numbers"].isin(["int32", "float"]),
        "mode {mode}, " + SCALED,
    ),
    "icc_profile": (lambda t: t["profile"] != "", "profile {profile}, converted to sRGB"),
    "constant": (lambda t: t["constant"].astype(bool), "every pixel is {mean_r:.3f}/{mean_g:.3f}/{mean_b:.3f} of 1"),
    "grey_as_rgb": (lambda t: (t["colourfulness"] == 0) & ~_not_rgb(t), "mode {mode} without any colour"),
}


def unusable_files(table: Table) -> Table:
    """Return a finding for every file that has no facts, with the code that says why."""
    return table.loc[table["code"] != "", FINDING].reset_index(drop=True)


def image_faults(table: Table, fault_rules: FaultRules) -> Table:
    """Return the faults of each image, by itself or compared with the set; every row of ``table`` must have facts."""
    found = [_named(table, code, holds(table), words) for code, (holds, words) in FORMS.items()]
    found.append(_wrong_extension(table))
    found += [_beyond(table, code, measure.of(table), fault_rules) for code, measure in MEASURES.items()]
    found.append(_channel_order(table, fault_rules))
    return gathered(found)


def enlarged(table: Table, height_px: int, width_px: int, fault_rules: FaultRules) -> Table:
    """Return the images that must be enlarged by more than the limit to fill ``height_px`` × ``width_px``."""
    factor = np.minimum(height_px / table["height_px"], width_px / table["width_px"])
    words = f"factor to fill {width_px}×{height_px} pixels"
    return _over(table, "enlarged", factor, factor > fault_rules["enlarged"].limit, fault_rules, words)


def gathered(found: Iterable[Table]) -> Table:
    """Join findings, sorted by the order of the codes, then by file."""
    found = [frame for frame in found if len(frame)]
    if not found:
        return pd.DataFrame(
            {name: pd.Series(dtype="float64" if name in ("value", "limit") else "str") for name in FINDING}
        )
    together = pd.concat(found, ignore_index=True)
    order = together["code"].map({name: place for place, name in enumerate(CODES)})
    return together.assign(order=order).sort_values(["order", "file"], kind="stable").drop(columns="order")[FINDING]


def finding(code: str, detail: str, value: float = np.nan, limit: float = np.nan, label: str = "") -> Table:
    """Return one finding that belongs to the set, not to one file."""
    return pd.DataFrame([["", label, code, value, limit, detail]], columns=FINDING)


def found_in(rows: Table, code: str, details: list[str], value: object = np.nan, limit: object = np.nan) -> Table:
    """Return a finding of ``code`` for each of ``rows``."""
    return rows[["file", "label"]].assign(code=code, value=value, limit=limit, detail=details)[FINDING]


def _named(table: Table, code: str, holds: pd.Series, words: str) -> Table:
    rows = table[holds.to_numpy(bool)]
    named = [name for _, name, _, _ in Formatter().parse(words) if name]
    return found_in(rows, code, [words.format(**row) for row in rows[["file", *named]].to_dict("records")])


def _beyond(table: Table, code: str, values: pd.Series, fault_rules: FaultRules) -> Table:
    measure, limit = MEASURES[code], fault_rules[code].limit
    return _over(table, code, values, values > limit if measure.above else values < limit, fault_rules, measure.words)


def _over(table: Table, code: str, values: pd.Series, holds: pd.Series, fault_rules: FaultRules, words: str) -> Table:
    limit, beyond = fault_rules[code].limit, values[holds]
    details = [f"{words} is {value:.4g}, limit {limit:g}" for value in beyond]
    return found_in(table[holds.to_numpy(bool)], code, details, beyond.astype("float64"), limit)


def _wrong_extension(table: Table) -> Table:
    paths = map(labels.path_of, table["file"], table["page"])
    suffixes = [posixpath.splitext(path)[1].lower() for path in paths]
    kinds = table["format"].tolist()
    wrong = [end not in headers.EXTENSIONS.get(kind, ()) for end, kind in zip(suffixes, kinds, strict=True)]
    details = [
        f"holds a {kind} ({', '.join(sorted(headers.EXTENSIONS.get(kind, ())))}), its name ends in {end!r}"
        for end, kind, is_wrong in zip(suffixes, kinds, wrong, strict=True)
        if is_wrong
    ]
    return found_in(table[np.array(wrong, bool)], "wrong_extension", details)


def _channel_order(table: Table, fault_rules: FaultRules) -> Table:
    """Find images that would fit the set far better with red and blue exchanged.

    The warmth of an image is the mean of its red minus that of its blue. An image is suspect if its warmth is more than
    the limit away from the median of all coloured images, in robust standard deviations (1.4826 MAD), and would be
    within half the limit with red and blue exchanged.
    """
    limit = fault_rules["channel_order"].limit
    coloured = table[table["colourfulness"] > COLOURED]
    if len(coloured) < FEWEST_COLOURED:
        return found_in(coloured.iloc[:0], "channel_order", [])
    warmth = coloured["mean_r"] - coloured["mean_b"]
    usual = warmth.median()
    spread = max(1.4826 * (warmth - usual).abs().median(), 1 / 255)
    apart, exchanged = (warmth - usual).abs() / spread, (-warmth - usual).abs() / spread
    holds = (apart > limit) & (exchanged < limit / 2)
    return _over(
        coloured, "channel_order", apart, holds, fault_rules, "red − blue, in robust deviations from the set's,"
    )


def _not_rgb(table: Table) -> pd.Series:
    return table["mode"].isin(MODES_BUT_RGB) | table["mode"].str.startswith(("I;", "F;"))
