"""What val chooses: stronger augmentation or synthetic images only where val is the better for it."""

import numpy as np
import pytest
from scipy.special import log_softmax

from morelike.judge import field, selection
from morelike.judge.field import Answer
from tests.judge import stores
from tests.judging import JUDGE

SETTINGS = JUDGE.model_copy(
    update={
        "learning_rates": [0.001, 0.01],
        "strengths": [0.5, 1.0, 1.5],
        "extras": ["flip", "mixup", "cutmix"],
        "shares": [0.1, 0.25, 0.5],
        "selection_seeds": 2,
    }
)


@pytest.fixture
def store(tmp_path):
    rows = stores.images("train", 4) + stores.images("val", 30) + stores.images("train", 4, "vae")
    return stores.write(tmp_path / "store", rows + stores.images("train", 4, "dae"))


def chosen(store, tmp_path, monkeypatch, worse) -> selection.Choice:
    """Choose among classifiers that are the less right the larger ``worse(recipe, rate)``."""

    def answers(self, asked, what):
        of_images = np.random.default_rng(1).normal(0, 2, len(self.targets))
        result = []
        for recipe, rate, _ in asked:
            logits = np.zeros((len(self.targets), len(self.classes)))
            right = 4 - 2 * worse(recipe, rate) + of_images
            logits[np.arange(len(self.targets)), self.targets] = right
            result.append(Answer(log_softmax(logits, 1).astype(np.float32), 100, True))
        return result

    monkeypatch.setattr(field.Field, "answers", answers)
    return selection.choose(store, SETTINGS, 0, tmp_path / "state")


def test_where_nothing_matters_the_weakest_augmentation_and_no_synthetic_image_is_taken(store, tmp_path, monkeypatch):
    choice = chosen(store, tmp_path, monkeypatch, lambda recipe, rate: 0.1 * (recipe.synthetic > 0))
    assert choice.recipe.augment == selection.base_of(SETTINGS).scaled(0.5)
    assert choice.recipe == choice.baseline
    assert choice.candidate.synthetic > 0
    shares = [trial["tried"] for trial in choice.trials if trial["question"] == "share of synthetic images"]
    assert len(shares) == 6
    assert shares[0] == "real images alone"
    assert {"25% synthetic (dae)", "25% synthetic (vae)"} < set(shares)


def test_what_val_likes_best_is_taken(store, tmp_path, monkeypatch):
    def worse(recipe, rate):
        wrong = (rate != 0.01) + abs(recipe.synthetic - 0.25) + (recipe.generators != ("dae",))
        wrong += abs(recipe.augment.rotate_deg / SETTINGS.augment.rotate_deg - 1.5) + recipe.augment.flip
        return wrong + {"none": 0.5, "mixup": 0.2, "cutmix": 0.0}[recipe.augment.mix]

    choice = chosen(store, tmp_path, monkeypatch, worse)
    assert choice.learning_rate == 0.01
    assert choice.recipe.augment.rotate_deg == pytest.approx(1.5 * SETTINGS.augment.rotate_deg)
    assert (choice.recipe.augment.flip, choice.recipe.augment.mix) == (False, "cutmix")
    assert (choice.recipe.synthetic, choice.recipe.generators) == (0.25, ("dae",))
    assert choice.candidate == choice.recipe
    assert sum(trial["chosen"] for trial in choice.trials) == len({trial["question"] for trial in choice.trials})


def test_test_images_are_not_looked_at(store, tmp_path, monkeypatch):
    one, other = (
        stores.write(tmp_path / f"store{seed}", stores.images("train", 6) + stores.images("val", 4)
                     + stores.images("train", 4, "dae") + stores.images("test", seed))
        for seed in (1, 5)
    )  # fmt: skip
    settings = JUDGE.model_copy(update={"extras": ["erase"]})
    assert selection.choose(one, settings, 0, tmp_path / "s1") == selection.choose(other, settings, 0, tmp_path / "s2")


@pytest.mark.parametrize(
    ("rows", "reason"),
    [
        ([row for row in stores.images("train", 4) + stores.images("val", 4) if row[1] == "dash"], "one class"),
        (stores.images("train", 4) + stores.images("test", 4), "train and val images"),
        (stores.images("train", 4) + stores.images("val", 4, group="papyrus"), "two groups"),
    ],
)
def test_what_cannot_be_chosen_is_said(rows, reason, tmp_path):
    choice = selection.choose(stores.write(tmp_path / "store", rows), JUDGE, 0, tmp_path / "state")
    assert reason in choice.reason
    assert choice.candidate is None
