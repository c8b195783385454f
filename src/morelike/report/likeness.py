"""The tables on likeness: how like the real images are the synthetic ones, and are they new?"""

from typing import Any

from morelike.report import cells

Row = dict[str, str]
Columns = list[tuple[str, str]]  # key of a row, title
KINDS = {"synthetic": "synthetic", "held_out": "real, held out"}


def tables(fidelity: dict | None) -> dict:
    """Return the tables by name, from the part ``fidelity`` of ``summary.json``; {} without one.

    ``spectrum`` has a column per band, ``spaces`` two rows per space of features, ``by_class`` a row per class;
    ``spectrum`` and ``by_class`` are pairs of rows and columns.
    """
    if not fidelity:
        return {}
    return {"spectrum": _spectrum(fidelity["spectrum"]), "spaces": _spaces(fidelity), "by_class": _by_class(fidelity)}


def told_apart(found: dict | None) -> str:
    """Format the chance that a classifier tells a synthetic from a real image, with its interval."""
    return cells.shares(found and found | {"mean": found["auc"]})


def _spectrum(spectrum: dict) -> tuple[list[Row], Columns]:
    columns = [(f"{end:g}", f"to {end:.2g}") for end in spectrum["cycles_per_pixel"]]
    return [{key: cells.decimal(ratio) for (key, _), ratio in zip(columns, spectrum["ratio"], strict=True)}], columns


def _spaces(fidelity: dict) -> list[Row]:
    """Return two rows per space: of the synthetic images, and of held-out real ones, which show what can be had."""
    rows = []
    for space, memorised in fidelity["memorisation"].items():
        for kind, words in KINDS.items():
            compared = fidelity["coverage"].get(space, {}).get(kind, {})
            synthetic = kind == "synthetic"
            rows.append(
                {
                    "space": space if synthetic else "",
                    "kind": words,
                    **{key: cells.decimal(compared.get(key)) for key in ("kid", "density", "coverage")},
                    "images": f"{compared['images']:,}" if compared else cells.NOTHING,
                    "perturbations": cells.share(memorised["perturbation_share" + "_held_out" * (not synthetic)]),
                    "z": _z(memorised["z"]) if synthetic else "",
                }
            )
    return rows


def _by_class(fidelity: dict) -> tuple[list[Row], Columns]:
    columns = [("label", "class"), ("real", "real images"), ("synthetic", "synthetic")]
    columns += [("stored", "told apart"), ("augmented", "when augmented")]
    columns += [("own", "own label"), ("own_real", "of real ones"), ("perturbations", "perturbations"), ("z", "z")]
    for space in fidelity["coverage"]:
        columns += [(f"{key} {space}", f"{key}, {space}") for key in ("density", "coverage")]
    counted = fidelity["memorisation"]["pixels"]["by_class"]
    rows = [_of_class(fidelity, label) for label, of in counted.items() if of["synthetic"]]
    return rows, columns


def _of_class(fidelity: dict, label: str) -> Row:
    memorised = _within(fidelity["memorisation"]["pixels"], label)
    labelled = _within(fidelity["labels"], label)
    looks = {how: told_apart(_within(found, label) or None) for how, found in fidelity["two_sample"].items()}
    row = {"label": label, "real": f"{memorised['real']:,}", "synthetic": f"{memorised['synthetic']:,}", **looks}
    row |= {"own": cells.share(labelled.get("synthetic")), "own_real": cells.share(labelled.get("real"))}
    row |= {"perturbations": cells.share(memorised["perturbation_share"]), "z": _z(memorised["z"])}
    for space, kinds in fidelity["coverage"].items():
        of_class = _within(kinds["synthetic"], label)
        row |= {f"{key} {space}": cells.decimal(of_class.get(key)) for key in ("density", "coverage")}
    return row


def _within(part: dict | None, label: str) -> dict[str, Any]:
    return part["by_class"].get(label, {}) if part else {}


def _z(value: float | None) -> str:
    return cells.NOTHING if value is None else f"{value:+z.1f}"
