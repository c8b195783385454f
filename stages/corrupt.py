"""corrupt: write a noisy twin of every image, and measure how noisy it is."""

from pathlib import Path

from morelike.core import cli, files, settings
from morelike.corrupt import corrupt
from morelike.corrupt.settings import Corrupt


def main(resized: Path, out: Path, metrics: Path) -> None:
    """Write the noisy store and its metrics."""
    params = settings.read()
    recipes = params.section("corrupt", Corrupt).recipes
    files.write_json(metrics, corrupt.write_noisy(resized, out, recipes, params.seed))


if __name__ == "__main__":
    cli.run(main)
