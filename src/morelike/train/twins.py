"""Fresh noisy twins: an image gets another one each time training sees it; a fixed one would be learnt by heart."""

from dataclasses import dataclass

import numpy as np

from morelike.core.randomness import generator
from morelike.images import noise
from morelike.images.noise import Recipes
from morelike.storage.shards import ShardStore


@dataclass(frozen=True)
class Twins:
    """Makes the twins of a training batch.

    Attributes:
        clean: the images.
        recipes: of noise; each twin draws one, all being equally likely.
        seed: of every draw; ``model``: its name, so that two models see other noise.
        places: in the batch, of the images that get a twin.
    """

    clean: ShardStore
    recipes: Recipes
    seed: int
    model: str
    places: np.ndarray

    def of(self, step: int, rows: np.ndarray) -> np.ndarray:
        """Return the twins of a step, uint8 N×H×W×C; ``rows`` are those of the whole batch.

        A pure function of (seed, model, step, place) and the image.
        """
        draws = (generator(self.seed, "twin", self.model, step, int(place)) for place in self.places)
        images = self.clean.read(rows[self.places])
        return np.stack([noise.twin(image, self.recipes, draw)[0] for image, draw in zip(images, draws, strict=True)])
