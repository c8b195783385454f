"""validate: audit every raw file once; accept it with its facts and split, or quarantine it with a reason."""

from pathlib import Path

from morelike.core import cli
from morelike.validate import codes


def main(raw: str, out: Path, metrics: Path) -> None:
    """Audit ``raw`` into ``out``."""
    # Not above: the workers load this module too, and need little to start fast.
    from morelike.core import files, settings
    from morelike.storage.settings import Data
    from morelike.validate import run
    from morelike.validate.settings import Validate

    params = settings.read()
    data = params.section("data", Data)
    sides = params.value("resize.height_px"), params.value("resize.width_px")
    resized_px = None if "auto" in sides else sides
    slices = data.stack == "slices"
    audit = run.Audit(out, cli.STATE, params.seed, data.background_rgb, data.span, slices, resized_px)
    files.write_json(metrics, run.validate(raw, params.section("validate", Validate), audit))


if __name__ == "__main__":
    cli.run(main, explain=codes.explain)
