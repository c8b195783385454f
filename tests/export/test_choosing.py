"""The recipe that an export chooses: from what, when not, and that it travels with the dataset."""

import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from morelike.core import compute
from morelike.export import choosing
from morelike.export.choosing import Judging
from morelike.images import pixels
from morelike.judge import recipe_file
from morelike.storage.shards import ShardStore
from morelike.storage.sources import open_source
from tests.export.test_export import contents, noise_images, rooms, run, write_real, write_synthetic
from tests.judging import JUDGE, RECIPE, chooses

__all__ = ["rooms"]  # a fixture
DOCS = Path(__file__).parents[2] / "docs"


@pytest.fixture
def made(rooms):
    """The folders before export, with new images of both classes."""
    write_synthetic(rooms / "synthetic/dae", noise_images(8, seed=1), ["Alpha", "Beta"] * 4)
    return rooms


def shown_to_the_judge(rooms):
    """Return the index and the pixels of the store that is chosen on."""
    seen = []

    def choose(store, settings, seed, state):
        assert not (rooms / "augmented").exists()
        assert not list(rooms.glob(".augmented*"))
        seen.append((store.index, store.read(range(len(store)))))
        return chooses().choose(store, settings, seed, state)

    run(rooms, judging=Judging(JUDGE, 0, choose))
    return seen[0]


@pytest.mark.parametrize("rows_at_once", [256, 3])
def test_the_judge_sees_train_and_val_as_they_are_exported_and_nothing_of_test(made, monkeypatch, rows_at_once):
    monkeypatch.setattr(choosing, "ROWS_AT_ONCE", rows_at_once)
    index, images = shown_to_the_judge(made)
    manifest = pd.read_parquet(made / "augmented/manifest.parquet").rename(columns={"given_group": "group"})
    seen = manifest[manifest["split"] != "test"]
    assert "test" in set(manifest["split"])
    pd.testing.assert_frame_equal(index, seen[choosing.INDEX])
    for path, image in zip(index["path"], images, strict=True):
        assert (pixels.decode((made / "augmented" / path).read_bytes()) == image).all()


def test_the_recipe_and_the_weights_travel_with_the_dataset(made):
    measured = run(made)
    assert measured["recipe_synthetic"] == 0.25
    file = recipe_file.read(made / "augmented")
    assert (file.recipe, file.candidate, file.not_chosen) == (RECIPE, RECIPE, "")
    assert (file.training.steps, file.training.learning_rate) == (100, 0.003)
    manifest = pd.read_parquet(made / "augmented/manifest.parquet")
    train = manifest[manifest["split"] == "train"]
    assert train.groupby("synthetic")["weight"].sum().tolist() == pytest.approx([15, 5])  # of 20
    assert (manifest.loc[manifest["split"] != "train", "weight"] == 1).all()
    table = pd.read_csv(made / "augmented/train/metadata.csv")
    assert sorted(table["weight"]) == sorted(train["weight"])


def test_trained_classifiers_choose_and_what_is_kept_of_them_gives_the_same_bytes_again(made, monkeypatch):
    monkeypatch.setattr(compute, "cores", lambda: 1)
    run(made, judging=Judging(JUDGE, 0), out="once")
    file = recipe_file.read(made / "once")
    assert (file.not_chosen, file.candidate.synthetic) == ("", 0.25)
    assert file.recipe.synthetic in (0.0, 0.25)
    assert sum(trial["chosen"] for trial in file.trials if trial["question"] == "share of synthetic images") == 1
    trained = {path: path.stat().st_mtime_ns for path in (made / "state/judge").rglob("weights")}
    assert len(trained) == 2  # without synthetic images, and with them
    run(made, judging=Judging(JUDGE, 0), out="again")
    assert contents(made / "once") == contents(made / "again")
    assert {path: path.stat().st_mtime_ns for path in (made / "state/judge").rglob("weights")} == trained


def test_datasets_reads_the_weight_as_a_number(made):
    import datasets

    run(made)
    loaded = datasets.load_dataset(str(made / "augmented"), split="train", cache_dir=str(made / "hf"))
    assert loaded.features["weight"].dtype == "float64"
    assert sum(loaded["weight"]) == pytest.approx(20)


@pytest.mark.parametrize(
    ("labels", "per_split", "reason"),
    [
        (("Alpha",), (6, 2, 3), "one class, and a classifier needs two"),
        (("Alpha", "Beta"), (6, 0, 3), "fewer than two classes have train and val images"),
        (
            ("Alpha", "Beta"),
            (6, 1, 3),
            "no class has val images of two groups, so nothing tells how certain a figure is",
        ),
    ],
)
def test_where_nothing_can_be_chosen_it_says_why_and_all_weigh_the_same(rooms, labels, per_split, reason):
    write_real(rooms / "resized", labels, per_split)
    write_synthetic(rooms / "synthetic/dae", noise_images(2, seed=1), ["Alpha"] * 2)
    measured = run(rooms, judging=Judging(JUDGE, 0))
    assert measured["recipe_synthetic"] is None
    file = recipe_file.read(rooms / "augmented")
    assert (file.not_chosen, file.recipe, file.trials) == (reason, None, ())
    assert (pd.read_parquet(rooms / "augmented/manifest.parquet")["weight"] == 1).all()
    assert f"No recipe could be chosen on `val`: {reason}." in (rooms / "augmented/README.md").read_text()


