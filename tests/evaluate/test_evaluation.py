"""End to end on tiny drawn images: extra true images help, wrong ones harm, one class is not measured."""

import hashlib
import json

import numpy as np
import pandas as pd
import pytest
import torch
from morelike.evaluate.classifier import Classifier
from morelike.evaluate.settings import Evaluate

from morelike.core import compute, files
from morelike.evaluate import evaluation, exported
from morelike.images import pixels
from morelike.images.settings import Augment
from morelike.storage.errors import StoreError

SETTINGS = Evaluate(seeds=3, steps=60, batch_size=32, learning_rate=0.01, width=8, confidence=0.95, bootstrap=500)
AUGMENT = Augment(flip=False, rotate_deg=5, translate=0.05, scale=0.05, brightness=0.02, contrast=0.05)
CLASSES = ("dash", "pole", "ring")


def draw(label: str, random: np.random.Generator) -> np.ndarray:
    """A 12×13 grey image of a shape somewhere, in noise."""
    image = random.normal(90, 45, (12, 13))
    row, column = random.integers(2, 6), random.integers(2, 7)
    if label == "dash":
        image[row + 2, column : column + 6] += 90
    elif label == "pole":
        image[row : row + 6, column + 2] += 90
    else:
        image[row : row + 5, [column, column + 4]] += 45
        image[[row, row + 4], column : column + 5] += 45
    return image.clip(0, 255).astype(np.uint8)[:, :, None]


def write_dataset(folder, images: list[tuple[str, str, str, bool]]) -> None:
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


def real_images(rare_count: int = 4) -> list[tuple[str, str, str, bool]]:
    counts = {"train": {"dash": 40, "pole": 40, "ring": rare_count}, "val": {}, "test": dict.fromkeys(CLASSES, 60)}
    return [(split, k, k, False) for split, of in counts.items() for k, n in of.items() for _ in range(n)]


@pytest.fixture
def one_process(monkeypatch):
    monkeypatch.setattr(compute, "cores", lambda: 1)


def evaluate(folder, images) -> tuple[dict, dict]:
    write_dataset(folder / "augmented", images)
    metrics = evaluation.evaluate(folder / "augmented", folder / "evaluation", SETTINGS, AUGMENT, seed=0)
    json.dumps(metrics, allow_nan=False)
    return metrics, files.read_json(folder / "evaluation" / "summary.json")


@pytest.mark.usefixtures("one_process")
def test_more_true_images_of_a_rare_class_do_not_harm(tmp_path):
    unlearnt = [("test", "pale", "ring", False)] * 10
    metrics, summary = evaluate(tmp_path, real_images() + [("train", "ring", "ring", True)] * 60 + unlearnt)
    assert summary["classes_not_in_train"] == ["pale"]
    assert metrics["verdict"] != "harms"
    assert metrics["difference/mean"] > 0
    assert summary["rare_classes"] == ["ring"]
    predictions = pd.read_parquet(tmp_path / "evaluation" / "predictions.parquet")
    assert set(predictions["path"].str.split("/").str[0]) == {"test"}
    assert predictions.groupby(["arm", "seed"]).size().tolist() == [190] * 15
    arms = pd.read_csv(tmp_path / "evaluation" / "arms.csv").groupby("arm")["balanced_accuracy"].mean()
    assert arms["synthetic"] == pytest.approx(metrics["balanced_accuracy/synthetic"])


@pytest.mark.usefixtures("one_process")
def test_images_under_wrong_labels_do_not_help(tmp_path):
    wrong = dict(zip(CLASSES, (*CLASSES[1:], CLASSES[0]), strict=True))
    metrics, summary = evaluate(
        tmp_path, real_images(40) + [("train", k, wrong[k], True) for k in CLASSES for _ in range(80)]
    )
    assert metrics["verdict"] == "harms"
    assert metrics["balanced_accuracy/synthetic"] < summary["chance"] < metrics["balanced_accuracy/real"]


@pytest.mark.usefixtures("one_process")
@pytest.mark.parametrize(
    ("images", "reason"),
    [
        ([("train", "dash", "dash", False)] * 4 + [("train", "dash", "dash", True)] * 4, "one class"),
        ([row for row in real_images() if row[0] == "train"], "no test|test images"),
        ([row for row in real_images() if row[:2] not in [("test", "dash"), ("test", "pole")]], "test images"),
        (
            [("train", "dash", "dash", False), ("train", "pole", "pole", False), ("test", "dash", "dash", False)]
            + [("test", "ring", "ring", False)] * 3,
            "train and test images",
        ),
        (real_images(), "no synthetic"),
    ],
)
def test_what_cannot_be_measured_is_said_and_is_no_failure(tmp_path, images, reason):
    metrics, summary = evaluate(tmp_path, images)
    assert metrics["verdict"].startswith("not measured:")
    assert any(part in metrics["verdict"] for part in reason.split("|"))
    assert summary["arms"] == {}


def test_predictions_depend_neither_on_the_number_of_processes_nor_on_the_run(tmp_path, monkeypatch):
    write_dataset(tmp_path / "augmented", real_images() + [("train", "ring", "ring", True)] * 9)
    settings = SETTINGS.model_copy(update={"steps": 3})
    judged = []
    for cores in (1, 2):
        monkeypatch.setattr(compute, "cores", lambda cores=cores: cores)
        store = exported.unpack(tmp_path / "augmented", tmp_path / f"store{cores}")
        judged.append(evaluation.judge(store, settings, AUGMENT, seed=1).predicted)
    assert np.array_equal(*judged)
    assert len(np.unique(judged[0].reshape(15, -1), axis=0)) > 3  # arms and seeds do differ


def test_unpacked_images_are_the_exported_ones(tmp_path):
    write_dataset(tmp_path / "augmented", real_images())
    store = exported.unpack(tmp_path / "augmented", tmp_path / "store")
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
        exported.unpack(tmp_path / "augmented", tmp_path / "store")


@pytest.mark.parametrize(("channels", "height", "width"), [(1, 5, 7), (3, 65, 31), (3, 200, 190)])
def test_the_classifier_takes_any_size(channels, height, width):
    model = Classifier(channels, max(height, width), 8, classes=4)
    assert model(torch.rand(2, channels, height, width)).shape == (2, 4)
