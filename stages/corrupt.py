"""corrupt: write a noisy twin of every image, and measure how noisy it is."""

from pathlib import Path

from morelike import corrupt, edge, files, params


def main(resized: Path, out: Path, metrics: Path) -> None:
    """Write the noisy store and its metrics."""
    settings = params.load()
    files.write_json(metrics, corrupt.write_noisy(resized, out, settings.corrupt.recipes, settings.seed))


if __name__ == "__main__":
    edge.run(main)
