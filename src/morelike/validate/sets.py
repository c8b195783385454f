"""Faults that only the whole set shows: duplicates, conflicting labels, leaks, spellings, class sizes."""

from collections.abc import Iterable

import numpy as np
import pandas as pd

from morelike.storage import folders
from morelike.validate import hashing, rules, splitting, typing_errors
from morelike.validate.policies import FaultRules

Table = pd.DataFrame


def spellings(labels: pd.Series) -> dict[str, str]:
    """Map each label that differs from a commoner one by case or spaces alone to that one.

    >>> spellings(pd.Series(["Cat", "Cat", "cat ", "dog"]))
    {'cat ': 'Cat'}
    """
    counts = labels.value_counts()
    commonest: dict[str, str] = {}
    for label in sorted(counts.index, key=lambda name: (-counts[name], name)):
        commonest.setdefault(_folded(label), label)
    return {label: commonest[_folded(label)] for label in sorted(counts.index) if commonest[_folded(label)] != label}


def misspelt(labels: pd.Series) -> Table:
    """Return a finding for each label that :func:`spellings` would change."""
    counts = labels.value_counts()
    found = [
        rules.finding(
            "label_spelling", f"{label!r} ({counts[label]} images) is {usual!r} but for case or spaces", label=label
        )
        for label, usual in spellings(labels).items()
    ]
    return rules.gathered(found)


def unsafe_labels(labels: pd.Series) -> Table:
    """Return a finding for each label that the export cannot give a folder of its own name."""
    named = folders.names(sorted(set(labels)))
    found = [
        rules.finding("unsafe_label", f"{label!r} is exported into a folder {name!r}", label=label)
        for label, name in named.items()
        if name != label
    ]
    return rules.gathered(found)


def same_pixels(images: Table) -> Table:
    """Find each ``exact_duplicate`` (pixels of an earlier image) and ``label_conflict`` (same pixels, other label)."""
    same = images[images.duplicated("pixel_sha256", keep=False)]
    first = same.groupby("pixel_sha256")[["file", "label"]].transform("first")
    later = same["file"] != first["file"]
    labels = same.groupby("pixel_sha256")["label"].transform("nunique")
    others = same.groupby("pixel_sha256")["file"].transform("last")
    other = first["file"].where(later, others)
    of_label = same.set_index("file")["label"]
    details = [f"the same pixels as {name}, which is labelled {of_label[name]}" for name in other[labels > 1]]
    return rules.gathered(
        [
            rules.found_in(same[labels > 1], "label_conflict", details),
            rules.found_in(
                same[later], "exact_duplicate", [f"the same pixels as {name}" for name in first["file"][later]]
            ),
        ]
    )


def near_duplicates(images: Table, radius_bits: int) -> Table:
    """Find the second and later images of each ``near_group``; the value is the distance of their hashes in bits."""
    first = images.groupby("near_group")[["file", "phash"]].transform("first")
    later = images["file"] != first["file"]
    bits = np.bitwise_count(hashing.from_hex(images["phash"][later]) ^ hashing.from_hex(first["phash"][later]))
    details = [
        f"nearly {name}: {n} of 64 bits of hash apart" for name, n in zip(first["file"][later], bits, strict=True)
    ]
    return rules.found_in(images[later], "near_duplicate", details, bits.astype(float), radius_bits)


def leaks(images: Table) -> Table:
    """Find images whose ``near_group`` is also in a given split that must stay unseen: test, or val for train."""
    rank, highest = splitting.ranks(images, "near_group")
    leaked = rank < highest
    kept = images[rank == highest].drop_duplicates("near_group").set_index("near_group")["file"]
    names = images.loc[leaked, "near_group"].map(kept)
    return rules.found_in(images[leaked], "leakage", [f"nearly {name}" for name in names])


def class_sizes(images: Table, labels: Iterable[str], fault_rules: FaultRules, splits_given: bool) -> Table:
    """Find classes too small to split (none if splits are given), and a set with uneven class sizes."""
    counts = dict.fromkeys(sorted(labels), 0) | images["label"].value_counts().to_dict()
    least, ratio = fault_rules["small_class"].limit, fault_rules["imbalance"].limit
    typos = typing_errors.pairs(counts, fault_rules["label_typo"].limit)
    hints = {label: f"; a typing error of {usual}?" for label, usual in typos.items()}
    found = [
        rules.finding("small_class", f"{count} images, at least {least:g}{hints.get(label, '')}", count, least, label)
        for label, count in counts.items()
        if count < least and not splits_given
    ]
    present = {label: count for label, count in counts.items() if count}
    if present:
        large, small = max(present, key=present.get), min(present, key=present.get)
        uneven = present[large] / present[small]
        if uneven > ratio:
            detail = (
                f"{present[large]} images of {large}, {present[small]} of {small}: {uneven:.3g} times, limit {ratio:g}"
            )
            found.append(rules.finding("imbalance", detail, uneven, ratio))
    return rules.gathered(found)


def _folded(label: str) -> str:
    return " ".join(label.casefold().split())
