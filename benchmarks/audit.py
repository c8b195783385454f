"""The audit against CleanVision 0.3.7, every check of both on, and against the bare decoding of the same files."""

import functools
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
from morelike.core import compute

ROUNDS = 3
PARAMS = Path(__file__).resolve().parents[1] / "params.yaml"


def main() -> None:
    """Print the images per second of each, best of the rounds, and the ratios."""
    import images  # heavy packages are not imported above: worker processes load this script too

    asked = images.arguments(__doc__, 10_000)
    _import_all()
    with tempfile.TemporaryDirectory() as home:
        raw = Path(home) / "raw"
        images.write(raw, images.unlike(images.sources(asked.images), asked.count))
        files = sorted(str(path) for path in raw.rglob("*.jpg"))
        kinds = {"decode alone": bare_decode, "morelike": ours, "morelike audit": alone, "CleanVision": theirs}
        best = dict.fromkeys(kinds, float("inf"))
        for number in range(ROUNDS):  # in turns, so that a busy moment of the machine affects all
            for kind, work in kinds.items():
                best[kind] = min(best[kind], timed(functools.partial(work, raw, files, Path(home) / f"{number}")))
    print(f"{len(files)} JPEGs, {compute.cores()} cores, best of {ROUNDS}")
    for kind, seconds in best.items():
        print(f"{kind:>14}: {len(files) / seconds:8.0f} images/s")
    print(f"morelike / CleanVision:  {best['CleanVision'] / best['morelike']:.1f}")
    print(f"morelike / decode alone: {best['decode alone'] / best['morelike']:.2f}")


def _import_all() -> None:
    """Load what both import at their first call, so that importing is not timed."""
    import cleanvision  # noqa: F401
    import great_expectations.expectations  # noqa: F401

    import morelike.audit.audited
    import morelike.validate.custom_expectations
    import morelike.validate.run  # noqa: F401


def timed(work: Callable[[], None]) -> float:
    """Return the seconds that ``work`` takes; what it prints is dropped."""
    sys.stdout.flush()
    kept, nowhere = [os.dup(1), os.dup(2)], os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
    start = time.perf_counter()
    try:
        work()
        return time.perf_counter() - start
    finally:
        for number, stream in enumerate(kept, 1):
            os.dup2(stream, number)
            os.close(stream)
        os.close(nowhere)


def bare_decode(_raw: Path, files: list[str], _home: Path) -> None:
    """Read and decode every file with OpenCV on all cores, and drop the pixels."""
    for _ in compute.map_ordered(_decode, compute.chunks(files, 256)):
        pass


def ours(raw: Path, _files: list[str], home: Path) -> None:
    """Run the whole audit: facts, duplicates, findings, split, Great Expectations, tables; nothing known before."""
    from morelike.core import settings
    from morelike.validate import run
    from morelike.validate.settings import Validate

    audit = run.Audit(home / "out", home / "state")
    run.validate(raw, settings.read(PARAMS).section("validate", Validate), audit)


def alone(raw: Path, _files: list[str], _home: Path) -> None:
    """Run the audit on its own: facts, duplicates, findings."""
    from morelike.audit import audit

    audit(raw)


def theirs(raw: Path, _files: list[str], _home: Path) -> None:
    """Run CleanVision with all its issue types, on all cores."""
    from cleanvision import Imagelab

    Imagelab(data_path=str(raw)).find_issues(n_jobs=compute.cores(), verbose=False)


def _decode(files: list[str]) -> int:
    import cv2

    return sum(cv2.imread(file, cv2.IMREAD_UNCHANGED).size for file in files)


if __name__ == "__main__":
    main()
