"""Which generators are judged, and which verdicts are right."""

import math
from collections import Counter
from dataclasses import dataclass

import pandas as pd

from benchmarks.battery import generators
from benchmarks.battery.generators import Generator

HELPS, HARMS, REFUSED = "helps", "harms", "refused"
VERDICTS = (HELPS, "no useful difference", "cannot tell", HARMS, REFUSED)
DOSES = ("oracle 25%", "oracle 50%", "oracle 100%")


@dataclass(frozen=True)
class Rule:
    """Of the draws, how many must, or may at most, end with one of some verdicts.

    Attributes:
        verdicts: which are counted.
        share: of the draws.
        least: whether ``share`` is the least that there must be; else it is the most that there may be.
    """

    verdicts: tuple[str, ...]
    share: float
    least: bool

    def holds(self, counts: Counter) -> bool:
        """Tell whether counts of verdicts obey.

        >>> Rule(("helps",), 0.9, True).holds(Counter(helps=18, harms=2))
        True
        >>> Rule(("helps",), 0.05, False).holds(Counter({"helps": 2, "cannot tell": 18}))
        False
        """
        seen, draws = sum(counts[verdict] for verdict in self.verdicts), counts.total()
        return seen >= math.ceil(self.share * draws - 1e-9) if self.least else seen <= self.share * draws + 1e-9

    def __str__(self) -> str:
        """Return the rule in words."""
        which = " or ".join(self.verdicts)
        if self.share == 1:
            return which
        return f"{which}, at {'least' if self.least else 'most'} {self.share:.0%}"


HELPING = Rule((HELPS,), 0.9, least=True)
NEVER_HELPING = Rule((HELPS,), 0.05, least=False)
UNDECIDED = Rule((HELPS, HARMS), 0.05, least=False)
HARMING = Rule((HARMS,), 1.0, least=True)
LEAKING = Rule((REFUSED,), 1.0, least=True)

CASES: dict[str, tuple[Generator, Rule]] = {
    "oracle 25%": (generators.oracle(0.25), HELPING),
    "oracle 50%": (generators.oracle(0.5), HELPING),
    "oracle 100%": (generators.oracle(1.0), HELPING),
    "same set twice": (generators.nothing, UNDECIDED),
    "copier": (generators.copier, NEVER_HELPING),
    "blurred copier": (generators.blurred_copier, NEVER_HELPING),
    "watermarked copies": (generators.watermarked, NEVER_HELPING),
    "classical images alone": (generators.classical_only, NEVER_HELPING),
    "one mode per class": (generators.one_mode, NEVER_HELPING),
    "noise": (generators.noise, NEVER_HELPING),
    "constant": (generators.constant, NEVER_HELPING),
    "labels shuffled": (generators.shuffled_labels, HARMING),
    "copies of test": (generators.copies_of_test, LEAKING),
}


def table(results: pd.DataFrame) -> pd.DataFrame:
    """Count the verdicts of each case, and say whether its rule holds.

    Args:
        results: a row per case and draw: ``case``, ``verdict``, and ``difference``, ``rare`` and ``common`` in
            balanced accuracy, NaN where nothing was trained.

    Returns:
        A row per case: the number of draws, of each verdict, the mean differences in points, the rule, and ``kept``.
        The largest dose of the oracle must also help most on average, and the smallest least.
    """
    rows = []
    for case, (_, rule) in CASES.items():
        of_case = results[results["case"] == case]
        if len(of_case):
            counts = Counter(of_case["verdict"])
            means = {key: 100 * of_case[key].mean() for key in ("difference", "rare", "common")}
            row = {"case": case, "draws": len(of_case)} | {verdict: counts[verdict] for verdict in VERDICTS} | means
            rows.append(row | {"rule": str(rule), "kept": rule.holds(counts)})
    found = pd.DataFrame(rows)
    doses = found[found["case"].isin(DOSES)]
    rising = doses["difference"].is_monotonic_increasing
    found.loc[doses.index, "rule"] += "; rises with the dose"
    found.loc[doses.index, "kept"] &= rising
    return found


def as_markdown(found: pd.DataFrame) -> str:
    """Return :func:`table`'s rows as a table in Markdown, differences with their sign, in points."""
    head = [*found.columns]
    lines = [head, ["---"] * len(head), *(map(_cell, row) for row in found.itertuples(index=False))]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


def _cell(value: object) -> str:
    if isinstance(value, float):
        return "" if math.isnan(value) else f"{value:+.1f}"
    return {"True": "yes", "False": "**no**"}.get(str(value), str(value))
