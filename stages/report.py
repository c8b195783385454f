"""report: write one offline HTML page, the verdict first."""

from pathlib import Path

from morelike import edge, params
from morelike.report import page


def main(
    validated: Path,
    resized: Path,
    noisy: Path,
    models: Path,
    synthetic: Path,
    augmented: Path,
    evaluation: Path,
    metrics: Path,
    out: Path,
) -> None:
    """Write the page to ``out`` from what the stages before wrote; the commit is that of the working folder."""
    inputs = page.Inputs(validated, resized, noisy, models, synthetic, augmented, evaluation, metrics)
    page.write(inputs, params.load(), Path.cwd(), out)


if __name__ == "__main__":
    edge.run(main)
