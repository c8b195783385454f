"""What the audit found, in numbers and in words."""

from typing import Any

import pandas as pd

from morelike.images.deep import WORDS
from morelike.validate import groups
from morelike.validate.codes import CODES
from morelike.validate.policies import FaultRules
from morelike.validate.splitting import SPLITS

FIRST = 20  # findings per code that are listed


def summarise(
    images: pd.DataFrame,
    given: list[str],
    quarantine: pd.DataFrame,
    found: pd.DataFrame,
    skipped: dict[str, int],
    fault_rules: FaultRules,
) -> dict[str, Any]:
    """Count the accepted images, the quarantined files and all findings; the result is a JSON value.

    ``given`` are the splits that images came with, ``found`` the findings with their policies.
    """
    classes = images.groupby(["label", "split"]).size().unstack(fill_value=0).reindex(columns=SPLITS, fill_value=0)
    sizes = images.groupby("near_group").size()
    masked = int((images["mask"] != "").sum())
    return {
        "files": len(images) + masked + len(quarantine),
        "accepted": len(images),
        "masks": masked,
        "quarantined": len(quarantine),
        "quarantined_by_code": quarantine["code"].value_counts().sort_index().to_dict(),
        "skipped": skipped,
        "splits": {split: int((images["split"] == split).sum()) for split in SPLITS},
        "splits_given": given,
        "ranges": _ranges(images),
        "classes": {str(label): {str(split): int(n) for split, n in row.items()} for label, row in classes.iterrows()},
        "near_duplicates": {
            "groups": int((sizes > 1).sum()),
            "images": int(sizes[sizes > 1].sum()),
            "largest_group": int(sizes.max()),
        },
        "groups": groups.summarised(images),
        "found": by_code(found, fault_rules),
    }


def by_code(found: pd.DataFrame, fault_rules: FaultRules) -> dict[str, dict[str, Any]]:
    """Count the findings of each code, with its rule, its meaning and the first of them in words; a JSON value."""
    return {code: _of_code(code, those, fault_rules) for code, those in found.groupby("code", sort=False)}


def _ranges(images: pd.DataFrame) -> dict[str, dict[str, float]]:
    """Return for each kind of deep image how many there are, and the numbers that became black and white."""
    deep = images[images["numbers"] != ""].groupby("numbers")
    return {
        str(kind): {"images": len(rows), "black": float(rows["black"].iloc[0]), "white": float(rows["white"].iloc[0])}
        for kind, rows in deep
    }


def _of_code(code: str, those: pd.DataFrame, fault_rules: FaultRules) -> dict[str, Any]:
    rule = fault_rules[code]
    return {
        "policy": rule.policy,
        "count": len(those),
        "limit": rule.limit,
        "at_most": rule.at_most,
        "about": CODES[code].about,
        "advice": CODES[code].advice,
        "first": [f"{row.file or row.label or 'the set'}: {row.detail}" for row in those.head(FIRST).itertuples()],
    }


def numbers(about: dict[str, Any]) -> dict[str, Any]:
    """Flatten :func:`summarise`'s result to what is worth comparing between runs."""
    near = about["near_duplicates"]
    return {
        "files": about["files"],
        "accepted": about["accepted"],
        "quarantined": about["quarantined"],
        "quarantined_share": about["quarantined"] / about["files"],
        "classes": len(about["classes"]),
        **{f"{split}_images": count for split, count in about["splits"].items()},
        "near_duplicate_groups": near["groups"],
        "quarantined_by_code": about["quarantined_by_code"],
        "found": {code: one["count"] for code, one in about["found"].items()},
    }


def lines(about: dict[str, Any]) -> list[str]:
    """Return :func:`summarise`'s result as a few lines of text."""
    near, named, splits = about["near_duplicates"], about["groups"], about["splits"]
    masks = f", {about['masks']} more are their masks" if about["masks"] else ""
    said = [f"{about['accepted']} of {about['files']} files accepted, in {len(about['classes'])} classes{masks}"]
    for what, counts in (("quarantined", about["quarantined_by_code"]), ("skipped", about["skipped"])):
        if counts:
            said.append(f"{what}: " + ", ".join(f"{count} {reason}" for reason, count in counts.items()))
    for kind, one in about["ranges"].items():
        said.append(
            f"range of {one['images']} images of {WORDS[kind]}: {one['black']:g} is black, {one['white']:g} is white"
        )
    origin = f"given: {', '.join(about['splits_given'])}" if about["splits_given"] else "drawn"
    said.append(f"split ({origin}): " + ", ".join(f"{count} {split}" for split, count in splits.items()))
    said.append(
        f"near-duplicates: {near['images']} images in {near['groups']} groups, the largest of {near['largest_group']}"
    )
    if named["groups"]:
        said.append(f"groups: {named['images']} images in {named['groups']}, the largest of {named['largest_group']}")
    return said + _warnings(about)


def _warnings(about: dict[str, Any]) -> list[str]:
    fixed = {code: one["count"] for code, one in about["found"].items() if one["policy"] == "fix"}
    said = [f"fixed: {', '.join(f'{count} {code}' for code, count in fixed.items())}"] if fixed else []
    for code, one in about["found"].items():
        if one["policy"] == "warn":
            said.append(f"warning: {one['count']} {code}: {one['first'][0]}" + (" …" if one["count"] > 1 else ""))
    for split in SPLITS:
        lacking = [label for label, counts in about["classes"].items() if not counts[split]]
        if lacking:
            so = " (nothing can learn it; it is left out of balanced accuracy)" if split == "train" else ""
            named = ", ".join(lacking[:5]) + (" …" if lacking[5:] else "")
            said.append(f"warning: no image in {split} of {named}{so}")
    return said
