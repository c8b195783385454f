"""What a run leaves in Prefect: the verdict and the metrics, the class counts and the quarantine, a link to the report.

Everything here is read from ``reports/metrics/*.json``.
"""

import json
from pathlib import Path
from typing import Any

from prefect.artifacts import create_link_artifact, create_markdown_artifact, create_table_artifact

METRICS = Path("reports/metrics")
REPORT = Path("reports/index.html")


def leave() -> None:
    """Create the artifacts from what stands in the folder that the flow runs in."""
    metrics = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted(METRICS.glob("*.json"))}
    create_markdown_artifact(markdown(metrics), key="verdict", description="The verdict and every metric")
    create_table_artifact(table(metrics), key="counts", description="Images a class, and what was quarantined")
    if REPORT.exists():
        create_link_artifact(REPORT.resolve().as_uri(), link_text="The report", key="report")


def flatten(value: Any, name: str = "") -> dict[str, Any]:
    """Name every leaf of nested JSON by its path.

    >>> flatten({"psnr_db": {"before": 14.0}, "images": 3})
    {'psnr_db.before': 14.0, 'images': 3}
    """
    if not isinstance(value, dict | list):
        return {name: value}
    pairs = value.items() if isinstance(value, dict) else enumerate(value)
    return {key: leaf for part, inner in pairs for key, leaf in flatten(inner, f"{name}.{part}".strip(".")).items()}


def markdown(metrics: dict[str, Any]) -> str:
    """Return the verdict of ``evaluate.json`` and a table of every metric."""
    lines = [f"## {_verdict(metrics)}", "", "| stage | metric | value |", "| --- | --- | --- |"]
    for stage, values in metrics.items():
        lines += [f"| {stage} | {_cell(name)} | {_cell(value)} |" for name, value in flatten(values).items()]
    return "\n".join(lines)


def table(metrics: dict[str, Any]) -> list[dict[str, Any]]:
    """Return a row a count of images: of ``export.json``, and of what ``validate.json`` says was quarantined."""
    rows = []
    for stage in ("validate", "export"):
        counts = {name: value for name, value in flatten(metrics.get(stage, {})).items() if isinstance(value, int)}
        rows += [{"stage": stage, "what": name, "images": count} for name, count in counts.items()]
    return rows


def _verdict(metrics: dict[str, Any]) -> str:
    verdicts = [value for name, value in flatten(metrics.get("evaluate", {})).items() if name.endswith("verdict")]
    return str(verdicts[0]) if verdicts else "No verdict"


def _cell(value: Any) -> str:
    text = f"{value:.4g}" if isinstance(value, float) else str(value)
    return text.replace("|", "\\|").replace("\n", " ")
