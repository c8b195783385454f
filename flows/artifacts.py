"""What a run leaves in Prefect: the verdict with every metric, the counts of images, and a link to the report."""

from pathlib import Path
from typing import Any

from prefect.artifacts import create_link_artifact, create_markdown_artifact, create_table_artifact

from flows import pipeline
from morelike.core import files
from morelike.core.settings import flattened


def leave() -> Path | None:
    """Create the artifacts from what the stages wrote; return the page of the report, None if there is none."""
    found = [path for path in pipeline.metrics() if path.exists()]
    metrics = {path.stem: files.read_json(path) for path in found}
    create_markdown_artifact(markdown(metrics), key="verdict", description="The verdict and every metric")
    create_table_artifact(table(metrics), key="counts", description="Images per class, and what was quarantined")
    report = next((path for path in pipeline.outs() if path.suffix == ".html" and path.exists()), None)
    if report:
        create_link_artifact(report.resolve().as_uri(), link_text="The report", key="report")
    return report


def markdown(metrics: dict[str, Any]) -> str:
    """Return the verdict, which the metrics of ``evaluate`` hold, and a table of every metric."""
    lines = [f"## {_verdict(metrics)}", "", "| stage | metric | value |", "| --- | --- | --- |"]
    for stage, values in metrics.items():
        lines += [f"| {stage} | {_cell(name)} | {_cell(value)} |" for name, value in flattened(values).items()]
    return "\n".join(lines)


def table(metrics: dict[str, Any]) -> list[dict[str, Any]]:
    """Return a row per count of images: those that ``validate`` quarantined, those that ``export`` let in."""
    rows = []
    for stage in ("validate", "export"):
        counts = {name: value for name, value in flattened(metrics.get(stage, {})).items() if isinstance(value, int)}
        rows += [{"stage": stage, "what": name, "images": count} for name, count in counts.items()]
    return rows


def _verdict(metrics: dict[str, Any]) -> str:
    verdicts = [value for name, value in flattened(metrics.get("evaluate", {})).items() if name.endswith("verdict")]
    return str(verdicts[0]) if verdicts else "No verdict"


def _cell(value: Any) -> str:
    if isinstance(value, list | dict):
        return ", ".join(map(_cell, value)) or "none"
    text = f"{value:.4g}" if isinstance(value, float) else str(value)
    return text.replace("|", "\\|").replace("\n", " ")
