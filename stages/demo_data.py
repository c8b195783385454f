"""demo_data: write the built-in digits as images, small and uneven on purpose."""

from pathlib import Path

from morelike.core import cli, progress, settings
from morelike.demo_data import digits
from morelike.demo_data.settings import DemoData


def main(out: Path) -> None:
    """Write the digits to ``out``."""
    params = settings.read()
    count = digits.write(out, params.section("demo_data", DemoData), params.seed)
    progress.say(f"{count} digits of 10 classes, 5 of them rare")


if __name__ == "__main__":
    cli.run(main)
