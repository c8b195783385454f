"""Which images a training step sees."""

import numpy as np

from morelike.core import randomness
from morelike.judge.recipes import Recipe


class Draws:
    """Draw batches of a recipe; a pure function of seed, step and share.

    By ``class``, a class is drawn first, all alike, so that no training set gains by mere re-balancing. Then it is a
    synthetic image with one probability for all classes: if that differed, whoever can tell synthetic from real would
    know something of the class. Recipes with the same seed see the same labels, and the same real images wherever
    neither draws a synthetic one.

    Args:
        real, synthetic: the rows that the recipe draws, int64 N; either may be empty.
        targets: int64, the class of every row of the store.
        recipe: how to draw.
        seed: of the draws.

    Attributes:
        epoch: how many images there are to draw.
        classes: int64, those that are drawn.
    """

    def __init__(self, real: np.ndarray, synthetic: np.ndarray, targets: np.ndarray, recipe: Recipe, seed: int):
        self.recipe, self.seed, self._targets = recipe, seed, targets
        self._rows = np.concatenate([real, synthetic])
        self.epoch = len(self._rows)
        self.classes = np.unique(targets[self._rows])
        self._pools = [[rows[targets[rows] == k] for rows in (real, synthetic)] for k in self.classes]

    def batch(self, step: int, size: int, left: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
        """Return rows and classes of a batch, int64 of ``size`` each, with replacement.

        Args:
            step: number of the step.
            size: of the batch.
            left: how much of the recipe's share of synthetic images is left, 0 to 1.
        """
        draws = randomness.generator(self.seed, "batch", step).random((3, size))
        if self.recipe.draw == "folder":
            rows = self._rows[(draws[2] * len(self._rows)).astype(np.int64)]
            return rows, self._targets[rows]
        share = self.recipe.synthetic if self.recipe.synthetic == 1 else self.recipe.synthetic * left
        which = (draws[0] * len(self.classes)).astype(np.int64)
        made = draws[1] < share
        rows = [self._one(k, bool(new), at) for k, new, at in zip(which, made, draws[2], strict=True)]
        return np.array(rows, np.int64), self.classes[which]

    def _one(self, number: int, synthetic: bool, at: float) -> int:
        pool = self._pools[number][synthetic]
        if not len(pool):  # a class that has none of the kind: the other is all there is
            pool = self._pools[number][not synthetic]
        return pool[int(at * len(pool))]
