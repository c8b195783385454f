"""Gather what the stages wrote and render it as one offline HTML page. Any piece may be missing."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from markupsafe import Markup

from morelike.core import files
from morelike.core.settings import flattened
from morelike.pages import rendering
from morelike.report import figures, judged, likeness, pictures, provenance
from morelike.report.settings import Report
from morelike.storage import tables

TEMPLATE = "page.html.j2"
QUARANTINE = ["file", "label", "code", "value", "limit", "detail"]
MOST_ROWS = 200  # of a table of files
SMALL_PX = 40  # images up to this side are enlarged, two classes beside each other


@dataclass(frozen=True)
class Inputs:
    """The folders that the page is made from, and the models that it shows.

    Attributes:
        trained: the names of the models that are trained now. Folders that others left behind are not shown.
    """

    validated: Path
    resized: Path
    noisy: Path
    models: Path
    synthetic: Path
    augmented: Path
    evaluation: Path
    metrics: Path
    trained: tuple[str, ...]


def write(inputs: Inputs, settings: Report, parameters: dict, root: Path, out: Path) -> None:
    """Write the page to ``out``, whole.

    Args:
        inputs: the folders to read.
        settings: how many images to show.
        parameters: the values of ``params.yaml``, which the page lists.
        root: the folder of the project, whose git commit and ``dvc.lock`` the page names.
        out: the file to write.
    """
    files.write_text(out, render(gathered(inputs, settings, parameters, root)))


def render(context: dict[str, Any]) -> str:
    """Render the template. Every value is escaped but for charts and plotly's script."""
    return rendering.render(Path(__file__).with_name(TEMPLATE), context)


def gathered(inputs: Inputs, settings: Report, parameters: dict, root: Path) -> dict[str, Any]:
    """Return the values of the template; those of a missing piece are None or empty."""
    summary = _json(inputs.evaluation / "summary.json")
    manifest = _table(inputs.augmented / "manifest.parquet", ["split", "label", "synthetic"])
    quarantine = _table(inputs.validated / "quarantine.parquet", QUARANTINE)
    filtered = _table(inputs.augmented / "filtered.parquet", ["generator", "reason"])
    normalisation = _json(inputs.resized / "normalisation.json")
    folders = pictures.Folders(inputs.resized, inputs.noisy, inputs.models, inputs.synthetic, inputs.trained)
    strips = pictures.class_strips(folders, settings.examples)
    counts = _counts(manifest)
    return {
        "plotly": Markup(figures.script()),
        "summary": summary,
        "charts": _verdict_charts(summary),
        "judged": judged.tables(summary),
        "likeness": likeness.tables(summary and summary["fidelity"]),
        "evaluation_folder": inputs.evaluation.as_posix(),
        "arm_name": figures.arm_name,
        "told_apart": likeness.told_apart,
        "strips": strips,
        "small": bool(normalisation) and max(normalisation["width_px"], normalisation["height_px"]) <= SMALL_PX,
        "classes_not_shown": max(len(counts) - len(strips), 0) if strips else 0,
        "grids": pictures.grids(inputs.models, inputs.trained),
        "watched": _of_models(inputs, "checks.json", files.read_json),
        "curves": _learning_curves(inputs),
        "restorations": _of_models(inputs, "restoration.csv", lambda path: _rows(tables.read_csv(path))),
        "counts": counts,
        "count_chart": Markup(figures.counts(_train_counts(manifest))) if manifest is not None else None,
        "audit": _json(inputs.validated / "summary.json"),
        "findings": _found(_json(inputs.validated / "summary.json")),
        "findings_file": (inputs.validated / "findings.csv").as_posix(),
        "quarantine": _rows(quarantine),
        "quarantined_total": 0 if quarantine is None else len(quarantine),
        "expectations": _json(inputs.validated / "expectations.json"),
        "normalisation": normalisation,
        "checks": flattened(normalisation["checks"]).items() if normalisation else [],
        "filtered": _filter_counts(filtered),
        "metrics": {path.stem: flattened(files.read_json(path)).items() for path in _metrics(inputs)},
        "parameters": flattened(parameters).items(),
        "commit": provenance.commit(root),
        "hashes": provenance.data_hashes(root / "dvc.lock", inputs.trained),
        "versions": provenance.versions(),
    }


def _verdict_charts(summary: dict | None) -> dict[str, Markup]:
    if not summary or not summary["arms"]:
        return {}
    makers = {"forest": figures.forest, "differences": figures.differences, "recalls": figures.class_recalls}
    return {name: Markup(maker(summary)) for name, maker in makers.items()}


def _learning_curves(inputs: Inputs) -> dict[str, Markup]:
    histories = _of_models(inputs, "history.csv", tables.read_csv)
    return {model: Markup(figures.learning_curves(model, history)) for model, history in histories.items()}


def _of_models(inputs: Inputs, name: str, read: Callable[[Path], Any]) -> dict[str, Any]:
    """Return what is in a file of each model that has it, by the names of the models."""
    paths = {model: inputs.models / model / name for model in sorted(inputs.trained)}
    return {model: read(path) for model, path in paths.items() if path.is_file()}


def _counts(manifest: pd.DataFrame | None) -> list[dict[str, Any]]:
    """Return a row per class: the images of each split, before and after augmentation."""
    if manifest is None:
        return []
    kind = manifest["split"].where(~manifest["synthetic"].astype(bool), "synthetic")
    table = pd.crosstab(manifest["label"], kind).reindex(columns=["train", "val", "test", "synthetic"], fill_value=0)
    table["after"] = table["train"] + table["synthetic"]
    return table.reset_index().to_dict("records")


def _train_counts(manifest: pd.DataFrame) -> pd.DataFrame:
    train = manifest[manifest["split"] == "train"]
    kind = train["synthetic"].astype(bool).map({True: "synthetic", False: "real"})
    return pd.crosstab(train["label"], kind).reindex(columns=["real", "synthetic"], fill_value=0)


def _filter_counts(filtered: pd.DataFrame | None) -> list[dict[str, Any]]:
    if filtered is None or filtered.empty:
        return []
    return filtered.groupby(["generator", "reason"]).size().rename("images").reset_index().to_dict("records")


def _found(audit: dict | None) -> list[dict[str, Any]]:
    found = audit["found"] if audit else {}
    return [{"code": code, **one, "first": "; ".join(one["first"][:2])} for code, one in found.items()]


def _rows(table: pd.DataFrame | None) -> list[dict[str, Any]]:
    if table is None:
        return []
    rows = table.head(MOST_ROWS)
    return rows.astype(object).where(rows.notna(), None).to_dict("records")


def _json(path: Path) -> Any:
    return files.read_json(path) if path.is_file() else None


def _metrics(inputs: Inputs) -> list[Path]:
    """Return the files of metrics, without those that models left which are no longer trained."""
    paths = sorted(inputs.metrics.glob("*.json"))
    return [path for path in paths if not path.stem.startswith("train-") or path.stem[6:] in inputs.trained]


def _table(path: Path, columns: list[str]) -> pd.DataFrame | None:
    return tables.read(path, columns) if path.is_file() else None
