"""Does it help? Unpack the exported dataset, train classifiers with and without the new images, and say so."""

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from morelike.core import files, randomness
from morelike.core.progress import say
from morelike.evaluate import arms, exported, fidelity, ledger, predictions, verdict
from morelike.evaluate.features import Features
from morelike.judge import recipe_file
from morelike.judge.field import Task
from morelike.judge.recipe_file import RecipeFile
from morelike.judge.selection import Choice, not_measured
from morelike.judge.settings import Judge
from morelike.storage.shards import ShardStore


@dataclass(frozen=True)
class Places:
    """Where the evaluation keeps what outlives it.

    Attributes:
        state: trained classifiers, found again by the next run; safe to delete.
        ledger: how often each test split was opened.
    """

    state: Path
    ledger: Path


def evaluate(augmented: Path, out: Path, settings: Judge, seed: int, places: Places) -> dict:
    """Measure whether the synthetic images of ``augmented`` help a classifier, and write ``out`` whole.

    ``out`` gets ``summary.json`` and, where classifiers could be trained, the tables of
    :func:`morelike.evaluate.predictions.write`. No pixels are held in memory: images are unpacked into a temporary
    folder and read in batches.

    Returns:
        The flat figures for ``dvc metrics show``; ``verdict`` is one of the four of
        :func:`morelike.judge.statistics.verdict`, or ``not measured: ...`` with the reason.

    Raises:
        StoreError, ImageError, DamagedFile: the exported dataset or the ledger is missing or damaged.
        LeakError: train images show images of val or test.
        JudgeError: a classifier's loss is not finite.
    """
    with tempfile.TemporaryDirectory() as folder, files.written_aside(out) as aside:
        manifest, chosen, spaces = exported.manifest(augmented), recipe_file.read(augmented), {}
        store = exported.unpack(augmented, manifest, Path(folder) / "store")
        summary = {"test_images": len(store.rows("test"))}
        reason = why_not(store, chosen)
        if reason:
            summary |= {"verdict": f"not measured: {reason}", "sentence": f"Not measured: {reason}.", "arms": {}}
        else:
            question = _question(manifest, chosen, settings, seed)
            opening = ledger.open_test(places.ledger, _test_digest(manifest), question)
            choice = Choice(chosen.recipe, chosen.candidate, chosen.training.learning_rate)
            judged = arms.judge(store, choice, settings, seed, places.state)
            summary |= summarised(judged, settings, opening) | {"trials": list(chosen.trials)}
            predictions.write(aside, judged, store)
            spaces = {"judge": _features(judged.example, store)}
        summary |= _counts(store)
        random = randomness.generator(seed, "evaluate", "fidelity")
        summary["fidelity"] = fidelity.measure(store, spaces, _augmentation(settings, chosen, seed), random)
        files.write_json(aside / "summary.json", summary)
    say(f"evaluate: {summary['sentence']}")
    return flat(summary)


def why_not(store: ShardStore, chosen: RecipeFile) -> str:
    """Return why there can be no verdict; "" if there can."""
    if chosen.not_chosen:
        return chosen.not_chosen
    if chosen.candidate is None:
        return "there are no synthetic images"
    return not_measured(store.index, "test")


def summarised(judged: arms.Judged, settings: Judge, opening: ledger.Opening) -> dict:
    """Return the summary of :func:`morelike.evaluate.verdict.summarise`, and how the classifiers were trained."""
    confidence = opening.confidence(settings.confidence)
    summary = verdict.summarise(judged.tested, settings.margin, confidence, opening.number)
    return summary | {
        "recipes": {arm: recipe.model_dump(mode="json") for arm, recipe in judged.recipes.items()},
        "steps": judged.steps,
        "unended": judged.unended,
    }


def flat(summary: dict) -> dict:
    """Return the figures of a summary for ``dvc metrics show`` and ``dvc exp show``."""
    metrics = {key: summary[key] for key in ("verdict", "test_images", "synthetic_images")}
    for arm, figures in summary["arms"].items():
        metrics[f"balanced_accuracy/{arm}"] = figures["balanced_accuracy"]["mean"]
    if summary["arms"]:
        first = summary["differences"][0]
        for key in ("balanced_accuracy", "rare", "common", "nll"):
            if first[key]:
                metrics |= {f"difference_{key}/{end}": first[key][end] for end in ("mean", "low", "high")}
        metrics |= {key: summary[key] for key in ("smallest_visible", "openings", "seeds", "chance")}
    figures = ("colour_difference", "two_sample_auc", "perturbation_share", "memorisation_z", "label_consistency")
    return metrics | {key: summary["fidelity"][key] for key in figures if summary["fidelity"].get(key) is not None}


def _counts(store: ShardStore) -> dict:
    train = store.index.iloc[store.rows("train")]
    return {
        "real_images": int((~train["synthetic"].astype(bool)).sum()),
        "synthetic_images": int(train["synthetic"].sum()),
        "classes": sorted(store.index["label"].unique()),
    }


def _test_digest(manifest: pd.DataFrame) -> str:
    test = manifest[manifest["split"] == "test"]
    return ledger.split_digest(zip(test["sha256"], test["label"], strict=True))


def _question(manifest: pd.DataFrame, chosen: RecipeFile, settings: Judge, seed: int) -> str:
    """Return a digest of all that decides the verdict: the images, the recipe, the settings and the seed."""
    images = manifest[["path", "sha256"]].values.tolist()
    return files.fingerprint([images, chosen.model_dump(mode="json"), settings.model_dump(mode="json"), seed])


def _augmentation(settings: Judge, chosen: RecipeFile, seed: int) -> Callable:
    """Return the classical augmentation of the recipe as a function of images, float32 N×C×H×W in [0, 1]."""
    import torch

    from morelike.images.classical import classical

    chance = torch.Generator().manual_seed(randomness.derived_seed(seed, "evaluate", "augmented"))
    augment = (chosen.recipe.augment if chosen.recipe else settings.augment).model_copy(update={"mix": "none"})
    return lambda images: classical(images, augment, chance)


def _features(task: Task, store: ShardStore) -> Features:
    """Return what a trained classifier sees in images."""
    from morelike.judge import training

    model = training.load(task, store)
    return lambda images: training.features(model, images)
