"""Training sees other noise at every step, the same one again whenever a step is taken again, and val never changes."""

import numpy as np
import pytest
import torch

from morelike.core.randomness import generator
from morelike.images import noise, pixels
from morelike.train.batches import Batches
from tests.training_stores import RECIPES, common, squares

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def stores(tmp_path_factory):
    folder = tmp_path_factory.mktemp("stores")
    return squares(folder / "clean"), squares(folder / "noisy", noise=0.2)


@pytest.fixture
def batches(stores):
    made = []

    def make(twin_share=0.25, model="dae", seed=0, recipes=RECIPES):
        made.append(Batches(*stores, common(class_balance=0.0), seed, model, CPU, recipes, twin_share))
        return made[-1]

    yield make
    for one in made:
        one.close()


def test_a_share_of_the_places_has_the_twins_of_its_images_and_the_others_have_the_images(stores, batches):
    batch, rows = batches().training(5)
    places = np.flatnonzero(batch.of_share(0.25))
    assert places.tolist() == [3, 7, 11, 15]
    for place in places:
        image = stores[0].read(rows[[place]])[0]
        twin, _ = noise.twin(image, RECIPES, generator(0, "twin", "dae", 5, int(place)))
        np.testing.assert_array_equal(batch.noisy[place].numpy(), pixels.to_float(twin[None])[0])
    others = np.setdiff1d(np.arange(16), places)
    assert torch.equal(batch.noisy[others], batch.stored[others])


def test_an_image_has_another_twin_at_another_step_and_the_same_when_a_step_is_taken_again(batches):
    recipes = {"gaussian": RECIPES["gaussian"]}
    first, again = batches(recipes=recipes), batches(recipes=recipes)
    added = {}
    for step in range(8):
        batch, rows = first.training(step)
        for place in (3, 7, 11, 15):
            added.setdefault(int(rows[place]), []).append(batch.noisy[place] - batch.stored[place])
    seen_twice = [twins for twins in added.values() if len(twins) > 1]
    assert seen_twice
    assert not any(torch.equal(twins[0], twins[1]) for twins in seen_twice)
    for step in (6, 2):
        assert torch.equal(again.training(step)[0].noisy, first.training(step)[0].noisy)


@pytest.mark.parametrize("other", [{"seed": 1}, {"model": "other"}])
def test_another_seed_and_another_model_have_other_noise(stores, batches, other):
    rows = np.arange(16)
    made = [batches(recipes={"gaussian": RECIPES["gaussian"]}, **of) for of in ({}, other)]
    ours, theirs = (one._twins.of(0, rows) for one in made)
    assert (ours != theirs).any((1, 2, 3)).all()


def test_a_model_without_a_share_gets_no_twins_at_all(batches, monkeypatch):
    monkeypatch.setattr(noise, "twin", lambda *_: pytest.fail("a twin was made"))
    batch, _ = batches(twin_share=0.0).training(0)
    assert batch.noisy is batch.stored


def test_val_keeps_the_stored_twins(stores, batches):
    source = batches()
    rows = source.val_rows[:5]
    np.testing.assert_array_equal(source.of_rows(rows).noisy.numpy(), pixels.to_float(stores[1].read(rows)))
    kept = {image.tobytes() for image in pixels.to_float(stores[1].read(source.val_rows))}
    assert all(image.numpy().tobytes() in kept for batch in source.validation() for image in batch.noisy)
