"""Assign each image to train, val or test."""

from collections import Counter

import numpy as np
import pandas as pd

from morelike.core import randomness

SPLITS = ("train", "val", "test")


def given_splits(table: pd.DataFrame) -> list[str]:
    """Return the splits that images came with, sorted; none if they came without."""
    return sorted(set(table["given"]) - {""})


def ranks(table: pd.DataFrame, group: str) -> tuple[pd.Series, pd.Series]:
    """Return how unseen the given split of each row must stay, and the most of any row of its group.

    The rank is the place in :data:`SPLITS`; that of a row without a split is train's. ``group`` names a column.
    """
    rank = table["given"].map({split: place for place, split in enumerate(SPLITS)}).fillna(0)
    return rank, rank.groupby(table[group]).transform("max")


def assign_splits(table: pd.DataFrame, shares: dict[str, float], seed: int) -> pd.Series:
    """Return the split of every row.

    Given splits are kept. A split that was not given is drawn from the images without a split and those of train, by
    ``shares`` and stratified by label: each class is off its share by less than one image, or one group of images.
    The images of a group are never separated. A class of at least as many groups as splits, of no other class, is in
    every split. The draw depends only on ``seed`` and the pixels, not on file names.

    Args:
        table: columns ``label``, ``given`` (a split, or ""), ``group`` and ``pixel_sha256``.
        shares: of ``train``, ``val`` and ``test``, summing to 1.
        seed: the seed of the run.
    """
    splits = table["given"].replace("", "train")
    wanted = ["train", *(name for name in SPLITS[1:] if name not in given_splits(table))]
    total = sum(shares[name] for name in wanted)
    if len(wanted) == 1 or total == 0:
        return splits
    pool = table[splits == "train"]
    drawn = _drawn(pool, np.array([shares[name] / total for name in wanted]), seed)
    splits.loc[pool.index] = np.array(wanted, dtype=object)[drawn]
    return splits


def _drawn(pool: pd.DataFrame, shares: np.ndarray, seed: int) -> np.ndarray:
    """Return the place of each row's split in ``shares``, int64 N.

    A group goes where its classes lack the most images, but where a class has only as many groups left as splits that
    it is not in yet, into one of those.
    """
    left, labels = _quotas(pool["label"], shares), pool["label"].tolist()
    groups_left = pool[["group", "label"]].drop_duplicates()["label"].value_counts().to_dict()
    empty = {label: np.flatnonzero(of > 0).tolist() for label, of in left.items()}
    drawn = np.empty(len(pool), np.int64)
    for places in _shuffled_groups(pool, seed):
        counts = Counter(labels[place] for place in places)
        gains = sum(count * left[label] for label, count in counts.items())
        waiting = sorted(
            {split for label in counts if groups_left[label] <= len(empty[label]) for split in empty[label]}
        )
        split = waiting[int(np.argmax(gains[waiting]))] if waiting else int(np.argmax(gains))
        drawn[places] = split
        for label, count in counts.items():
            left[label][split] -= count
            groups_left[label] -= 1
            if split in empty[label]:
                empty[label].remove(split)
    return drawn


def _quotas(labels: pd.Series, shares: np.ndarray) -> dict[str, np.ndarray]:
    return {label: quota(count, shares) for label, count in labels.value_counts(sort=False).items()}


def quota(count: int, shares: np.ndarray) -> np.ndarray:
    """Share out ``count`` images by the largest remainder; every wanted split gets one if there are enough.

    >>> quota(5, np.array([0.7, 0.1, 0.2]))
    array([3, 1, 1])
    """
    wanted = (shares > 0).astype(int)
    least = wanted if count >= wanted.sum() else np.zeros_like(wanted)
    parts = np.maximum(np.floor(count * shares).astype(int), least)
    while parts.sum() < count:
        parts[np.argmax(count * shares - parts)] += 1
    while parts.sum() > count:
        parts[np.argmax(np.where(parts > least, parts - count * shares, -np.inf))] -= 1
    return parts


def _shuffled_groups(pool: pd.DataFrame, seed: int) -> list[list[int]]:
    """Return the places of each group's rows in ``pool``: large groups first, else by a draw from their pixels."""
    places: dict[int, list[int]] = {}
    for place, group in enumerate(pool["group"].tolist()):
        places.setdefault(group, []).append(place)
    digests = pool["pixel_sha256"].tolist()
    firsts = {group: min(map(digests.__getitem__, rows)) for group, rows in places.items()}
    keys = {
        group: (-len(rows), randomness.derived_seed(seed, "split", firsts[group])) for group, rows in places.items()
    }
    return [places[group] for group in sorted(places, key=keys.get)]
