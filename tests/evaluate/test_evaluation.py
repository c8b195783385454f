"""End to end on tiny drawn images: true images help, wrong ones harm, copies of test images are refused."""

import hashlib
import json

import numpy as np
import pandas as pd
import pytest

from morelike.core import compute, files
from morelike.evaluate import evaluation, exported
from morelike.images import pixels
from morelike.judge import recipe_file
from morelike.judge.errors import LeakError
from morelike.judge.recipe_file import RecipeFile, Transforms
from morelike.judge.recipes import Recipe
from morelike.storage.errors import StoreError
from tests.judge.stores import CLASSES, draw
from tests.judging import JUDGE, TRAINING

SETTINGS = JUDGE.model_copy(
    update={"max_steps": 120, "evaluate_every_steps": 30, "patience": 2, "batch_size": 32, "seeds_beside": 2}
)
AUGMENT = JUDGE.augment.scaled(0.3).model_copy(update={"mix": "none", "flip": False, "operations": 0})
RECIPE = Recipe(augment=AUGMENT, synthetic=0.5)


def write_dataset(folder, images: list[tuple[str, str, str, bool]], candidate: Recipe | None = RECIPE) -> None:
    """Write an exported dataset; ``images`` are (split, label in the manifest, label drawn, synthetic)."""
    random, rows = np.random.default_rng(0), []
    for number, (split, label, drawn, synthetic) in enumerate(images):
        path = f"{split}/{label}/{number:05d}.png"
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        data = pixels.encode_png(draw(drawn, random))
        (folder / path).write_bytes(data)
        distance, sha256 = 0.1 if synthetic else np.nan, hashlib.sha256(data).hexdigest()
        row = {"path": path, "split": split, "label": label, "synthetic": synthetic, "sha256": sha256}
        row |= {"generator": "made" if synthetic else "", "given_group": f"g{number}", "source_file": ""}
        rows.append(row | {"nearest_distance": distance})
    pd.DataFrame(rows).to_parquet(folder / "manifest.parquet")
    write_recipe(folder, candidate)


def write_recipe(folder, candidate: Recipe | None) -> None:
    training = TRAINING.model_copy(update={"learning_rate": 0.01})
    transforms = Transforms(image=(), batch=())
    chosen = RecipeFile(recipe=RECIPE, candidate=candidate, training=training, torchvision=transforms)
    recipe_file.write(chosen, folder)


def real_images(rare_count: int = 4) -> list[tuple[str, str, str, bool]]:
    counts = {"train": {"dash": 40, "pole": 40, "ring": rare_count}} | {
        split: dict.fromkeys(CLASSES, count) for split, count in (("val", 20), ("test", 60))
    }
    return [(split, k, k, False) for split, of in counts.items() for k, n in of.items() for _ in range(n)]


@pytest.fixture
def one_process(monkeypatch):
    monkeypatch.setattr(compute, "cores", lambda: 1)


def evaluate(folder, images, candidate: Recipe | None = RECIPE, margin: float = 0.01) -> tuple[dict, dict]:
    settings = SETTINGS.model_copy(update={"margin": margin})
    write_dataset(folder / "augmented", images, candidate)
    places = evaluation.Places(folder / "state", folder / "openings.json")
    metrics = evaluation.evaluate(folder / "augmented", folder / "evaluation", settings, 0, places)
    json.dumps(metrics, allow_nan=False)
    return metrics, files.read_json(folder / "evaluation" / "summary.json")


@pytest.mark.usefixtures("one_process")
def test_more_true_images_of_a_rare_class_do_not_harm(tmp_path):
    unlearnt = [("test", "pale", "ring", False)] * 10
    images = real_images() + [("train", "ring", "ring", True)] * 60 + unlearnt
    metrics, summary = evaluate(tmp_path, images)
    assert summary["classes_not_in_train"] == ["pale"]
    assert metrics["verdict"] != "harms"
    assert metrics["difference_balanced_accuracy/mean"] > 0
    assert summary["rare_classes"] == ["ring"]
    assert (metrics["openings"], summary["groups"]) == (1, 180)
    predictions = pd.read_parquet(tmp_path / "evaluation" / "predictions.parquet")
    assert set(predictions["path"].str.split("/").str[0]) == {"test"}
    assert predictions.groupby(["arm", "seed"]).size().tolist() == [190] * (5 + 5 + 5 * 2)
    said = np.stack(predictions["log_probabilities"])
    assert np.array_equal(np.array(summary["classes"])[said.argmax(1)], predictions["predicted"])
    arms = pd.read_csv(tmp_path / "evaluation" / "arms.csv").groupby("arm")["balanced_accuracy"].mean()
    assert arms["synthetic"] == pytest.approx(metrics["balanced_accuracy/synthetic"])
    again, _ = evaluate(tmp_path, images)
    assert again == metrics  # the same question is no new opening
    other, _ = evaluate(tmp_path, images, margin=0.02)
    assert other["openings"] == 2


