"""Which recipe is best, by val alone: the learning rate, how much classical augmentation, how many synthetic images."""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from morelike.core.progress import say
from morelike.images.settings import Classical
from morelike.judge import statistics
from morelike.judge.field import Answer, Field, seeds_of
from morelike.judge.recipes import Recipe
from morelike.judge.rows import clusters_of
from morelike.judge.settings import MOST_RECIPES, Judge
from morelike.storage.shards import ShardStore

OFF = {"flip": False, "erase": 0.0, "operations": 0}


@dataclass(frozen=True)
class Choice:
    """What val chose.

    Attributes:
        recipe: what to train with.
        candidate: the best recipe with synthetic images, which the verdict is on; None where there are none.
        learning_rate: for all recipes.
        steps: that a training of ``recipe`` took, the median.
        trials: a dict per recipe that was tried, in order: what was asked, the recipe in words, its balanced NLL on
            val, how much that is above the best one's, the standard error of that, whether it was chosen, and
            whether all its trainings ended before ``max_steps``.
        reason: why nothing could be chosen; "" where it could.
    """

    recipe: Recipe
    candidate: Recipe | None = None
    learning_rate: float = 0.0
    steps: int = 0
    trials: list[dict] = field(default_factory=list)
    reason: str = ""

    @property
    def baseline(self) -> Recipe:
        """The recipe without synthetic images."""
        return self.recipe.at(0.0)


def choose(store: ShardStore, settings: Judge, seed: int, state: Path) -> Choice:
    """Choose learning rate, classical augmentation and share of synthetic images by the NLL of val images.

    Each question is asked in turn, the answer kept for the next. Recipes are compared on the same images and seeds;
    of those within one standard error of the best, the weakest augmentation and the fewest synthetic images are
    taken. The test split is not looked at; the store need not have one.

    Args:
        store: its index has ``split``, ``label``, ``synthetic``, ``generator`` and ``group``.
        settings: the section ``evaluate``.
        seed: of all draws.
        state: where trained classifiers are kept, and found again.

    Raises:
        JudgeError: a loss is not finite, or there is no such network.
    """
    reason = not_measured(store.index, "val")
    if reason:
        return Choice(Recipe(augment=settings.augment), reason=reason)
    with Field(store, "val", settings, state) as here:
        return _Selection(here, seed).whole()


def not_measured(index: pd.DataFrame, split: str) -> str:
    """Return why classifiers cannot be compared on a split; "" if they can."""
    train, real = index["split"] == "train", ~index["synthetic"].astype(bool)
    learnt = index.loc[train & real, "label"]
    asked = index.loc[(index["split"] == split) & index["label"].isin(set(learnt))]
    if learnt.nunique() < 2:
        return "one class, and a classifier needs two"
    if asked["label"].nunique() < 2:
        return f"fewer than two classes have train and {split} images"
    if pd.Series(clusters_of(asked["group"])).groupby(asked["label"].to_numpy()).nunique().max() < 2:
        return f"no class has {split} images of two groups, so nothing tells how certain a figure is"
    return ""