def test_a_choice_that_is_interrupted_leaves_no_part_of_a_dataset_and_no_copy_of_the_images(made, monkeypatch):
    monkeypatch.setattr(choosing.tempfile, "tempdir", str(made / "tmp"))
    (made / "tmp").mkdir()

    def interrupted(store, settings, seed, state):
        assert len(ShardStore(store.folder)) == 24
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(made, judging=Judging(JUDGE, 0, interrupted))
    assert {path.name for path in made.iterdir()} == {"validated", "resized", "synthetic", "tmp"}
    assert not list((made / "tmp").iterdir())


def test_a_weight_that_the_raw_images_had_is_no_weight_of_the_dataset(made):
    write_real(made / "resized", attributes=json.dumps({"weight": "71 kg", "patient": "p1"}))
    run(made)
    table = pd.read_csv(made / "augmented/val/metadata.csv")
    assert set(table["weight"]) == {1.0}
    assert "p1" in set(table["patient"])
    manifest = pd.read_parquet(made / "augmented/manifest.parquet")
    assert json.loads(manifest.loc[~manifest["synthetic"], "attributes"].iloc[0])["weight"] == "71 kg"


def test_an_export_that_is_exported_again_gets_weights_of_its_own(made):
    run(made)
    told = {e.name: e.attributes for e in open_source(made / "augmented").entries() if e.label and e.split == "val"}
    assert {json.loads(attributes)["weight"] for attributes in told.values()} == {"1.0"}
    old = json.dumps(json.loads(next(iter(told.values()))) | {"weight": "0.1234"})
    write_real(made / "resized", attributes=old)
    run(made)
    assert set(pd.read_csv(made / "augmented/val/metadata.csv")["weight"]) == {1.0}


def test_no_group_of_the_export_is_in_two_splits_and_the_card_says_what_none_risks(made):
    run(made)
    assert "The real images name no groups." in (made / "augmented/README.md").read_text()
    index = ShardStore(made / "resized").index
    index["given_group"] = index["split"] + (index.index // 2).astype(str)
    index.to_parquet(made / "resized/index.parquet")
    run(made)
    manifest = pd.read_parquet(made / "augmented/manifest.parquet")
    groups = manifest[manifest["given_group"] != ""].groupby("given_group")
    assert len(groups) > 4
    assert (groups["split"].nunique() == 1).all()
    card = (made / "augmented/README.md").read_text().replace("\n", " ")
    assert (
        "22 of 22 real images name a group, what they belong to (`given_group`). Groups in more than one split: none."
        in card
    )


def test_the_card_counts_the_groups_that_straddle_and_not_those_within_a_split(made):
    index = ShardStore(made / "resized").index
    index["given_group"] = ["p1", "", "", "", "", "", "p1", "", "p2", "", "", *[""] * 8, "p2", "", ""]
    index.to_parquet(made / "resized/index.parquet")
    run(made)
    card = (made / "augmented/README.md").read_text().replace("\n", " ")
    assert (
        "4 of 22 real images name a group, what they belong to (`given_group`). Groups in more than one split: 1."
        in card
    )


def snippet(text, word):
    """Return the Python of the block that has ``word`` in it."""
    (found,) = [block for block in re.findall(r"```python\n(.*?)```", text, re.DOTALL) if word in block]
    return found


@pytest.mark.parametrize("place", ["docs", "card"])
def test_the_code_that_is_shown_draws_by_the_weights(rooms, monkeypatch, place):
    write_real(rooms / "resized", per_split=(12, 2, 3))
    write_synthetic(rooms / "synthetic/dae", noise_images(8, seed=1), ["Alpha", "Beta"] * 4)
    run(rooms, out="data/augmented")
    text = (DOCS / "dataset.md" if place == "docs" else rooms / "data/augmented/README.md").read_text(encoding="utf-8")
    monkeypatch.chdir(rooms if place == "docs" else rooms / "data/augmented")
    names = {}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        exec(snippet(text, "WeightedRandomSampler"), names)
        drawn = [names["train"].samples[row][0] for _ in range(50) for row in names["batches"].sampler]
        images, labels = next(iter(names["batches"]))
    assert np.mean(["dae_" in path for path in drawn]) == pytest.approx(0.25, abs=0.03)
    assert images.shape[1:] == (3, 9, 7)
    assert set(labels.tolist()) <= {0, 1}


@pytest.mark.parametrize(
    ("recipe", "said"),
    [
        (RECIPE, "a synthetic image of dae with the probability 0.25"),
        (RECIPE.at(0.0), "equally often, and real images alone: synthetic ones did not do better on `val`"),
        (RECIPE.model_copy(update={"draw": "folder"}), "Draw all images alike"),
    ],
)
def test_the_card_says_the_recipe_in_words(made, recipe, said):
    run(made, judging=chooses(recipe))
    assert said in (made / "augmented/README.md").read_text()
