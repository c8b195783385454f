"""A choice that is made at once, in place of one among trained classifiers."""

from pathlib import Path

from morelike.core import settings
from morelike.export.choosing import Judging
from morelike.judge.recipe_file import Training
from morelike.judge.recipes import Recipe
from morelike.judge.selection import Choice
from morelike.judge.settings import Judge

WHOLE = settings.read(Path(__file__).resolve().parents[1] / "params.yaml").section("evaluate", Judge)
CLASSICAL = WHOLE.augment.model_copy(update={"flip": True, "mix": "cutmix"})
TINY = {"width": 8, "batch_size": 16, "max_steps": 4, "evaluate_every_steps": 2, "patience": 1, "selection_seeds": 1}
JUDGE = WHOLE.model_copy(update=TINY | {"shares": [0.25], "strengths": [1.0], "extras": [], "augment": CLASSICAL})
TRAINING = Training(
    network="small",
    width=24,
    pretrained=False,
    optimizer="AdamW",
    weight_decay=0.05,
    label_smoothing=0.05,
    learning_rate=0.003,
    warmup_steps=50,
    batch_size=64,
    steps=1200,
    cooldown_share=0.25,
    weight_average=0.99,
    seeds=2,
)
RECIPE = Recipe(draw="class", synthetic=0.25, generators=("dae",), augment=CLASSICAL)


def chooses(recipe: Recipe = RECIPE, candidate: Recipe | None = RECIPE) -> Judging:
    """Return what always chooses ``recipe``; ``candidate`` is the best with synthetic images."""
    trials = [{"recipe": recipe.model_dump(mode="json"), "nll": 0.5}]
    choice = Choice(recipe=recipe, candidate=candidate, trials=trials, learning_rate=0.003, steps=100)
    return Judging(JUDGE, 0, lambda *_: choice)
