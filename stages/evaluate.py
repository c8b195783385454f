"""evaluate: train classifiers with and without the synthetic images and say whether these help."""

from pathlib import Path

from morelike.core import cli, files, settings
from morelike.evaluate import evaluation
from morelike.judge.settings import Judge


def main(augmented: Path, out: Path, metrics: Path, ledger: Path) -> None:
    """Read the exported dataset; write the details to ``out``, the flat figures to ``metrics``.

    ``ledger`` counts how often each test split was opened; it is no out, and is kept with the project.
    """
    params = settings.read()
    places = evaluation.Places(cli.STATE / "judge", ledger)
    figures = evaluation.evaluate(augmented, out, params.section("evaluate", Judge), params.seed, places)
    files.write_json(metrics, figures)


if __name__ == "__main__":
    cli.run(main)
