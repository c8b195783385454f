"""A choice that is made at once, in place of one among trained classifiers."""

from morelike.export.choosing import Judging
from morelike.images.settings import Classical
from morelike.judge.recipes import Recipe
from morelike.judge.selection import Choice
from morelike.judge.settings import Judge

CLASSICAL = Classical(
    rotate_deg=8,
    shear_deg=6,
    translate=0.06,
    scale=0.1,
    elastic=0.036,
    brightness=0.05,
    contrast=0.1,
    operations=1,
    operation_strength=0.5,
    erase=0.1,
    flip=True,
    mix="cutmix",
)
JUDGE = Judge(
    network="small",
    pretrained=False,
    width=8,
    batch_size=16,
    learning_rates=[0.003],
    max_steps=4,
    evaluate_every_steps=2,
    patience=1,
    cooldown_share=0.25,
    seeds=5,
    seeds_beside=2,
    selection_seeds=1,
    shares=[0.25],
    margin=0.01,
    confidence=0.95,
    strengths=[1.0],
    extras=[],
    augment=CLASSICAL,
)
RECIPE = Recipe(draw="class", synthetic=0.25, generators=("dae",), augment=CLASSICAL)


def chooses(recipe: Recipe = RECIPE) -> Judging:
    """Return what always chooses ``recipe``."""
    trials = [{"recipe": recipe.model_dump(mode="json"), "nll": 0.5}]
    choice = Choice(recipe=recipe, candidate=recipe, trials=trials, learning_rate=0.003, steps=100)
    return Judging(JUDGE, 0, lambda store, settings, seed, state: choice)
