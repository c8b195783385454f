"""The part of the dataset card that says how to train on the dataset."""

import pandas as pd

from morelike.judge.recipe_file import RecipeFile, Training

CHOSEN = """\
This was chosen on `val`, in {trials} trials with trained classifiers; `test` had no part in it. `recipe.json` has all
of it, with the figures of each trial.

- {draw}
- Augment the images classically, as `transform` does below.{mixed}
- {training}

```python
from pathlib import Path

import pandas as pd
from torch.utils.data import DataLoader, WeightedRandomSampler
from torchvision.datasets import ImageFolder
from torchvision.transforms import v2

folder = "."  # the one that holds this file
transform = v2.Compose([
    {transforms},
])
train = ImageFolder(f"{{folder}}/train", transform)
weight = pd.read_parquet(f"{{folder}}/manifest.parquet").set_index("path")["weight"]
weights = [weight[Path(path).relative_to(folder).as_posix()] for path, _ in train.samples]
batches = DataLoader(train, {batch_size}, sampler=WeightedRandomSampler(weights, len(weights)))
```"""
NOT_CHOSEN = """\
No recipe could be chosen on `val`: {reason}. Every image has the weight 1."""
WEIGHT = """\
The column `weight` says how often an image is to be drawn, as a multiple of a plain draw: 0 never, 1 as often as from a
plain folder. Images of `val` and `test` have 1."""
GROUPS = """\
{known} of {real} real images name a group, what they belong to (`given_group`). Groups in more than one
split: {straddling}."""
NO_GROUPS = """\
The real images name no groups. Where pictures of one patient, page or scene lie in several splits, `val` and `test` are
too easy, and what is measured on them is too good."""


def text(manifest: pd.DataFrame, recipe: RecipeFile) -> str:
    """Return the section as markdown, without its heading.

    Args:
        manifest: a row per exported image.
        recipe: what was chosen, or why nothing was.
    """
    chosen = _chosen(recipe) if recipe.recipe else NOT_CHOSEN.format(reason=recipe.not_chosen)
    return "\n\n".join([chosen, WEIGHT, _groups(manifest)])


def _chosen(file: RecipeFile) -> str:
    batch = "".join(f" Then mix the images of each batch: `{one}(images, labels)`." for one in file.torchvision.batch)
    return CHOSEN.format(
        trials=len(file.trials),
        draw=_draw(file),
        mixed=batch,
        training=_training(file.training),
        transforms=",\n    ".join(file.torchvision.image),
        batch_size=file.training.batch_size,
    )


def _draw(file: RecipeFile) -> str:
    recipe = file.recipe
    if recipe.draw == "folder":
        return "Draw all images alike, as from a plain folder."
    if not recipe.synthetic:
        why = ", and real images alone: synthetic ones did not do better on `val`" if file.candidate else ""
        return f"Draw all classes equally often{why}."
    made = f" of {', '.join(recipe.generators)}" if recipe.generators else ""
    return (
        f"Draw all classes equally often, and within each class a synthetic image{made} with the probability "
        f"{recipe.synthetic:g}, the same for all classes. Over the last {file.training.cooldown_share:.0%} of the "
        "steps let it fall to 0, by scaling down the weights of the synthetic images, so that training ends on real "
        "ones."
    )


def _training(training: Training) -> str:
    begun = "pretrained weights" if training.pretrained else "random weights"
    return (
        f"The classifiers: `{training.network}` from {begun}, {training.steps} steps of {training.batch_size} images "
        f"by {training.optimizer}, learning rate {training.learning_rate:g}, falling to 0 over the last "
        f"{training.cooldown_share:.0%}, and a moving average of the weights (decay {training.weight_average:g} per "
        "step)."
    )


def _groups(manifest: pd.DataFrame) -> str:
    real = manifest[~manifest["synthetic"]]
    named = real[real["given_group"] != ""]
    if named.empty:
        return NO_GROUPS
    straddling = int((named.groupby("given_group")["split"].nunique() > 1).sum())
    return GROUPS.format(known=len(named), real=len(real), straddling=straddling or "none")
