"""Search the parameters: ``python -m flows.search`` tries what ``search`` in ``params.yaml`` says.

Each trial is a DVC experiment, judged on the val split. A search that was stopped goes on when it is run again.
"""

import argparse
import contextlib
import fcntl
import hashlib
import os
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from dvc.exceptions import DvcException

from flows import pipeline
from flows.pipeline import Target
from flows.tuning import loop, results, space, workers
from flows.tuning.errors import SearchError
from flows.tuning.settings import Search
from flows.tuning.study import Study
from flows.tuning.workers import Project, Worker
from morelike.core import files, settings
from morelike.core.errors import MorelikeError, one_line, printable
from morelike.core.settings import Params

PARAMS = Path("params.yaml")
STATE = Path(".morelike/search")


def search(say: Callable[[str], None], apply: bool = False) -> None:
    """Run the search of the project in the current folder, and show its results.

    ``apply`` writes the winning settings over ``params.yaml``.

    Raises:
        MorelikeError: the search cannot begin, or no trial completed.
        FileNotFoundError: no stage writes the metric.
    """
    given = settings.read(PARAMS)
    target = pipeline.target(given.section("search", Search).metric_file) if "search" in given.values else None
    text = settings.text(PARAMS)
    params, chosen, drawn = space.check(text, target)
    with _alone():
        project = workers.project(Path(), os.path.normpath(params.value("data.raw")), target)
        say(f"search: brings up to date what {target.stage} reads; its log is {STATE / 'prepare.log'}")
        first, lock = _first_worker(project, chosen)
        key = identity(params.values, chosen, target, lock, first.folder)
        study = Study(STATE / key, chosen, drawn, params.seed)
        left = study.total - len(study.finished())
        say(f"search: {study.total} trials of {target.stage}, {max(0, left)} to do, kept in {STATE / key}")
        copies = [first] + [
            Worker(first.folder.with_name(str(number)), project, _variables(number, chosen), lock)
            for number in range(1, min(chosen.workers, left))
        ]

        def start(worker: Worker, number: int, values: dict[str, Any]) -> workers.Job:
            settings.check(Params(pipeline.replaced(params.values, values)), models=True)  # valid alone, by now
            return worker.start(f"search-{key}-{number}", values, chosen, STATE / key / f"trial-{number}.log")

        with _bar(study, say) as (say_above, tick):
            loop.run(study, copies, start, say_above, tick)
    folder = Path(chosen.metric_file).parent.with_name("search")
    winning = results.write(study, text, folder)
    results.show(study, say)
    left = study.total - len(study.finished())
    if left > 0:
        say(f"search: {left} trials are left; the same command goes on with them")
    if winning is None:
        messages = [trial.user_attrs["message"] for trial in study.finished() if "message" in trial.user_attrs]
        raise SearchError(f"no trial came to its end; the first: {(messages or ['it was interrupted'])[0]}")
    if apply:
        files.write_text(PARAMS, pipeline.with_values(PARAMS.read_text(encoding="utf-8"), study.best().params))
    say(_advice(study, folder, apply))


def identity(values: Any, chosen: Search, target: Target, lock: dict[str, Any], folder: Path) -> str:
    """Return the name of a study: a hash of all that its trials share.

    These are the section ``search`` without its numbers of trials and workers, the other settings that trials read,
    the commands, the code and the raw images. Trials that share all of it belong to one study.

    Args:
        values: of ``params.yaml``.
        chosen: its section ``search``.
        target: the stage that a trial runs.
        lock: the entries of ``dvc.lock``, with the hashes of files.
        folder: where files lie whose hash is not there.
    """
    without = pipeline.replaced(values, dict.fromkeys(chosen.space))
    read = {}
    for stage, paths in target.sources.items():
        hashes = {dep["path"]: dep.get("md5") for dep in lock.get(stage, {}).get("deps", [])}
        read[stage] = {path: hashes.get(path) or _sha256(folder / path) for path in paths}
    shared = {
        "search": chosen.model_dump(exclude={"trials", "workers"}),
        "params": {name: pipeline.value_of(without, name) for name in target.params},
        "commands": target.commands,
        "sources": read,
    }
    return files.fingerprint(shared)[:8]


def _first_worker(project: Project, chosen: Search) -> tuple[Worker, dict[str, Any]]:
    """Make the first copy and run there what all trials read; return the copy and the entries of its ``dvc.lock``."""
    copies = STATE.resolve() / "workers"
    workers.end_leftovers(copies)
    ups = [part for part in Path(project.raw).parts if part == os.pardir]  # of a path to images beside the project
    first = Worker(copies.joinpath(*["up"] * len(ups), "0"), project, _variables(0, chosen), {})
    first.lock = first.prepare(STATE / "prepare.log")
    return first, first.lock


def _variables(number: int, chosen: Search) -> dict[str, str]:
    own = workers.variables(number, chosen.workers, os.cpu_count() or 1, workers.accelerators())
    return own | {key: os.environ[key] for key in own if key == "OMP_NUM_THREADS" and key in os.environ}


def _sha256(path: Path) -> str | None:
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else None


def _advice(study: Study, folder: Path, applied: bool) -> str:
    took = "params.yaml has it now" if applied else "`python -m flows.search --apply` writes it over params.yaml"
    experiment = study.best().user_attrs["experiment"]
    return f"{folder / 'params.yaml'} is the winner; {took}; `dvc exp apply {experiment}` brings its model, too"


@contextlib.contextmanager
def _bar(study: Study, say: Callable[[str], None]) -> Iterator[tuple[Callable[[str], None], Callable[[], None]]]:
    """Show a progress bar on a terminal. Yields two callables: print a line above it, and move it on by a trial."""
    if not sys.stdout.isatty():
        yield say, lambda: None
        return
    from rich.progress import MofNCompleteColumn, Progress, TimeElapsedColumn

    with Progress(*Progress.get_default_columns(), MofNCompleteColumn(), TimeElapsedColumn()) as bar:
        task = bar.add_task("trials", total=study.total, completed=len(study.finished()))
        yield lambda line: bar.console.print(line, markup=False, highlight=False), lambda: bar.advance(task)


@contextlib.contextmanager
def _alone() -> Iterator[None]:
    """Hold the lock of this project's searches; the system releases it however this process ends."""
    STATE.mkdir(parents=True, exist_ok=True)
    with (STATE / "lock").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise SearchError("another search is at work in this folder; wait for it, or stop it") from error
        yield


def main() -> None:
    """Run the search; an error ends it with one line and exit code 1, a signal with all its trials."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--apply", action="store_true", help="write the winning settings over params.yaml")
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    try:
        search(lambda line: print(printable(line), flush=True), arguments.apply)
    except (MorelikeError, OSError) as error:
        sys.exit(f"search: {one_line(error)}")
    except DvcException as error:
        sys.exit(printable(f"search: {error}"))
    except KeyboardInterrupt:
        print("search: stopped; the same command goes on from here", file=sys.stderr)
        sys.exit(130)


if __name__ == "__main__":
    main()
