"""Judge generators whose verdict is known, over draws of the data; `make battery` runs it.

The train images, the generator and the judge's seeds are new in each draw. Each verdict is written as it is reached:
a run that is started again goes on with what is missing.
"""

import argparse
import os
import sys
from pathlib import Path

from benchmarks.battery import cases, running, worlds
from morelike.core import compute, files, settings
from morelike.core.errors import MorelikeError, one_line
from morelike.judge.settings import Judge

HERE = Path(__file__).resolve().parent
DIGITS = "digits"


def main() -> None:
    """Run what is missing; write and print the table; exit with 1 if a rule is broken."""
    asked = _arguments()
    judge = judge_settings(asked.judge)
    name = asked.set if asked.set == DIGITS else files.fingerprint(str(Path(asked.set).resolve()))
    out = asked.out / f"{name}-{files.fingerprint([judge.model_dump(mode='json'), worlds.AT_MOST])}"
    pool = _pool(asked.set, out / "pool")
    works = [running.Work(pool, out, judge, draws, core) for draws, core in _dealt(asked.draws)]
    for _ in compute.map_ordered(running.run, works, len(works)):
        pass
    found = cases.table(running.results(out, asked.draws))
    found.to_csv(out / "table.csv", index=False)
    files.write_text(out / "table.md", cases.as_markdown(found))
    print(f"{cases.as_markdown(found)}\nwritten to {out}")
    sys.exit(int(not found["kept"].all()))


def judge_settings(path: Path) -> Judge:
    """Return the section ``evaluate`` of params.yaml, with what a file says in its place."""
    params = settings.read(HERE.parents[1] / "params.yaml")
    other = settings.parse(settings.text(path), path).values
    return settings.Params({"evaluate": params.value("evaluate") | other}, path).section("evaluate", Judge)


def _pool(name: str, folder: Path) -> Path:
    if not (folder / "store.json").exists():
        worlds.pool_of_digits(folder) if name == DIGITS else worlds.pool_of_resized(Path(name), folder)
    return folder


def _dealt(draws: int) -> list[tuple[tuple[int, ...], int | None]]:
    """Deal the draws over the cores."""
    known = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else [None] * compute.cores()
    hands = [(tuple(range(start, draws, len(known))), core) for start, core in enumerate(known)]
    return [(numbers, core) for numbers, core in hands if numbers]


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.battery", description=__doc__)
    parser.add_argument("--set", default=DIGITS, help=f"{DIGITS}, or a folder that the stage resize wrote")
    parser.add_argument("--draws", type=int, default=20)
    parser.add_argument("--judge", type=Path, default=HERE / "judge.yaml", help="settings in the place of `evaluate`'s")
    parser.add_argument("--out", type=Path, default=Path(".morelike/battery"), help="verdicts; what is there is kept")
    return parser.parse_args()


if __name__ == "__main__":
    try:
        main()
    except MorelikeError as error:
        sys.exit(one_line(error))
