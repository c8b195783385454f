"""What the audit found, in numbers and in words."""

from typing import Any

import pandas as pd

from morelike.audit.splitting import SPLITS


def summarise(manifest: pd.DataFrame, quarantine: pd.DataFrame, skipped: dict[str, int]) -> dict[str, Any]:
    """Count the accepted images (columns of the manifest, and ``given``) and the quarantined files, for JSON."""
    classes = manifest.groupby(["label", "split"]).size().unstack(fill_value=0).reindex(columns=SPLITS, fill_value=0)
    sizes = manifest.groupby("group").size()
    notes = manifest["notes"].str.split(",").explode()
    straddling = manifest.groupby("group")["split"].nunique().loc[lambda count: count > 1].index
    leaked = manifest["group"].isin(straddling) & (manifest["split"] != "train")
    return {
        "files": len(manifest) + len(quarantine),
        "accepted": len(manifest),
        "quarantined": len(quarantine),
        "quarantined_by_code": quarantine["code"].value_counts().sort_index().to_dict(),
        "skipped": skipped,
        "splits": {split: int((manifest["split"] == split).sum()) for split in SPLITS},
        "splits_given": sorted(set(manifest["given"]) - {""}),
        "classes": {str(label): {str(split): int(n) for split, n in row.items()} for label, row in classes.iterrows()},
        "near_duplicates": {
            "groups": int((sizes > 1).sum()),
            "images": int(sizes[sizes > 1].sum()),
            "largest_group": int(sizes.max()),
            "leaked_images": int(leaked.sum()),
            "leaked_files": manifest.loc[leaked, "file"].tolist()[:20],
        },
        "notes": notes[notes.fillna("") != ""].value_counts().sort_index().to_dict(),
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
        "leaked_images": near["leaked_images"],
        "quarantined_by_code": about["quarantined_by_code"],
    }


def lines(about: dict[str, Any]) -> list[str]:
    """Say :func:`summarise`'s result in a few plain lines."""
    near, splits = about["near_duplicates"], about["splits"]
    said = [f"{about['accepted']} of {about['files']} files accepted, in {len(about['classes'])} classes"]
    for what, counts in (("quarantined", about["quarantined_by_code"]), ("skipped", about["skipped"])):
        if counts:
            said.append(f"{what}: " + ", ".join(f"{count} {reason}" for reason, count in counts.items()))
    origin = f"given: {', '.join(about['splits_given'])}" if about["splits_given"] else "drawn"
    said.append(f"split ({origin}): " + ", ".join(f"{count} {split}" for split, count in splits.items()))
    said.append(
        f"near-duplicates: {near['images']} images in {near['groups']} groups, the largest of {near['largest_group']}"
    )
    return said + _warnings(about)


def _warnings(about: dict[str, Any]) -> list[str]:
    said = []
    leaked = about["near_duplicates"]["leaked_images"]
    if leaked:
        said.append(f"warning: {leaked} images of the given val or test have near-duplicates in another split")
    for split in SPLITS:
        lacking = [label for label, counts in about["classes"].items() if not counts[split]]
        if lacking:
            said.append(f"warning: no image in {split} of {', '.join(lacking[:5])}" + (" …" if lacking[5:] else ""))
    return said
