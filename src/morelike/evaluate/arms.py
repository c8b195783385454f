"""The training sets that are compared on the test split, and what the classifiers trained on each say of it."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from morelike.evaluate.verdict import Arms, Tested
from morelike.judge.field import Answer, Field, Task, seeds_of
from morelike.judge.recipes import Recipe
from morelike.judge.selection import Choice, plain
from morelike.judge.settings import Judge
from morelike.storage.shards import ShardStore

NONE, PLAIN, BASELINE, CANDIDATE = "real", "real+plain", "real+classical", "real+classical+synthetic"
REAL_FOLDER, FOLDER, ONLY = "real as a folder", "all as a folder", "synthetic"


@dataclass(frozen=True)
class Judged:
    """What the classifiers of all arms said.

    Attributes:
        tested: of the test split.
        recipes: how each arm was trained.
        steps: of the trainings of each arm, one per seed.
        unended: arms with trainings that came to ``max_steps`` while val still improved.
        example: a trained classifier of the baseline.
    """

    tested: Tested
    recipes: dict[str, Recipe]
    steps: dict[str, list[int]]
    unended: list[str]
    example: Task


def recipes_of(choice: Choice, settings: Judge) -> dict[str, Recipe]:
    """Return how each arm is trained; which, see :func:`judge`."""
    baseline = choice.baseline
    nothing = plain(settings.augment).scaled(0)
    return {
        NONE: Recipe(augment=nothing),
        PLAIN: Recipe(augment=plain(settings.augment)),
        BASELINE: baseline,
        CANDIDATE: choice.candidate,
        REAL_FOLDER: baseline.model_copy(update={"draw": "folder"}),
        FOLDER: choice.candidate.model_copy(update={"draw": "folder", "generators": ()}),
        ONLY: choice.candidate.at(1.0, choice.candidate.generators),
    }


def judge(store: ShardStore, choice: Choice, settings: Judge, seed: int, state: Path, beside: bool = True) -> Judged:
    """Train the classifiers of every arm with new seeds, and ask each once about the test split.

    All arms share the learning rate and the classical augmentation that val chose, but for the first two: real
    images as they are, and with plain augmentation. The baseline has real images alone, the candidate the best share
    of synthetic ones. Two more take the folder as most people do, every image alike, without and with the synthetic
    images; the last has synthetic images alone. All but baseline and candidate have ``settings.seeds_beside`` seeds.

    Args:
        store: its index has ``split``, ``label``, ``synthetic``, ``generator`` and ``group``.
        choice: what val chose, with a candidate.
        settings: the section ``evaluate``.
        seed: of all draws.
        state: where trained classifiers are kept, and found again.
        beside: train more than the baseline and the candidate?

    Raises:
        JudgeError: a loss is not finite.
    """
    recipes = recipes_of(choice, settings)
    if not beside:
        recipes = {arm: recipes[arm] for arm in (BASELINE, CANDIDATE)}
    seeds = seeds_of(seed, "verdict", settings.seeds)
    of_arm = {arm: seeds if arm in (BASELINE, CANDIDATE) else seeds[: settings.seeds_beside] for arm in recipes}
    asked = [(recipes[arm], choice.learning_rate, one) for arm, those in of_arm.items() for one in those]
    with Field(store, "test", settings, state) as field:
        answers = iter(field.answers(asked, "evaluate: classifiers"))
        of_arm = {arm: [next(answers) for _ in those] for arm, those in of_arm.items()}
        tested = _tested(field, of_arm, choice)
        example = field.task(recipes[BASELINE], choice.learning_rate, seeds[0])
    return Judged(
        tested=tested,
        recipes=recipes,
        steps={arm: [one.steps for one in those] for arm, those in of_arm.items()},
        unended=[arm for arm, those in of_arm.items() if not all(one.ended for one in those)],
        example=example,
    )


def _tested(field: Field, of_arm: dict[str, list[Answer]], choice: Choice) -> Tested:
    return Tested(
        classes=list(field.classes),
        targets=field.targets,
        clusters=field.clusters,
        grouped=bool((field.store.index["group"] != "").any()),
        real_counts=field.real_counts,
        log_probabilities={arm: np.stack([one.log_probabilities for one in those]) for arm, those in of_arm.items()},
        arms=Arms(
            none=NONE if NONE in of_arm else BASELINE,
            plain=PLAIN if PLAIN in of_arm else BASELINE,
            baseline=BASELINE,
            candidate=CANDIDATE,
            recipe=CANDIDATE if choice.recipe.synthetic else BASELINE,
            also=((FOLDER, REAL_FOLDER), (ONLY, BASELINE)) if FOLDER in of_arm else (),
        ),
        advice=f"{choice.recipe.in_words()}, classes drawn alike, augmented as val chose",
    )
