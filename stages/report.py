"""report: write one offline HTML page, the verdict first."""

from pathlib import Path

from morelike import edge, params
from morelike.report import data_docs, page


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
    settings = params.load()
    data_docs.build(validated, settings.validate_.codes, docs)
    inputs = page.Inputs(validated, resized, noisy, models, synthetic, augmented, evaluation, metrics)
    page.write(inputs, settings, Path.cwd(), out)


if __name__ == "__main__":
    edge.run(main)
