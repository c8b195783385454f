"""validate: audit every raw file once; accept it with its facts and split, or quarantine it with a reason."""

from pathlib import Path

from morelike.core import cli
from morelike.validate import codes


def main(out: Path, metrics: Path) -> None:
    """Audit the images at ``data.raw`` into ``out``."""
    # Not above: the workers load this module too, and need little to start fast.
    from morelike.core import files, settings
    from morelike.storage.settings import Data
    from morelike.validate import run
    from morelike.validate.settings import Validate

    params = settings.read()
    audit = run.Audit.of(params, out, cli.STATE)
    raw = params.section("data", Data).raw
    files.write_json(metrics, run.validate(raw, params.section("validate", Validate), audit))


if __name__ == "__main__":
    cli.run(main, explain=codes.explain)
