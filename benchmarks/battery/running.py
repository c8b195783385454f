"""The draws that one process judges, and what was written of them."""

import os
import time
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from benchmarks.battery import judging, worlds
from benchmarks.battery.cases import CASES
from morelike.core import files
from morelike.core.progress import say
from morelike.judge.settings import Judge
from morelike.storage.shards import ShardStore

FIGURES = ("difference", "rare", "common")


@dataclass(frozen=True)
class Work:
    """What one process does: some draws, on a core of its own.

    Attributes:
        pool: the folder of the images to draw from.
        out: where verdicts are written.
        judge: the settings of the judge.
        draws: numbers of draws.
        core: the core that it is tied to, so that the judge starts no further processes; None leaves it free.
    """

    pool: Path
    out: Path
    judge: Judge
    draws: tuple[int, ...]
    core: int | None


def run(work: Work) -> None:
    """Judge all cases on some draws, but for those that are judged already."""
    if work.core is not None:
        os.sched_setaffinity(0, {work.core})
    pool = ShardStore(work.pool)
    for number in work.draws:
        world = worlds.drawn(pool, number)
        for case in CASES:
            path = verdict_path(work.out, number, case)
            if path.exists():
                continue
            start = time.monotonic()
            found = judging.judged(world, case, work.judge, work.out / "state" / f"{number:03d}")
            files.write_json(path, found | {"case": case, "draw": number, "seconds": time.monotonic() - start})
            say(f"draw {number}, {case}: {found['verdict']} {_points(found)}")


def results(out: Path, draws: int) -> pd.DataFrame:
    """Return a row per case and draw that is judged."""
    paths = [verdict_path(out, number, case) for number in range(draws) for case in CASES]
    read = [files.read_json(path, "case", "verdict") for path in paths if path.exists()]
    means = ({key: (row.get(key) or {}).get("mean") for key in FIGURES} for row in read)
    kept = [{"case": row["case"], "verdict": row["verdict"]} | mean for row, mean in zip(read, means, strict=True)]
    return pd.DataFrame(kept).astype(dict.fromkeys(FIGURES, float))


def verdict_path(out: Path, number: int, case: str) -> Path:
    """Return where the verdict on a case of a draw is written."""
    return out / f"draw-{number:03d}" / f"{case.replace('%', '').replace(' ', '_')}.json"


def _points(found: dict) -> str:
    difference = found.get("difference")
    return "" if difference is None else "{mean:+.3f} ({low:+.3f} to {high:+.3f})".format(**difference)
