"""Groups of images that must share a split: near-duplicates, and those that the user names (a patient, a scene)."""

import numpy as np
import pandas as pd
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from morelike.validate import likeness, rules, splitting
from morelike.validate.errors import ValidationError
from morelike.validate.policies import FaultRules
from morelike.validate.splitting import SPLITS

Table = pd.DataFrame


def joined(near: np.ndarray, given: pd.Series) -> np.ndarray:
    """Return the group number of each image, int64 N: images that are linked by either kind of group share it.

    Groups are the connected components of the graph whose edges are the images, each between its group of
    near-duplicates and its given group. They are numbered from 0 in the order of their first image.

    Args:
        near: int64 N, the number of each image's near-duplicates.
        given: N names of given groups, "" for an image without one.

    >>> joined(np.array([0, 1, 1, 2]), pd.Series(["a", "a", "", ""]))
    array([0, 0, 0, 1])
    """
    if not len(near):
        return np.empty(0, np.int64)
    nodes = int(near.max()) + 1
    numbers = pd.factorize(given)[0] + nodes
    ends = np.where(given == "", near, numbers)
    size = int(max(ends.max(), near.max())) + 1
    graph = coo_array((np.ones(len(near), bool), (near, ends)), shape=(size, size))
    return likeness.in_order(connected_components(graph, directed=False)[1][near])


def straddling(images: Table) -> Table:
    """Find the images of a given group that also has images in a given split that must stay unseen."""
    named = images[images["given_group"] != ""]
    rank, highest = splitting.ranks(named, "given_group")
    leaked = named[rank < highest]
    others = highest[rank < highest].map(dict(enumerate(SPLITS)))
    details = [
        f"its group {group!r} is in {other} too" for group, other in zip(leaked["given_group"], others, strict=True)
    ]
    return rules.found_in(leaked, "group_straddles", details)


def too_large(images: Table, fault_rules: FaultRules) -> Table:
    """Find a group of more than the limit's share of all images, given groups and near-duplicates joined."""
    sizes, limit = images["group"].value_counts(), fault_rules["large_group"].limit
    if not (images["given_group"] != "").any() or (share := sizes.iloc[0] / len(images)) <= limit:
        return rules.gathered([])
    names = _names(images[images["group"] == sizes.index[0]])
    detail = f"{sizes.iloc[0]} of {len(images)} images are one group ({names}), limit {limit:.0%}"
    return rules.finding("large_group", detail, share, limit)


def check_filled(images: Table, shares: dict[str, float]) -> None:
    """Check that given groups are no reason why a split of some share has no image.

    Args:
        images: columns ``split``, ``group`` and ``given_group``.
        shares: of each split.

    Raises:
        ValidationError: names the empty splits, the number of groups and the largest ones.
    """
    empty = [split for split in SPLITS if shares[split] and not (images["split"] == split).any()]
    if not empty or not (images["given_group"] != "").any():
        return
    sizes = images["group"].value_counts()
    first = [f"{_names(images[images['group'] == group])} ({count} images)" for group, count in sizes.head(6).items()]
    rule = f"groups are too few or too large to leave an image for {' and '.join(empty)}: groups"
    raise ValidationError(rule, len(sizes), "at least 3 in a class", first, "Name smaller groups in data.groups.")


def summarised(images: Table) -> dict[str, int]:
    """Count the given groups, the images in them, and those of the largest; all 0 if none were given."""
    sizes = images.loc[images["given_group"] != "", "given_group"].value_counts()
    return {"groups": len(sizes), "images": int(sizes.sum()), "largest_group": int(sizes.max()) if len(sizes) else 0}


def _names(images: Table) -> str:
    names = sorted(set(images["given_group"]) - {""}) or [images["file"].iloc[0]]
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more, by near-duplicates" if names[3:] else "")
