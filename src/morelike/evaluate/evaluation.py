"""Does it help? Unpack the exported dataset, train the ladder of classifiers, compare, and say so."""

import tempfile
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from morelike.core import compute, files, randomness
from morelike.core.progress import say, track
from morelike.evaluate import exported, verdict
from morelike.evaluate.ladder import ARMS, ClassifierTraining
from morelike.evaluate.settings import Evaluate
from morelike.images.settings import Augment
from morelike.storage import shards, tables

LIKENESS = ("colour_difference", "two_sample_auc", "label_consistency", "memorisation_z", "perturbation_share")
MOST_PROCESSES = 4  # each loads torch, which takes about 1 GB


def evaluate(augmented: Path, out: Path, settings: Evaluate, augment: Augment, seed: int) -> dict:
    """Measure whether the synthetic images of ``augmented`` help a classifier, and write ``out`` whole.

    ``out`` gets ``summary.json`` and, where classifiers could be trained, ``predictions.parquet`` (arm, seed,
    path, label, predicted), ``recalls.parquet`` (arm, seed, label, images, recall) and ``arms.csv`` (arm, seed,
    balanced_accuracy), for ``dvc plots``. Memory does not grow with the number of images: they are unpacked into
    a temporary folder and read in batches.

    Returns:
        The flat figures for ``dvc metrics show``; ``verdict`` is ``helps``, ``does not help``, ``harms`` or
        ``not measured: ...`` with the reason.

    Raises:
        StoreError, ImageError: the exported dataset is missing or damaged.
        JudgeError: a classifier's loss is not finite.
    """
    with tempfile.TemporaryDirectory() as folder, files.written_aside(out) as aside:
        store = exported.unpack(augmented, Path(folder) / "store")
        summary = _figures(store, settings)
        reason = not_measured(store.index)
        if reason:
            summary |= {"verdict": f"not measured: {reason}", "sentence": f"Not measured: {reason}.", "arms": {}}
        else:
            judged = judge(store, settings, augment, seed)
            summary |= verdict.summarise(judged, settings, seed)
            _write_tables(aside, judged, store)
        summary["fidelity"] = _likeness(store, augment, seed)
        files.write_json(aside / "summary.json", summary)
    say(f"evaluate: {summary['sentence']}")
    return flat(summary)


def not_measured(index: pd.DataFrame) -> str | None:
    """Return why no classifier can judge this dataset; None if one can."""
    train, real = index["split"] == "train", ~index["synthetic"].astype(bool)
    learnt = set(index.loc[train & real, "label"])
    if len(learnt) < 2:
        return "one class, and a classifier needs two"
    if len(learnt & set(index.loc[index["split"] == "test", "label"])) < 2:
        return "fewer than two classes have train and test images"
    if not (train & ~real).any():
        return "there are no synthetic images"
    return None


def judge(store: shards.ShardStore, settings: Evaluate, augment: Augment, seed: int) -> verdict.Judged:
    """Train a classifier per arm and seed, each in its own process, and collect the predictions for the test split."""
    index = store.index
    classes = sorted(index["label"].unique())
    tasks = [
        ClassifierTraining(
            store=store.folder,
            classes=tuple(classes),
            arm=arm,
            seed=randomness.derived_seed(seed, "evaluate", number),
            settings=settings,
            augment=augment,
        )
        for number in range(settings.seeds)
        for arm in ARMS
    ]
    workers = min(compute.cores(), MOST_PROCESSES)
    predicted = track(compute.map_ordered(_train_and_predict, tasks, workers), len(tasks), "evaluate: classifiers")
    test, train = index.loc[store.rows("test")], index.loc[store.rows("train")]
    real = train.loc[~train["synthetic"].astype(bool), "label"]
    return verdict.Judged(
        arms=list(ARMS),
        classes=classes,
        predicted=np.stack(list(predicted)).reshape(settings.seeds, len(ARMS), -1).swapaxes(0, 1),
        targets=np.array([classes.index(label) for label in test["label"]]),
        real_counts=real.value_counts().reindex(classes, fill_value=0).to_numpy(),
        synthetic_count=int(train["synthetic"].sum()),
    )


def flat(summary: dict) -> dict:
    """Return the figures of a summary for ``dvc metrics show`` and ``dvc exp show``."""
    metrics = {key: summary[key] for key in ("verdict", "seeds", "test_images", "synthetic_images")}
    for arm, figures in summary["arms"].items():
        metrics[f"balanced_accuracy/{arm}"] = figures["balanced_accuracy"]["mean"]
    if summary["arms"]:
        first = summary["differences"][0]
        metrics |= {f"difference/{key}": value for key, value in first["balanced_accuracy"].items()}
        if first["rare"]:
            metrics |= {f"difference_rare/{key}": value for key, value in first["rare"].items()}
        metrics["chance"] = summary["chance"]
    for key in LIKENESS:
        if summary["fidelity"][key] is not None:
            metrics[key] = summary["fidelity"][key]
    return metrics


def _train_and_predict(task: ClassifierTraining) -> np.ndarray:
    from morelike.evaluate.classifier import train_and_predict  # here, so that this process holds no torch

    return train_and_predict(task)


def _likeness(store: shards.ShardStore, augment: Augment, seed: int) -> dict:
    from morelike.evaluate import classical, fidelity  # here, so that this process holds no torch while others train

    draws = randomness.generator(seed, "evaluate", "fidelity", "classical")
    augmented = partial(classical.augment, settings=augment, random=draws)
    return fidelity.measure(store, {}, augmented, randomness.generator(seed, "evaluate", "fidelity"))


def _figures(store: shards.ShardStore, settings: Evaluate) -> dict:
    train = store.index.loc[store.rows("train")]
    return {
        "seeds": settings.seeds,
        "steps": settings.steps,
        "confidence": settings.confidence,
        "test_images": len(store.rows("test")),
        "real_images": int((~train["synthetic"].astype(bool)).sum()),
        "synthetic_images": int(train["synthetic"].sum()),
        "classes": sorted(store.index["label"].unique()),
    }


def _write_tables(out: Path, judged: verdict.Judged, store: shards.ShardStore) -> None:
    test = store.index.loc[store.rows("test"), ["path", "label"]]
    parts = [
        test.assign(arm=arm, seed=seed, predicted=[judged.classes[k] for k in judged.predicted[number, seed]])
        for number, arm in enumerate(judged.arms)
        for seed in range(judged.predicted.shape[1])
    ]
    predictions = pd.concat(parts, ignore_index=True)[["arm", "seed", "path", "label", "predicted"]]
    predictions.to_parquet(out / "predictions.parquet")
    correct = predictions.assign(recall=predictions["label"] == predictions["predicted"])
    by_class = correct.groupby(["arm", "seed", "label"], sort=False)["recall"].agg(["size", "mean"]).reset_index()
    by_class = by_class.rename(columns={"size": "images", "mean": "recall"})
    by_class.to_parquet(out / "recalls.parquet")
    learnt = by_class["label"].isin(judged.classes[k] for k in np.flatnonzero(judged.real_counts))
    by_arm = by_class[learnt].groupby(["arm", "seed"], sort=False)["recall"].mean().rename("balanced_accuracy")
    tables.write_csv(out / "arms.csv", by_arm.reset_index())
