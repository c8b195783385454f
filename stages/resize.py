"""resize: give every accepted image one form, and prove the arrays that the models will read."""

from pathlib import Path

from morelike.core import cli, progress, settings
from morelike.resize import resize
from morelike.resize.settings import Resize
from morelike.storage.settings import Data


def main(validated: Path, out: Path) -> None:
    """Write the resized store."""
    params = settings.read()
    data = params.section("data", Data)
    form = resize.write_resized(data.raw, validated, out, params.section("resize", Resize), data.background_rgb)
    progress.say(
        f"resize: {form['checks']['float_view']['images']} images of {form['width_px']}×{form['height_px']} px"
    )


if __name__ == "__main__":
    cli.run(main)
