"""Where trials run: each worker has a copy of the project, so that your files are never touched.

A copy is a git repository that shares DVC's cache with the project. A trial is a ``dvc exp run`` in it, and its
experiment is fetched into the project. ``dvc exp run --temp`` is no way out: at each trial it stashes uncommitted
changes of the project for a moment. A kill would lose these, and later edits would get into later trials.
"""

import contextlib
import csv
import math
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import yaml

from flows import pipeline, stage_process
from flows.pipeline import Target
from flows.tuning.errors import MetricMissing, SearchError, TrialInterrupted
from flows.tuning.git import IDENTITY, git, snapshot
from flows.tuning.settings import Search
from morelike.core import files, settings

INTERRUPTED = tuple(f"exited with {code}" for code in (130, 143, -2, -15))  # by SIGINT or SIGTERM, the stage of DVC
MARK = "MORELIKE_SEARCH_COPY"  # environment variable of all processes in a copy
LOGGED = "dvclive/plots/metrics/{key}.tsv"
BASE, SNAPSHOT = "refs/morelike/base", "refs/morelike/snapshot"


@dataclass(frozen=True)
class Project:
    """The project as it stood when the search began.

    Attributes:
        root: its folder.
        commit: the checked-out commit.
        snapshot: a commit on top of it with the uncommitted changes.
        raw: the path of the raw images, as ``data.raw`` has it.
        target: the stage that a trial runs.
    """

    root: Path
    commit: str
    snapshot: str
    raw: str
    target: Target


def project(root: Path, raw: str, target: Target) -> Project:
    """Take a snapshot of the project. Its files are not touched.

    Raises:
        SearchError: it is no git repository of its own, or has no commit.
    """
    root = Path(root).resolve()
    try:
        top = git(root, "rev-parse", "--show-toplevel")
        commit = git(root, "rev-parse", "--verify", "HEAD")
    except SearchError as error:
        advice = "a search keeps each trial as a DVC experiment, which hangs on a git commit: `git init`, then commit"
        raise SearchError(f"expected a git repository with a commit, got {root}: {advice}") from error
    if Path(top).resolve() != root:
        raise SearchError(f"expected the top folder of a git repository, got {root}: its top is {top}")
    return Project(root, commit, snapshot(root, commit, raw), raw, target)


