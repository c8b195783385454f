"""What the tests of the search share: a params file that searches, and studies of it."""

from pathlib import Path

from flows import pipeline
from flows.tuning import space
from flows.tuning.study import Study
from tests import tiny_project

TEXT = (tiny_project.ROOT / "params.yaml").read_text(encoding="utf-8")
RATE, DROPOUT, WIDTH = (f"models.dae.{name}" for name in ("learning_rate", "dropout", "width"))
READ = ["train", "models.dae", "seed", "corrupt"]  # by the stages of a trial
TARGET = pipeline.Target("train@dae", [], {}, {}, READ, [], [], "")
CHOICES = {RATE: {"choices": [0.001, 0.01]}, DROPOUT: {"low": 0.0, "high": 0.2, "step": 0.1}}
RANGES = {RATE: {"low": 0.0001, "high": 0.01, "log": True}, DROPOUT: {"low": 0.0, "high": 0.5}}


def with_search(**changes) -> str:
    """Return the text of ``params.yaml`` with another ``search``; ``space`` is the whole space."""
    return pipeline.with_values(TEXT, {f"search.{key}": value for key, value in changes.items()})


def study(folder: Path, seed: int = 0, **changes) -> Study:
    _, chosen, drawn = space.check(with_search(**changes), TARGET)
    return Study(folder, chosen, drawn, seed)


# What is refused


def take(trials: Study, count: int, value=lambda values: 1.0) -> list[dict]:
    """Run ``count`` trials, or as many as there are, and return their values."""
    tried = []
    while len(tried) < count and (trial := trials.next()):
        trials.complete(trial, value(trial.params), "experiment")
        tried.append(trial.params)
    return tried
