"""The loop of a search: starts trials, looks at them several times per second, stops the hopeless ones."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from optuna.trial import Trial

from flows.tuning import results
from flows.tuning.errors import MetricMissing, TrialInterrupted
from flows.tuning.study import Study
from morelike.core.errors import MorelikeError, ParamsError

SECONDS_BETWEEN_LOOKS = 0.3


class Job(Protocol):
    """A trial under way."""

    name: str

    def evaluations(self) -> list[tuple[int, float]]:
        """Return (images seen, value) of each evaluation so far."""

    def is_over(self) -> bool:
        """Tell whether it has ended."""

    def value(self) -> float:
        """Return the metric of a trial that is over.

        Raises:
            MorelikeError: says why it has none.
        """

    def end(self) -> None:
        """Stop the trial."""

    def forget(self) -> None:
        """Remove its checkpoints, for a trial that never goes on."""


@dataclass
class Running:
    """A trial, its worker and job, and how many of its evaluations the study was told of."""

    trial: Trial
    worker: Any
    job: Job
    told: int = 0


def run(
    study: Study,
    workers: Sequence[Any],
    start: Callable[[Any, int, dict[str, Any]], Job],
    say: Callable[[str], None],
    tick: Callable[[], None] = lambda: None,
    pause_s: float = SECONDS_BETWEEN_LOOKS,
) -> None:
    """Run the trials of a study, at most one per worker at once.

    An exception that arrives meanwhile, such as an interrupt, ends the jobs; the next run begins their trials anew.

    Args:
        study: gives the trials and takes the results.
        workers: where trials run.
        start: called with worker, trial number and values, begins a trial; ParamsError if the values do not go
            together.
        say: gets a line whenever a trial begins or ends.
        tick: called when a trial has ended.
        pause_s: between two looks at the trials, seconds.
    """
    free, busy = list(workers), []
    try:
        while True:
            while free and (trial := study.next()):
                say(f"trial {trial.number} of {study.total}: {results.described(trial)}")
                try:
                    job = start(free[0], trial.number, trial.params)
                except ParamsError as error:
                    _fail(study, trial, error, say)
                    tick()
                    continue
                busy.append(Running(trial, free.pop(0), job))
            if not busy:
                return
            time.sleep(pause_s)
            for running in [one for one in busy if is_done(study, one, say)]:
                busy.remove(running)
                free.append(running.worker)
                tick()
    finally:
        for running in busy:
            running.job.end()


def is_done(study: Study, running: Running, say: Callable[[str], None]) -> bool:
    """Report a trial's new evaluations to the study, and stop it if it is hopeless. Return whether it has ended."""
    trial, job = running.trial, running.job
    over = job.is_over()
    evaluations = job.evaluations()
    hopeless = study.is_hopeless(trial, evaluations, running.told)
    running.told = len(evaluations)
    label, key = f"trial {trial.number}", study.search.metric_key
    if not over and not hopeless:
        return False
    if not over:
        job.end()
        job.forget()
        study.prune(trial)
        say(f"{label}: pruned after {evaluations[-1][0]:,} images at {key} {evaluations[-1][1]:.4g}")
        return True
    try:
        value = job.value()
    except TrialInterrupted:
        say(f"{label}: interrupted from outside; the next run begins it anew")
        return True
    except MetricMissing:
        raise
    except MorelikeError as error:
        job.forget()
        _fail(study, trial, error, say)
        return True
    study.complete(trial, value, job.name)
    say(f"{label}: {key} {value:.4g}, {'the best so far' if study.best().number == trial.number else 'not the best'}")
    return True


def _fail(study: Study, trial: Trial, error: MorelikeError, say: Callable[[str], None]) -> None:
    study.fail(trial, str(error))
    say(f"trial {trial.number}: failed: {error}")