class _Selection:
    """Asks the questions one after the other, and notes what was tried."""

    def __init__(self, here: Field, seed: int):
        self.field, self.settings = here, here.settings
        self.seeds = seeds_of(seed, "choose", here.settings.selection_seeds)
        self.trials: list[dict] = []

    def whole(self) -> Choice:
        augment = base_of(self.settings)
        rate = self._learning_rate(augment)
        augment = self._strength(augment, rate)
        augment = self._extras(augment, rate)
        baseline = Recipe(augment=augment)
        recipes = self._shares(baseline)
        if len(recipes) == 1:
            chosen, steps, candidate = 0, self._steps, None
        else:
            answers = self._answers([(recipe, rate) for recipe in recipes], "shares of synthetic images")
            chosen, compared = self._compared("share of synthetic images", [r.in_words() for r in recipes], answers)
            best = 1 + int(np.argmin([one.mean for one in compared[1:]]))
            candidate = recipes[chosen or best]
            steps = _median_steps(answers[chosen])
        return Choice(recipes[chosen], candidate, rate, steps, self.trials)

    def _learning_rate(self, augment: Classical) -> float:
        rates = self.settings.learning_rates
        if len(rates) == 1:
            return rates[0]
        answers = self._answers([(Recipe(augment=augment), rate) for rate in rates], "learning rates")
        _, compared = self._compared("learning rate", [f"{rate:g}" for rate in rates], answers, simplest=False)
        return rates[int(np.argmin([one.mean for one in compared]))]

    def _strength(self, augment: Classical, rate: float) -> Classical:
        strengths = sorted(self.settings.strengths)
        scaled = [augment.scaled(strength) for strength in strengths]
        answers = self._answers([(Recipe(augment=one), rate) for one in scaled], "strengths of augmentation")
        chosen, _ = self._compared("strength of augmentation", [f"{s:g}" for s in strengths], answers)
        self._steps = _median_steps(answers[chosen])
        return scaled[chosen]

    def _extras(self, augment: Classical, rate: float) -> Classical:
        extras = self.settings.extras
        if not extras:
            return augment
        tried = [augment, *(with_extra(augment, self.settings.augment, extra) for extra in extras)]
        answers = self._answers([(Recipe(augment=one), rate) for one in tried], "extras of augmentation")
        gains = {}
        for number, extra in enumerate(extras, 1):
            pair = [answers[0], answers[number]]
            chosen, compared = self._compared(f"with {extra}", ["without", "with"], pair)
            if chosen:
                gains[extra] = compared[0].difference
        mixes = [extra for extra in gains if extra in ("mixup", "cutmix")]
        for extra in gains:
            if extra not in mixes or extra == max(mixes, key=gains.get):
                augment = with_extra(augment, self.settings.augment, extra)
        return augment

    def _shares(self, baseline: Recipe) -> list[Recipe]:
        """Return the recipes to compare, least synthetic first: at most :data:`MOST_RECIPES`."""
        train = self.field.store.index.query("split == 'train' and synthetic")
        if train.empty:
            return [baseline]
        shares = sorted({share for share in self.settings.shares if share > 0})
        generators = sorted(train["generator"].unique())
        single = [(name,) for name in generators] if len(generators) > 1 else []
        middle = shares[len(shares) // 2]
        found = [(0.0, ())] + [(share, ()) for share in shares] + [(middle, one) for one in single]
        return [baseline.at(*one) for one in sorted(found[:MOST_RECIPES])]

    def _answers(self, tried: list[tuple[Recipe, float]], what: str) -> list[list[Answer]]:
        """Return per recipe what its classifiers say, one per seed."""
        asked = [(recipe, rate, seed) for recipe, rate in tried for seed in self.seeds]
        answers = self.field.answers(asked, f"choosing on val, {what}: classifiers")
        return [answers[start : start + len(self.seeds)] for start in range(0, len(answers), len(self.seeds))]

    def _compared(
        self, question: str, names: list[str], answers: list[list[Answer]], simplest: bool = True
    ) -> tuple[int, list[statistics.Compared]]:
        nll = np.stack([[self.field.nll(one) for one in of_seeds] for of_seeds in answers])
        chosen, compared = statistics.one_standard_error(
            nll, self.field.targets, self.field.clusters, self.field.counted
        )
        if not simplest:
            chosen = int(np.argmin([one.mean for one in compared]))
        for number, (name, one) in enumerate(zip(names, compared, strict=True)):
            self.trials.append(
                {
                    "question": question,
                    "tried": name,
                    "nll": one.mean,
                    "above_best": one.difference,
                    "standard_error": one.se,
                    "chosen": number == chosen,
                    "steps": _median_steps(answers[number]),
                    "ended": all(answer.ended for answer in answers[number]),
                }
            )
        say(f"choosing on val: {question}: {names[chosen]}")
        return chosen, compared


def base_of(settings: Judge) -> Classical:
    """Return the classical augmentation without the extras that are to be tried."""
    off = {name: value for name, value in OFF.items() if name in settings.extras}
    if {"mixup", "cutmix"} & set(settings.extras):
        off["mix"] = "none"
    return settings.augment.model_copy(update=off)


def with_extra(augment: Classical, full: Classical, extra: str) -> Classical:
    """Return ``augment`` with one extra, as strong as ``full`` has it."""
    match extra:
        case "mixup" | "cutmix":
            return augment.model_copy(update={"mix": extra})
        case "flip":
            return augment.model_copy(update={"flip": True})
    return augment.model_copy(update={extra: getattr(full, extra)})


def plain(augment: Classical) -> Classical:
    """Return the plain part of an augmentation: turns, shifts, zoom, brightness and contrast."""
    nothing = {"flip": False, "shear_deg": 0.0, "elastic": 0.0, "operations": 0, "erase": 0.0, "mix": "none"}
    return augment.model_copy(update=nothing)


def _median_steps(answers: list[Answer]) -> int:
    return int(np.median([answer.steps for answer in answers]))
