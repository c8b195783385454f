"""A whole ``summary.json``, from random answers of classifiers and from measured images."""

from pathlib import Path

import numpy as np
from scipy.special import log_softmax

from morelike.core import files, settings
from morelike.evaluate import arms, evaluation, fidelity
from morelike.evaluate.ledger import Opening
from morelike.evaluate.verdict import Arms, Tested
from morelike.judge.recipes import Recipe
from morelike.judge.selection import Choice
from morelike.judge.settings import Judge
from tests import judged_stores

JUDGE = settings.read(Path(__file__).parents[1] / "params.yaml").section("evaluate", Judge)
OTHERS = {arms.NONE: 2, arms.PLAIN: 2, arms.REAL_FOLDER: 2, arms.FOLDER: 2, arms.ONLY: 2}
SEEDS = OTHERS | {arms.BASELINE: 5, arms.CANDIDATE: 5}
PARTS = Arms(
    none=arms.NONE,
    plain=arms.PLAIN,
    baseline=arms.BASELINE,
    candidate=arms.CANDIDATE,
    recipe=arms.CANDIDATE,
    also=((arms.FOLDER, arms.REAL_FOLDER), (arms.ONLY, arms.BASELINE)),
)


def trial(question: str, tried: str, above_best: float, chosen: bool, ended: bool = True) -> dict:
    """Return a recipe that was tried, as :class:`morelike.judge.selection.Choice` has it."""
    figures = {"nll": 0.5 + above_best, "above_best": above_best, "standard_error": 0.0625}
    return {"question": question, "tried": tried} | figures | {"chosen": chosen, "steps": 1234, "ended": ended}


def judged(classes: list[str], generator: str, grouped: bool) -> arms.Judged:
    """Return random answers of the classifiers of every arm, on 20 images of each class; the first one is rare."""
    random = np.random.default_rng(0)
    targets = np.repeat(np.arange(len(classes)), 20)
    said = {arm: random.normal(0, 1, (SEEDS[arm], len(targets), len(classes))) for arm in SEEDS}
    recipe = Recipe(synthetic=0.25, generators=(generator,), augment=JUDGE.augment)
    tested = Tested(
        classes=classes,
        targets=targets,
        clusters=np.arange(len(targets)) // (4 if grouped else 1),
        grouped=grouped,
        real_counts=np.array([4] + [9] * (len(classes) - 1)),
        log_probabilities={arm: log_softmax(logits, -1).astype(np.float32) for arm, logits in said.items()},
        arms=PARTS,
        advice=recipe.in_words(),
    )
    recipes = arms.recipes_of(Choice(recipe, recipe), JUDGE)
    steps = {arm: [400] * count for arm, count in SEEDS.items()}
    return arms.Judged(tested, recipes, steps, unended=[arms.CANDIDATE], example=None)


def likeness(folder: Path, classes: list[str], made_per_class: int = 8) -> dict:
    """Return the likeness of a few images; those of the first two classes alone have synthetic ones."""
    random = np.random.default_rng(0)
    real, made, val = classes[:2] * 8 + classes[2:] * 2, classes[:2] * made_per_class, classes * 6
    tables = [judged_stores.rows(real), judged_stores.rows(made, synthetic=True), judged_stores.rows(val, split="val")]
    images = [judged_stores.patterns(labels, random) for labels in (real, made, val)]
    store = judged_stores.write(folder, images, tables)
    return fidelity.measure(store, {}, lambda images: images.flip(3), random)


def summary(folder: Path, classes: list[str], generator: str = "dae", grouped: bool = False) -> dict:
    """Return a summary with every part, as it is read from its file; ``folder`` takes a few images."""
    whole = evaluation.summarised(judged(classes, generator, grouped), JUDGE, Opening(2, first=True))
    trials = [
        trial("strength of augmentation", "0.5", 0.0, chosen=True),
        trial("strength of augmentation", "1", 0.25, chosen=False, ended=False),
        trial("share of synthetic images", f"25% synthetic ({generator})", 0.0, chosen=True),
    ]
    whole |= {"trials": trials, "fidelity": likeness(folder / "likeness", classes)}
    files.write_json(folder / "summary.json", whole)
    return files.read_json(folder / "summary.json")
