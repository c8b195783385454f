"""The study: which trial comes next, which are over, which are hopeless. Kept by Optuna in a folder."""

import itertools
import math
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, IntDistribution
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import FrozenTrial, Trial, TrialState

from flows.tuning import space
from flows.tuning.settings import Search
from morelike.core.randomness import derived_seed, generator

JOURNAL = "journal.log"
SEEDS = 2**32  # NumPy's old generator, which Optuna draws from, takes no larger one
FEWEST_FOR_IMPORTANCE = 4
UNFINISHED = (TrialState.RUNNING, TrialState.WAITING)


class Study:
    """The trials of a search, kept in ``folder``. One process at a time may use it.

    Each trial has a random generator of its own, seeded by ``seed`` and its number: a grid and a random search try the
    same values however many trials run at once, and however often the search was stopped.
    """

    def __init__(self, folder: Path, search: Search, drawn: Mapping[str, BaseDistribution], seed: int):
        self.search, self.drawn, self.seed = search, dict(drawn), seed
        Path(folder).mkdir(parents=True, exist_ok=True)
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        warnings.filterwarnings(
            "ignore", message=".*is already reported"
        )  # when a trial of a killed search begins anew
        _mend(Path(folder) / JOURNAL)
        self._optuna = optuna.create_study(
            storage=JournalStorage(JournalFileBackend(str(Path(folder) / JOURNAL))),
            study_name="search",
            direction=search.direction,
            pruner=pruner(search),
            load_if_exists=True,
        )
        self._cells = _cells(self.drawn, seed) if search.method == "grid" else None
        self.total = min(search.trials, len(self._cells)) if self._cells else search.trials
        self._left_running = [trial for trial in self._trials() if trial.state == TrialState.RUNNING]

    def next(self) -> Trial | None:
        """Return the next trial, None if there is no more. Trials that a killed search had begun come first."""
        begun = next((trial for trial in self._left_running if trial.number < self.total), None)
        if begun:
            self._left_running.remove(begun)
            self._optuna.sampler = sampler(self.search, self.seed, begun.number)
            return self._with_values(Trial(self._optuna, begun._trial_id))
        trials = self._trials()
        waits = any(trial.state == TrialState.WAITING for trial in trials)
        number = len(trials) - waits
        if number >= self.total:
            return None
        self._optuna.sampler = sampler(self.search, self.seed, number)
        if self._cells and not waits:
            self._optuna.enqueue_trial(self._cells[number])
        return self._with_values(self._optuna.ask())

    def is_hopeless(self, trial: Trial, evaluations: list[tuple[int, float]], told: int) -> bool:
        """Note a trial's evaluations (images seen, value) after the first ``told``; return whether to stop it."""
        for number, (images, value) in enumerate(evaluations[told:], told + 1):
            trial.report(value, number)
            trial.set_user_attr("images_seen", images)
            if trial.should_prune():
                return True
        return False

    def complete(self, trial: Trial, value: float, experiment: str) -> None:
        """Note the metric of a trial, and the experiment that keeps it."""
        trial.set_user_attr("experiment", experiment)
        self._optuna.tell(trial, value)

    def prune(self, trial: Trial) -> None:
        """Note that a trial was stopped."""
        self._optuna.tell(trial, state=TrialState.PRUNED)

    def fail(self, trial: Trial, message: str) -> None:
        """Note that a trial failed, and why."""
        trial.set_user_attr("message", message)
        self._optuna.tell(trial, state=TrialState.FAIL)

    def finished(self) -> list[FrozenTrial]:
        """Return the trials that are over, in the order of their numbers."""
        return [trial for trial in self._trials() if trial.state not in UNFINISHED]

    def completed(self) -> list[FrozenTrial]:
        """Return the trials that were neither stopped nor failed."""
        return [trial for trial in self._trials() if trial.state == TrialState.COMPLETE]

    def best(self) -> FrozenTrial | None:
        """Return the best completed trial, None if there is none."""
        return self._optuna.best_trial if self.completed() else None

    def importance(self) -> dict[str, float]:
        """Return the share of the metric's variance that each parameter explains, in descending order; they sum to 1.

        By functional analysis of variance (Hutter et al. 2014) over the completed trials. Empty if these are fewer
        than four or all alike.
        """
        if len(self.completed()) < FEWEST_FOR_IMPORTANCE:
            return {}
        evaluator = optuna.importance.FanovaImportanceEvaluator(seed=derived_seed(self.seed, "importance") % SEEDS)
        try:
            shares = optuna.importance.get_param_importances(self._optuna, evaluator=evaluator)
        except RuntimeError:  # no tree of the forest has a split
            return {}
        total = sum(shares.values())
        return shares if math.isclose(total, 1.0, abs_tol=1e-6) else {}

    def _trials(self) -> list[FrozenTrial]:
        return self._optuna.get_trials(deepcopy=False)

    def _with_values(self, trial: Trial) -> Trial:
        for name, one in self.drawn.items():
            if isinstance(one, CategoricalDistribution):
                trial.suggest_categorical(name, one.choices)
            elif isinstance(one, IntDistribution):
                trial.suggest_int(name, one.low, one.high, step=one.step, log=one.log)
            else:
                trial.suggest_float(name, one.low, one.high, step=one.step, log=one.log)
        return trial


def sampler(search: Search, seed: int, number: int) -> optuna.samplers.BaseSampler:
    """Return the sampler of the values of trial ``number``; that of TPE learns from the trials so far."""
    own = derived_seed(seed, "search", number) % SEEDS
    if search.method == "tpe":
        return optuna.samplers.TPESampler(seed=own, multivariate=True, constant_liar=True)
    return optuna.samplers.RandomSampler(seed=own)


def pruner(search: Search) -> optuna.pruners.BasePruner:
    """Return the rule that stops trials early: the median (Golovin et al. 2017) or halving (Li et al. 2018)."""
    trials, evaluations = search.prune_after_trials, search.prune_after_evaluations
    if search.pruner == "median":
        return optuna.pruners.MedianPruner(n_startup_trials=trials, n_warmup_steps=evaluations + 1)
    if search.pruner == "halving":
        return optuna.pruners.SuccessiveHalvingPruner(min_resource=evaluations + 1, bootstrap_count=trials)
    return optuna.pruners.NopPruner()


def _cells(drawn: Mapping[str, BaseDistribution], seed: int) -> list[dict[str, Any]]:
    """Return every cell of the grid, shuffled by the seed, so that the first cells are spread over the whole grid."""
    grid = space.grid(drawn)
    cells = [dict(zip(grid, values, strict=True)) for values in itertools.product(*grid.values())]
    return [cells[place] for place in generator(seed, "search").permutation(len(cells))]


def _mend(journal: Path) -> None:
    """Remove what a killed search left: its lock, and a half-written line."""
    for lock in journal.parent.glob(f"{journal.name}.lock*"):
        lock.unlink(missing_ok=True)
    if journal.exists():
        text = journal.read_bytes()
        whole = text[: text.rfind(b"\n") + 1]
        if whole != text:
            journal.write_bytes(whole)
