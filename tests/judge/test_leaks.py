"""Copies of held-out images are refused, however they are changed; what was made from train is not."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import scipy.ndimage
import scipy.stats

from morelike.judge import leaks
from morelike.judge.errors import LeakError
from morelike.storage.shards import ShardStore, ShardWriter

LIMIT = 0.02
CLASSES = ("cliff", "dune")
COUNTS = {"train": 80, "val": 30, "test": 100, "spare": 100}  # of each class


def landscapes(count: int, label: str, random: np.random.Generator) -> np.ndarray:
    """Smooth random pictures with a trend by class; uint8 count×12×12×1."""
    smooth = scipy.ndimage.gaussian_filter(random.normal(size=(count, 12, 12)), (0, 1.5, 1.5)) * 250
    trend = np.linspace(-30, 30, 12)[:, None] * (1 if label == "cliff" else -1)
    return (smooth + trend + 120).clip(0, 255).astype(np.uint8)[..., None]


@pytest.fixture(scope="module")
def real() -> dict[tuple[str, str], np.ndarray]:
    random = np.random.default_rng(0)
    return {(split, label): landscapes(count, label, random) for split, count in COUNTS.items() for label in CLASSES}


@pytest.fixture
def judged(tmp_path, real):
    """Build a judged store with given synthetic images: a class -> uint8 N×12×12×1."""

    def build(made: dict[str, np.ndarray], groups: Callable[[str, int], str] = lambda split, number: "") -> ShardStore:
        parts = [(split, label, False, images) for (split, label), images in real.items() if split != "spare"]
        parts += [("train", label, True, images) for label, images in made.items()]
        return write(tmp_path / "store", parts, groups)

    return build


def write(folder: Path, parts: list[tuple[str, str, bool, np.ndarray]], groups) -> ShardStore:
    writer, rows = ShardWriter(folder, 12, 12, 1), []
    for split, label, synthetic, images in parts:
        writer.append(images)
        kind = "new" if synthetic else "real"
        for number in range(len(images)):
            path, group = f"{split}/{label}/{kind}_{number}.png", "" if synthetic else groups(split, number)
            rows.append({"path": path, "split": split, "label": label, "synthetic": synthetic, "group": group})
    writer.close(pd.DataFrame(rows))
    return ShardStore(folder)


def noised(images: np.ndarray, std: float, seed: int = 5) -> np.ndarray:
    return (images + np.random.default_rng(seed).normal(0, 255 * std, images.shape)).clip(0, 255).astype(np.uint8)


def blurred(images: np.ndarray) -> np.ndarray:
    return scipy.ndimage.gaussian_filter(images.astype(float), (0, 1, 1, 0)).astype(np.uint8)


def of(real, split: str, change=lambda images: images, count: int | None = None) -> dict[str, np.ndarray]:
    return {label: change(real[split, label][:count]) for label in CLASSES}


def test_an_exact_copy_is_named_with_the_image_it_shows(judged, real):
    made = of(real, "spare") | {"dune": np.concatenate([real["spare", "dune"], real["test", "dune"][7:8]])}
    with pytest.raises(LeakError, match=r"1 images .*train/dune/new_100\.png shows test/dune/real_7\.png; leave them"):
        leaks.refuse(judged(made), LIMIT)


def test_a_copy_under_another_label_and_one_of_val_are_leaks_too(judged, real):
    store = judged({"cliff": real["test", "dune"][:4], "dune": real["val", "dune"][:1]})
    with pytest.raises(LeakError, match=r"5 images .*shows test/dune/real_0\.png, .*, \.\.\.; leave") as caught:
        leaks.refuse(store, LIMIT)
    assert "\n" not in str(caught.value)


def test_a_real_train_image_that_is_also_in_test_is_a_leak(judged, real, monkeypatch):
    monkeypatch.setitem(real, ("train", "cliff"), np.concatenate([real["train", "cliff"], real["test", "cliff"][:1]]))
    with pytest.raises(LeakError, match=r"train/cliff/real_80\.png shows test/cliff/real_0\.png"):
        leaks.refuse(judged(of(real, "spare")), LIMIT)


def test_one_faintly_noised_copy_among_honest_images_is_named(judged, real):
    made = of(real, "spare") | {
        "cliff": np.concatenate([real["spare", "cliff"], noised(real["val", "cliff"][3:4], 0.01)])
    }
    store = judged(made)
    assert leaks.exact_copies(store) == []
    with pytest.raises(LeakError, match=r"nearer than 0\.02 .*new_100\.png shows val/cliff/real_3\.png"):
        leaks.refuse(store, LIMIT)


@pytest.mark.parametrize(
    "change", [blurred, lambda images: noised(images, 0.1), lambda images: 255 - (255 - images) // 10 * 9]
)
def test_a_set_of_changed_copies_of_test_images_is_refused(judged, real, change):
    store = judged(of(real, "test", change))
    assert leaks.near_copies(store, LIMIT) == []
    with pytest.raises(LeakError, match=r"are held out \(by chance p = \de-"):
        leaks.refuse(store, LIMIT)


HONEST = {
    "held-back real images": lambda real: of(real, "spare"),
    "a few of them": lambda real: of(real, "spare", count=5),
    "copies of train": lambda real: of(real, "train"),
    "blurred train": lambda real: of(real, "train", blurred),
    "noised train": lambda real: of(real, "train", lambda images: noised(images, 0.05)),
    "constant": lambda real: of(real, "train", lambda images: np.full_like(images, 119)),
    "noise": lambda real: of(real, "train", lambda images: noised(np.full_like(images, 128), 0.3)),
}


@pytest.mark.parametrize("name", HONEST)
def test_what_knows_nothing_of_the_held_out_images_is_let_through(judged, real, name):
    leaks.refuse(judged(HONEST[name](real)), LIMIT)


def test_flat_icons_that_are_all_alike_are_no_copies_of_each_other(tmp_path):
    random = np.random.default_rng(1)

    def icons(count: int) -> np.ndarray:  # hardly any noise: all lie within the limit of each other
        return noised(np.full((count, 12, 12, 1), 200, np.uint8), 0.008, int(random.integers(1000)))

    parts = [(s, "icon", new, icons(60)) for s, new in (("train", False), ("test", False), ("train", True))]
    leaks.refuse(write(tmp_path / "icons", parts, lambda split, number: ""), LIMIT)


def test_small_probabilities_are_as_rare_as_they_say_where_nothing_leaks(tmp_path):
    random, small = np.random.default_rng(2), 0
    for world in range(60):
        counts = [("train", False, 40), ("test", False, 40), ("train", True, 60)]
        parts = [
            (split, label, new, random.integers(0, 255, (count, 12, 12, 1), np.uint8))
            for split, new, count in counts
            for label in CLASSES
        ]
        small += leaks.excess(write(tmp_path / str(world), parts, lambda split, number: ""))[2] < 0.05
    assert small <= scipy.stats.binom.ppf(0.999, 60, 0.05)


def test_images_of_one_group_count_as_one(judged, real):
    """30 images of a test patient who resembles a generator's say no more than one image does."""
    made = of(real, "test", blurred, count=30)
    everyone_alone = leaks.excess(judged(made))
    one_patient = leaks.excess(judged(made, lambda split, number: f"{split}{number // 50}"))
    assert everyone_alone[2] < leaks.LEVEL < one_patient[2]
    assert one_patient[1] <= 4
