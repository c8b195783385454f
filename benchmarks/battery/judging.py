"""One generator on one draw: its images become a judged store, and the judge says what they are worth."""

import dataclasses
import math
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.battery.cases import CASES, REFUSED
from benchmarks.battery.generators import Made
from benchmarks.battery.worlds import World
from morelike.core import randomness
from morelike.evaluate import arms, verdict
from morelike.evaluate.verdict import Tested
from morelike.judge import leaks, selection
from morelike.judge.errors import LeakError
from morelike.judge.selection import Choice
from morelike.judge.settings import Judge
from morelike.storage.nearest import nearest_rows
from morelike.storage.shards import ShardStore, ShardWriter

COPIED = ["source_file", "label", "group"]  # columns of a pool


def judged(world: World, case: str, settings: Judge, state: Path) -> dict:
    """Return ``verdict``, and ``difference``, ``rare`` and ``common`` with mean, low and high, in balanced accuracy.

    Args:
        world: a draw of the data.
        case: a key of :data:`benchmarks.battery.cases.CASES`.
        settings: of the judge.
        state: where trained classifiers are kept: those of the real images alone serve all cases of a draw.
    """
    seed = randomness.derived_seed(0, "battery", world.number, "judge")
    with tempfile.TemporaryDirectory() as home:
        store = write(world, CASES[case][0](world), Path(home) / "judged", case)
        try:
            leaks.refuse(store, settings.leak_distance)
        except LeakError as error:
            return {"verdict": REFUSED, "why": str(error)}
        choice = selection.choose(store, settings, seed, state)
        tested = (_tested if choice.candidate else _tested_twice)(store, choice, settings, seed, state)
        share = choice.candidate.synthetic if choice.candidate else 0.0
    summary = verdict.summarise(tested, settings.margin, settings.confidence, openings=1)
    first = summary["differences"][0]
    figures = {"difference": first["balanced_accuracy"], "rare": first["rare"], "common": first["common"]}
    baseline = summary["arms"][arms.BASELINE]["balanced_accuracy"]["mean"]
    return {"verdict": summary["verdict"], "share": share, "baseline": baseline, **figures}


def _tested(store: ShardStore, choice: Choice, settings: Judge, seed: int, state: Path) -> Tested:
    return arms.judge(store, choice, settings, seed, state, beside=False).tested


def _tested_twice(store: ShardStore, choice: Choice, settings: Judge, seed: int, state: Path) -> Tested:
    """Put the baseline with other seeds in the place of the candidate."""
    alone = dataclasses.replace(choice, candidate=choice.baseline)
    first = _tested(store, alone, settings, seed, state)
    other = _tested(store, alone, settings, randomness.derived_seed(seed, "twice"), state)
    said = {arms.BASELINE: first.log_probabilities, arms.CANDIDATE: other.log_probabilities}
    return dataclasses.replace(first, log_probabilities={arm: those[arms.BASELINE] for arm, those in said.items()})


def write(world: World, made: Made, folder: Path, generator: str) -> ShardStore:
    """Write a judged store: the real images of train, val and test, then the synthetic ones."""
    parts, writer = [], ShardWriter(folder, *world.pool.shape)
    for split in ("train", "val", "test"):
        for images in world.pool.batches(world.rows[split]):
            writer.append(images)
        of_pool = world.pool.index.iloc[world.rows[split]]
        parts.append(
            pd.DataFrame({"source_file": of_pool["file"], "label": of_pool["label"], "group": of_pool["group"]})
        )
        parts[-1] = parts[-1].assign(path=f"{split}/" + of_pool["file"], split=split)
    writer.append(made.images)
    real = pd.concat(parts).assign(synthetic=False, generator="", nearest_distance=math.nan)
    new = pd.DataFrame({"source_file": made.sources, "label": made.labels}).assign(group="", split="train")
    new["path"] = [f"train/{label}/new_{number:06d}.png" for number, label in enumerate(made.labels)]
    new = new.assign(synthetic=True, generator=generator, nearest_distance=_distances(world, made))
    writer.close(pd.concat([real, new], ignore_index=True))
    return ShardStore(folder)


def _distances(world: World, made: Made) -> np.ndarray:
    """Return how far each synthetic image is from the nearest train image of its label, float64 N."""
    distances, of_train = np.empty(len(made.labels)), world.labels("train")
    for label in np.unique(made.labels):
        here = made.labels == label
        distances[here] = nearest_rows(made.images[here], world.pool, world.rows["train"][of_train == label])[1]
    return distances
