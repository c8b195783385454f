"""validate: audit every raw file once; accept it with its facts and split, or quarantine it with a reason."""

from pathlib import Path

from morelike import edge, files, params
from morelike.audit import run

EVIDENCE = Path(".morelike/validate")  # outside the outs, which DVC deletes when a stage fails


def main(raw: str, out: Path, metrics: Path) -> None:
    """Audit ``raw`` into ``out``."""
    settings = params.load()
    files.write_json(metrics, run.validate(raw, settings.validate_, settings.seed, out, EVIDENCE))


if __name__ == "__main__":
    edge.run(main)