class Worker:
    """One copy of the project, in ``folder``.

    Args:
        folder: where the copy is, or will be made.
        project: what is copied.
        variables: environment variables of what runs in the copy.
        lock: the entries of the copy's ``dvc.lock``; empty for those of the project.
    """

    def __init__(self, folder: Path, project: Project, variables: Mapping[str, str], lock: Mapping[str, Any]):
        self.folder, self.project, self.lock = Path(folder).resolve(), project, lock
        self._variables = dict(variables)
        self.folder.mkdir(parents=True, exist_ok=True)
        git(self.folder, "init", "--quiet")
        for key, default in IDENTITY.items():
            value = git(project.root, "config", "--default", default, f"user.{key}")
            git(self.folder, "config", f"user.{key}", value)
        git(self.folder, "config", "receive.shallowUpdate", "true")
        refs = [f"+{project.commit}:{BASE}", f"+{project.snapshot}:{SNAPSHOT}"]
        git(project.root, "push", "--quiet", "--no-verify", str(self.folder), *refs)
        self.reset()

    def reset(self) -> None:
        """Bring the copy back to the snapshot, whatever an ended trial left in it."""
        for lock in (self.folder / ".git").rglob("*.lock"):  # of killed processes: nothing runs here now
            lock.unlink(missing_ok=True)
        for ref in git(self.folder, "for-each-ref", "--format=%(refname)", "refs/exps").split():
            git(self.folder, "update-ref", "--no-deref", "-d", ref)
        git(self.folder, "checkout", "--quiet", "--force", "--detach", BASE)
        git(self.folder, "read-tree", "--reset", "-u", SNAPSHOT)
        git(self.folder, "clean", "--quiet", "-f", "-d")
        shutil.rmtree(self.folder / ".dvc" / "tmp", ignore_errors=True)
        self._share_cache()
        for out in self.project.target.outs:
            path = self.folder / out
            for leftover in [path, *path.parent.glob(f".{path.name}.*.partial")]:
                _remove(leftover)
        self._link_raw()
        # With the stage's entry in dvc.lock, DVC would check out an earlier run's results as if they were the trial's.
        entries = {**(self.lock or self._entries())}
        entries.pop(self.project.target.stage, None)
        text = yaml.safe_dump({"schema": "2.0", "stages": entries}, sort_keys=False)
        files.write_text(self.folder / "dvc.lock", text)

    def prepare(self, log: Path) -> dict[str, Any]:
        """Bring up to date what all trials read, and return the entries of ``dvc.lock`` for further workers.

        Raises:
            SearchError: with the message of the stage that failed.
        """
        parents = self.project.target.parents
        log.unlink(missing_ok=True)
        if parents:
            self._run(["checkout", "--force", "--with-deps", "--allow-missing", *parents], log)
            code = self._run(["repro", *parents], log)
            if code != 0:
                raise SearchError(_reason(log, self.project.target, code))
        return self._entries()

    def start(self, name: str, values: Mapping[str, Any], search: Search, log: Path) -> "Job":
        """Start a trial, whose experiment is called ``name``."""
        self.reset()
        path = self.folder / "params.yaml"
        path.write_text(pipeline.with_values(path.read_text(encoding="utf-8"), values), encoding="utf-8")
        git(self.folder, "add", "params.yaml")  # DVC may overlook a change in the same moment as a checkout
        log.unlink(missing_ok=True)
        command = ["exp", "run", "--name", name, self.project.target.stage]
        return Job(self, name, dict(values), search, log, self._start(command, log))

    def fetch(self, name: str) -> None:
        """Fetch the experiment of a trial into the project."""
        refs = git(self.folder, "for-each-ref", "--format=%(refname)", "refs/exps").split()
        for ref in refs:
            if ref.endswith(f"/{name}"):
                git(self.project.root, "fetch", "--quiet", "--no-write-fetch-head", str(self.folder), f"+{ref}:{ref}")

    def _start(self, arguments: list[str], log: Path) -> subprocess.Popen:
        inherited = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}
        library = os.pathsep.join(filter(None, [str(self.folder / "src"), os.environ.get("PYTHONPATH")]))
        variables = {MARK: str(self.folder), "PYTHONPATH": library, "DVC_EXP_AUTO_PUSH": "false", **self._variables}
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as file:
            command = [sys.executable, "-m", "dvc", *arguments]
            return stage_process.start(command, stdout=file, cwd=self.folder, env=inherited | variables)

    def _run(self, arguments: list[str], log: Path) -> int:
        child = self._start(arguments, log)
        try:
            return child.wait()
        except BaseException:
            stage_process.end(child)
            raise

    def _entries(self) -> dict[str, Any]:
        lock = self.folder / "dvc.lock"
        return yaml.safe_load(lock.read_text(encoding="utf-8")).get("stages", {}) if lock.exists() else {}

    def _share_cache(self) -> None:
        from dvc.config import Config

        theirs, ours = (root / ".dvc" / "config.local" for root in (self.project.root, self.folder))
        ours.unlink(missing_ok=True)
        if theirs.exists():
            shutil.copy(theirs, ours)
        with Config(str(ours.parent), validate=False).edit("local") as config:
            config.setdefault("cache", {})["dir"] = self.project.target.cache

    def _link_raw(self) -> None:
        """Link to the raw images from where the copy expects them, unless git or DVC brings them along."""
        theirs, ours = (Path(os.path.normpath(root / self.project.raw)) for root in (self.project.root, self.folder))
        if theirs == ours or self.project.raw in self.project.target.kept:
            return
        if ours.is_symlink() and os.readlink(ours) != str(theirs):  # the project was moved
            ours.unlink()
        if ours.exists():
            return
        ours.parent.mkdir(parents=True, exist_ok=True)
        ours.symlink_to(theirs)


