"""evaluate: train classifiers with and without the synthetic images and say whether these help."""

from pathlib import Path

from morelike import edge, files, params
from morelike.evaluate import evaluation


def main(augmented: Path, out: Path, metrics: Path) -> None:
    """Read the exported dataset; write the details to ``out`` and the flat figures to ``metrics``."""
    settings = params.load()
    figures = evaluation.evaluate(augmented, out, settings.evaluate, settings.train.augment, settings.seed)
    files.write_json(metrics, figures)


if __name__ == "__main__":
    edge.run(main)
