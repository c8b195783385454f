"""Stand-in."""

from dataclasses import dataclass

from morelike.judge.recipes import Recipe


@dataclass(frozen=True)
class Choice:
    recipe: Recipe
    candidate: Recipe
    trials: list
    learning_rate: float
    steps: int


def choose(store, settings, seed, state) -> Choice:
    raise NotImplementedError