@dataclass
class Job:
    """One trial under way."""

    worker: Worker
    name: str
    values: dict[str, Any]
    search: Search
    log: Path
    child: subprocess.Popen

    def evaluations(self) -> list[tuple[int, float]]:
        """Return (images seen, value) of each evaluation so far, as DVCLive logs them in an output of the stage."""
        log = LOGGED.format(key=self.search.metric_key)
        logs = [self.worker.folder / out / log for out in self.worker.project.target.outs]
        return read_evaluations(next((path for path in logs if path.exists()), logs[0]))

    def is_over(self) -> bool:
        """Tell whether the trial has ended."""
        return self.child.poll() is not None

    def value(self) -> float:
        """Return the metric of a trial that is over, and fetch its experiment into the project.

        Raises:
            SearchError: with the message of the stage that failed.
            TrialInterrupted: it was ended from outside.
            MetricMissing: the stage writes no such metric.
        """
        if self.child.returncode != 0:
            message = _reason(self.log, self.worker.project.target, self.child.returncode)
            interrupted = self.child.returncode < 0 or message.endswith(INTERRUPTED)
            raise (TrialInterrupted if interrupted else SearchError)(message)
        measured = files.read_json(self.worker.folder / self.search.metric_file)
        try:
            value = float(pipeline.value_of(measured, self.search.metric_key))
        except (KeyError, TypeError, ValueError) as error:
            wanted = f"expected a number of {self.search.metric_file}, whose keys are {', '.join(measured)}"
            raise MetricMissing(f"search.metric: {wanted}; got {self.search.metric_key}") from error
        ran = settings.parse((self.worker.folder / "params.yaml").read_text(encoding="utf-8")).values
        if self.values != {key: pipeline.value_of(ran, key) for key in self.values}:
            raise SearchError(f"{self.name}: expected DVC to run it with {self.values}, see {self.log}")
        self.worker.fetch(self.name)
        return value

    def end(self) -> None:
        """Stop the trial and all that it started."""
        stage_process.end(self.child)

    def forget(self) -> None:
        """Remove the checkpoints of the trial."""
        shutil.rmtree(self.worker.folder / ".morelike", ignore_errors=True)


def read_evaluations(path: Path) -> list[tuple[int, float]]:
    """Return (images seen, value) of each complete line of a log to which another process appends."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError:
        return []
    read = []
    for row in csv.reader(text[: text.rfind("\n") + 1].splitlines()[1:], delimiter="\t"):
        with contextlib.suppress(ValueError, IndexError):
            if math.isfinite(float(row[1])):
                read.append((int(float(row[0])), float(row[1])))
    return read


def variables(number: int, workers: int, cores: int, accelerators: list[str]) -> dict[str, str]:
    """Return the environment variables of worker ``number``: its share of the cores, and one of the GPUs.

    >>> variables(1, 2, 8, ["0", "1"])
    {'OMP_NUM_THREADS': '4', 'CUDA_VISIBLE_DEVICES': '1'}
    """
    if workers == 1:
        return {}
    chosen = {"CUDA_VISIBLE_DEVICES": accelerators[number % len(accelerators)]} if accelerators else {}
    return {"OMP_NUM_THREADS": str(max(1, cores // workers)), **chosen}


def accelerators() -> list[str]:
    """Return the names of the GPUs that may be used; empty if none is found."""
    chosen = os.environ.get("CUDA_VISIBLE_DEVICES")
    if chosen is not None:
        return [name for name in chosen.split(",") if name]
    return [str(number) for number, _ in enumerate(Path("/dev").glob("nvidia[0-9]*"))]


def end_leftovers(copies: Path) -> None:
    """Kill the processes that a killed search left running in the copies under ``copies``."""
    left = []
    for process in psutil.process_iter(["environ"]):
        where = (process.info["environ"] or {}).get(MARK)
        if where and Path(where).is_relative_to(copies):
            left.append(process)
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
    psutil.wait_procs(left, timeout=stage_process.SECONDS_TO_END)


def _reason(log: Path, target: Target, code: int) -> str:
    """Return the message of the failed stage, the last that was begun."""
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    begun = [name for line in lines for name in target.sources if line == f"Running stage '{name}':"]
    return stage_process.reason(begun[-1] if begun else target.stage, lines) or f"exit code {code}, see {log}"


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
