"""weights: what a sampler of PyTorch draws by them is what the recipe says."""

import numpy as np
import pandas as pd
import pytest
import torch
from torch.utils.data import WeightedRandomSampler

from morelike.export import weights
from morelike.judge.draws import Draws
from tests.judging import RECIPE

ROWS = [  # split, label, generator, images
    *(("train", "a", "", 40), ("train", "a", "dae", 10), ("train", "a", "vae", 5)),
    *(("train", "b", "", 4), ("train", "b", "dae", 30)),
    *(("train", "c", "", 8), ("train", "c", "vae", 7)),
    *(("val", "a", "", 3), ("test", "b", "", 3)),
]


@pytest.fixture
def table():
    rows = [(split, label, made != "", made) for split, label, made, count in ROWS for _ in range(count)]
    table = pd.DataFrame(rows, columns=["split", "label", "synthetic", "generator"])
    return table.sample(frac=1, random_state=0)  # neither in order nor numbered from 0


def drawn(table, recipe, count=60_000):
    """Return how often each kind of train image is drawn by a sampler of PyTorch, as a share of all draws."""
    train = table[table["split"] == "train"]
    chance = torch.Generator().manual_seed(0)
    sampler = WeightedRandomSampler(weights.of(table, recipe)[train.index].tolist(), count, generator=chance)
    return train.iloc[list(sampler)].groupby(["label", "generator"]).size() / count


def test_each_class_is_drawn_alike_and_a_synthetic_image_with_one_probability_for_all(table):
    shares = drawn(table, RECIPE.at(0.25))
    assert shares.groupby("label").sum().tolist() == pytest.approx([1 / 3] * 3, abs=0.01)
    assert shares.drop("", level="generator").groupby("label").sum().tolist() == pytest.approx([1 / 12] * 3, abs=0.01)
    assert shares["a", "dae"] == pytest.approx(2 * shares["a", "vae"], abs=0.01)


def test_a_class_without_an_image_of_the_recipe_takes_all_of_its_share_from_its_real_ones(table):
    shares = drawn(table, RECIPE.at(0.25, ("dae",)))
    assert shares.groupby("label").sum().tolist() == pytest.approx([1 / 3] * 3, abs=0.01)
    assert shares["c"].to_dict() == pytest.approx({"": 1 / 3}, abs=0.01)
    assert (weights.of(table, RECIPE.at(0.25, ("dae",)))[table["generator"] == "vae"] == 0).all()


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 1.0])
def test_the_mean_over_train_is_one_as_are_all_weights_of_val_and_test(table, share):
    found = weights.of(table, RECIPE.at(share))
    train = table["split"] == "train"
    assert found[train].mean() == pytest.approx(1)
    assert (found[~train] == 1).all()
    assert found[train & table["synthetic"]].sum() == pytest.approx(share * train.sum())


def test_a_plain_folder_has_weight_one_throughout_as_has_a_set_without_a_recipe(table):
    folder = RECIPE.at(0.5).model_copy(update={"draw": "folder"})
    assert (weights.of(table, folder) == 1).all()
    assert (weights.of(table, None) == 1).all()
    real_alone = weights.of(table, folder.at(0.0))
    assert set(real_alone[table["synthetic"]]) == {0}
    assert real_alone[(table["split"] == "train") & ~table["synthetic"]].nunique() == 1


@pytest.mark.parametrize("recipe", [RECIPE.at(0.25), RECIPE.at(0.0), RECIPE.at(0.5, ("dae", "vae"))])
def test_the_weights_are_how_often_the_judge_draws_each_image(table, recipe):
    table = table.reset_index(drop=True)
    train, synthetic = (table["split"] == "train").to_numpy(), table["synthetic"].to_numpy()
    targets = table["label"].map({"a": 0, "b": 1, "c": 2}).to_numpy()
    draws = Draws(np.flatnonzero(train & ~synthetic), np.flatnonzero(train & synthetic), targets, recipe, seed=0)
    count = 40_000
    found = np.bincount(draws.batch(0, count)[0], minlength=len(table))
    expected = np.where(train, weights.of(table, recipe) * count / train.sum(), 0)
    assert (found[expected == 0] == 0).all()
    assert np.abs(found - expected).max() < 6 * np.sqrt(expected.max())
    assert ((found - expected)[expected > 0] ** 2 / expected[expected > 0]).mean() == pytest.approx(1, abs=0.6)
