"""Which image trains, which picks settings, which judges."""

import numpy as np
import pandas as pd

from morelike import randomness

SPLITS = ("train", "val", "test")


def assign_splits(table: pd.DataFrame, shares: dict[str, float], seed: int) -> pd.Series:
    """Return the split of every row.

    Given splits are kept. A split that was not given is carved out of the images that have none, or of train,
    by ``shares`` and stratified by label: each class is off its share by less than one image, or than one group.
    A group stays on one side; which side depends on ``seed`` and the pixels of the images alone, not on names.

    Args:
        table: columns ``label``, ``given`` (a split, or ""), ``group`` and ``pixel_sha256``.
        shares: of ``train``, ``val`` and ``test``, summing to 1.
        seed: of the run.
    """
    splits = table["given"].replace("", "train")
    wanted = ["train", *(name for name in SPLITS[1:] if name not in set(table["given"]))]
    total = sum(shares[name] for name in wanted)
    if len(wanted) == 1 or total == 0:
        return splits
    pool = table[splits == "train"]
    left = _quotas(pool["label"], np.array([shares[name] / total for name in wanted]))
    for rows in _shuffled_groups(pool, seed):
        counts = pool.loc[rows, "label"].value_counts()
        gains = sum(count * left[label] for label, count in counts.items())
        split = int(np.argmax(gains))
        for label, count in counts.items():
            left[label][split] -= count
        splits.loc[rows] = wanted[split]
    return splits


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


def _shuffled_groups(pool: pd.DataFrame, seed: int) -> list[pd.Index]:
    """Order the groups, large ones first, else by a draw from their pixels."""
    groups = pool.groupby("group")
    keys = groups["pixel_sha256"].min().map(lambda digest: randomness.derived_seed(seed, "split", digest))
    order = pd.DataFrame({"size": -groups.size(), "key": keys}).sort_values(["size", "key"]).index
    indices = groups.groups
    return [indices[group] for group in order]
