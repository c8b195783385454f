"""Class names that look like typing errors of others."""

from collections import defaultdict

import pandas as pd

from morelike.validate import rules

FEWEST_LETTERS = 4


def likely(labels: pd.Series, limit: float) -> pd.DataFrame:
    """Return a finding for each class that is one typing error from a class at least ``1 / limit`` times as large."""
    counts = labels.value_counts()
    found = [
        rules.finding(
            "label_typo",
            f"{label!r} ({counts[label]} images) is one typing error from {usual!r} ({counts[usual]} images)",
            counts[label] / counts[usual],
            limit,
            label,
        )
        for label, usual in pairs(counts.to_dict(), limit).items()
    ]
    return rules.gathered(found)


def pairs(counts: dict[str, int], limit: float) -> dict[str, str]:
    """Map each name to the commonest one that it may be a typing error of.

    That is one letter more, less or other, or two exchanged (Damerau 1964), but for the first letter, which is rarely
    wrong: Beta and Zeta are two names. Names with digits are numbers of something, and names below 4 letters are
    too near to each other. Two such names share what is left of them without some letter (symmetric delete, Garbe
    2012), so that many classes take no longer than their names are long.

    >>> pairs({"Lambda": 38, "Lamba": 1, "Beta": 40, "Zeta": 1, "class10": 30, "class11": 1}, 0.1)
    {'Lamba': 'Lambda'}
    """
    names = sorted((name for name in counts if _can_be_compared(name)), key=lambda name: (-counts[name], name))
    by_rest = defaultdict(list)
    for name in names:
        for rest in _rests(name):
            by_rest[rest].append(name)
    found = {}
    for name in sorted(names):
        near = {other for rest in _rests(name) for other in by_rest[rest] if counts[name] <= limit * counts[other]}
        alike = [other for other in near if one_error_apart(name.casefold(), other.casefold())]
        if alike:
            found[name] = min(alike, key=lambda other: (-counts[other], other))
    return found


def one_error_apart(a: str, b: str) -> bool:
    """Tell whether two texts of the same first letter have a Damerau-Levenshtein distance of 1.

    >>> one_error_apart("lamba", "lambda"), one_error_apart("lmabda", "lambda"), one_error_apart("beta", "zeta")
    (True, True, False)
    """
    if a == b or a[:1] != b[:1]:
        return False
    while a and b and a[0] == b[0]:
        a, b = a[1:], b[1:]
    while a and b and a[-1] == b[-1]:
        a, b = a[:-1], b[:-1]
    return max(len(a), len(b)) == 1 or (len(a) == len(b) == 2 and a == b[::-1])


def _can_be_compared(name: str) -> bool:
    return sum(map(str.isalpha, name)) >= FEWEST_LETTERS and not any(map(str.isdigit, name))


def _rests(name: str) -> set[str]:
    folded = name.casefold()
    return {folded, *(folded[:at] + folded[at + 1 :] for at in range(len(folded)))}