@pytest.mark.usefixtures("one_process")
def test_images_under_wrong_labels_harm(tmp_path):
    wrong = dict(zip(CLASSES, (*CLASSES[1:], CLASSES[0]), strict=True))
    made = [("train", k, wrong[k], True) for k in CLASSES for _ in range(80)]
    metrics, summary = evaluate(tmp_path, real_images(40) + made, RECIPE.at(0.9))
    assert metrics["verdict"] == "harms"
    assert metrics["balanced_accuracy/synthetic"] < summary["chance"] < metrics["balanced_accuracy/real"]


def test_copies_of_test_images_are_refused_before_anything_is_trained_or_opened(tmp_path):
    write_dataset(tmp_path / "augmented", real_images())
    manifest = pd.read_parquet(tmp_path / "augmented" / "manifest.parquet")
    copies = manifest[manifest["split"] == "test"].head(3).copy()
    for number, path in enumerate(copies["path"]):
        data = (tmp_path / "augmented" / path).read_bytes()
        copies.iloc[number, copies.columns.get_loc("path")] = f"train/dash/copy{number}.png"
        (tmp_path / "augmented" / f"train/dash/copy{number}.png").write_bytes(data)
    copies = copies.assign(split="train", synthetic=True, generator="made")
    pd.concat([manifest, copies], ignore_index=True).to_parquet(tmp_path / "augmented" / "manifest.parquet")
    places = evaluation.Places(tmp_path / "state", tmp_path / "openings.json")
    with pytest.raises(LeakError, match="copy0"):
        evaluation.evaluate(tmp_path / "augmented", tmp_path / "evaluation", SETTINGS, 0, places)
    assert not places.state.exists()
    assert not places.ledger.exists()


@pytest.mark.usefixtures("one_process")
@pytest.mark.parametrize(
    ("images", "candidate", "reason"),
    [
        ([("train", "dash", "dash", False)] * 4 + [("train", "dash", "dash", True)] * 4, RECIPE, "one class"),
        ([row for row in real_images() if row[0] != "test"], RECIPE, "test images"),
        ([row for row in real_images() if row[:2] not in [("test", "dash"), ("test", "pole")]], RECIPE, "test images"),
        (real_images(), None, "no synthetic"),
    ],
)
def test_what_cannot_be_measured_is_said_and_is_no_failure(tmp_path, images, candidate, reason):
    metrics, summary = evaluate(tmp_path, images, candidate)
    assert metrics["verdict"].startswith("not measured:")
    assert reason in metrics["verdict"]
    assert summary["arms"] == {}
    assert not (tmp_path / "openings.json").exists()


def unpack(folder):
    return exported.unpack(folder / "augmented", exported.manifest(folder / "augmented"), folder / "store")


def test_unpacked_images_are_the_exported_ones(tmp_path):
    write_dataset(tmp_path / "augmented", real_images())
    store = unpack(tmp_path)
    for row in (0, 100, len(store) - 1):
        data = (tmp_path / "augmented" / store.index["path"][row]).read_bytes()
        assert np.array_equal(store.read([row])[0], pixels.decode(data))
    assert store.index["group"].tolist() == [f"g{number}" for number in range(len(store))]


@pytest.mark.parametrize("said", ["is damaged: expected the sha256", "found nothing; run"])
def test_an_image_that_is_not_as_it_was_exported_is_named(tmp_path, said):
    write_dataset(tmp_path / "augmented", real_images())
    path = tmp_path / "augmented" / "train" / "dash" / "00003.png"
    path.unlink()
    if "damaged" in said:
        path.write_bytes(pixels.encode_png(np.zeros((12, 13, 1), np.uint8)))
    with pytest.raises(StoreError, match=rf"00003\.png.*{said}"):
        unpack(tmp_path)
