"""demo_data: write the built-in digits as images, small and uneven on purpose."""

from pathlib import Path

from morelike import demo, edge, params, progress


def main(out: Path) -> None:
    """Write the digits to ``out``."""
    settings = params.load()
    count = demo.write(out, settings.demo_data, settings.seed)
    progress.say(f"{count} digits of 10 classes, 5 of them rare")


if __name__ == "__main__":
    edge.run(main)
