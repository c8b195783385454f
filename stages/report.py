"""report: write one offline HTML page, the verdict first."""

from pathlib import Path

from morelike.core import cli, settings
from morelike.report import page
from morelike.report.settings import Report
from morelike.validate import data_docs
from morelike.validate.settings import Validate


def main(
    validated: Path,
    resized: Path,
    noisy: Path,
    models: Path,
    synthetic: Path,
    augmented: Path,
    evaluation: Path,
    metrics: Path,
    docs: Path,
    out: Path,
) -> None:
    """Write the page ``out`` and Great Expectations' pages ``docs`` from what the stages before wrote."""
    params = settings.read()
    data_docs.build(validated, params.section("validate", Validate).codes, docs)
    trained = settings.trained_models(params)
    inputs = page.Inputs(validated, resized, noisy, models, synthetic, augmented, evaluation, metrics, trained)
    page.write(inputs, params.section("report", Report), params.values, Path.cwd(), out)


if __name__ == "__main__":
    cli.run(main)
