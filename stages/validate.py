"""validate: audit every raw file once; accept it with its facts and split, or quarantine it with a reason."""

from pathlib import Path

from morelike import edge
from morelike.audit import codes


def main(raw: str, out: Path, metrics: Path) -> None:
    """Audit ``raw`` into ``out``."""
    from morelike import files, params  # not above: the workers load this module too, and need little to start fast
    from morelike.audit import run

    files.write_json(metrics, run.validate(raw, params.load(), run.Audit(out, edge.STATE)))


if __name__ == "__main__":
    edge.run(main, explain=codes.explain)
