"""The cheap figures: colour and distance, on images where the answer is known."""

import numpy as np
import pandas as pd
import pytest
from sklearn.neighbors import NearestNeighbors

from morelike.core import randomness
from morelike.evaluate import fidelity
from morelike.storage import shards


def make_store(folder, images: np.ndarray, synthetic: list[bool], labels: list[str], distances: list[float]):
    writer = shards.ShardWriter(folder, *images.shape[1:])
    writer.append(images)
    index = {"split": "train", "label": labels, "synthetic": synthetic, "nearest_distance": distances}
    writer.close(pd.DataFrame(index))
    return shards.ShardStore(folder)


def test_the_colour_difference_is_per_class_so_that_counts_do_not_count(tmp_path):
    dark, light = np.full((1, 4, 4, 3), 51, np.uint8), np.full((1, 4, 4, 3), 204, np.uint8)
    tinted = light.copy()
    tinted[..., 2] -= 51
    images = np.concatenate([dark] * 9 + [light] + [dark] + [tinted] * 9)
    labels = ["dark"] * 9 + ["light"] + ["dark"] + ["light"] * 9
    store = make_store(tmp_path, images, [False] * 10 + [True] * 10, labels, [np.nan] * 20)
    figures = fidelity.measure(store, randomness.generator(0))
    assert figures["colour_real"] == pytest.approx([0.5, 0.5, 0.5])
    assert figures["colour_synthetic"] == pytest.approx([0.5, 0.5, 0.4])
    assert figures["colour_difference"] == pytest.approx(0.1)


def test_distances_between_real_images_are_those_of_scikit_learn_and_copies_show(tmp_path):
    images = np.random.default_rng(0).integers(0, 256, (40, 6, 5, 1)).astype(np.uint8)
    synthetic = [False] * 30 + [True] * 10
    store = make_store(tmp_path, images, synthetic, ["a"] * 40, [np.nan] * 30 + [0.0] * 4 + [0.9] * 6)
    figures = fidelity.measure(store, randomness.generator(0))
    flat = images[:30].reshape(30, -1) / 255
    nearest = NearestNeighbors(n_neighbors=2).fit(flat).kneighbors(flat)[0][:, 1] / np.sqrt(flat.shape[1])
    assert figures["distance_real"]["median"] == pytest.approx(np.median(nearest), rel=1e-4)
    assert figures["distance_real"]["smallest"] == pytest.approx(nearest.min(), rel=1e-4)
    assert figures["closer_than_real_share"] == 0.4
