"""evaluate: train classifiers with and without the synthetic images and say whether these help."""

from pathlib import Path

from morelike.core import cli, files, settings
from morelike.evaluate import evaluation
from morelike.evaluate.settings import Evaluate
from morelike.images.settings import Augment


def main(augmented: Path, out: Path, metrics: Path) -> None:
    """Read the exported dataset; write the details to ``out`` and the flat figures to ``metrics``."""
    params = settings.read()
    judge, classical = params.section("evaluate", Evaluate), params.section("train.augment", Augment)
    files.write_json(metrics, evaluation.evaluate(augmented, out, judge, classical, params.seed))


if __name__ == "__main__":
    cli.run(main)
