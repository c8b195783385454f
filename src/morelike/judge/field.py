"""The images that classifiers learn from and are asked about, and the processes that train them."""

import hashlib
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np

from morelike.core import compute, randomness
from morelike.core.progress import say, track
from morelike.judge import calibration, rows
from morelike.judge.recipes import Recipe
from morelike.judge.settings import Judge
from morelike.storage.shards import ShardStore

MOST_KEPT = 1000  # trained classifiers; the oldest are removed
MOST_PROCESSES = 4  # each loads torch, which takes about 1 GB


@dataclass(frozen=True)
class Task:
    """One classifier to train: all that a worker process needs to know.

    Attributes:
        store: the folder of the images.
        images: digest of the images that it learns from and is stopped by.
        classes: names, in the order of their numbers.
        recipe: how it is trained.
        learning_rate: at its highest.
        seed: of this training.
        settings: the section ``evaluate``.
        state: where trained classifiers are kept, and found again.
        split: whose images it is asked about.
    """

    store: Path
    images: str
    classes: tuple[str, ...]
    recipe: Recipe
    learning_rate: float
    seed: int
    settings: Judge
    state: Path
    split: str


@dataclass(frozen=True)
class Answer:
    """What one trained classifier says.

    Attributes:
        log_probabilities: float32 images×classes, of the images of the split that was asked for, in row order.
        steps: that its training took.
        ended: whether val had stopped improving before ``max_steps``.
    """

    log_probabilities: np.ndarray
    steps: int
    ended: bool


class Field:
    """Trains classifiers on a store, and asks each about the images of one split.

    Attributes:
        store: the images; its index has the columns ``split``, ``label``, ``synthetic``, ``generator``, ``group``.
        split: whose images the classifiers are asked about.
        classes: names, in the order of their numbers.
        targets: int64, the class of each image of that split.
        clusters: int64, what of that split belongs together; an image without a group is a cluster of its own.
        counted: bool classes, which have images in that split and real train images.
        real_counts: int64 classes, the real train images of each.
    """

    def __init__(self, store: ShardStore, split: str, settings: Judge, state: Path):
        self.store, self.split, self.settings, self.state = store, split, settings, Path(state)
        self.classes = tuple(sorted(store.index["label"].unique()))
        asked = store.rows(split)
        targets = rows.targets_of(store, self.classes)
        self.targets = targets[asked]
        self.clusters = rows.clusters_of(store.index["group"].iloc[asked])
        real = rows.train_rows(store)[0]
        count = len(self.classes)
        self.real_counts = np.bincount(targets[real], minlength=count)
        self.counted = (np.bincount(self.targets, minlength=count) > 0) & (self.real_counts > 0)
        self._digests: dict[bytes, str] = {}
        self._workers: compute.Workers | None = None

    def __enter__(self) -> Self:
        if self.settings.pretrained:
            from morelike.judge import network  # here, so that the process that asks holds no torch by default

            if line := network.missing_weights(self.settings):
                say(line)
        count = min(compute.cores(), MOST_PROCESSES)
        self._workers = compute.Workers(count) if count > 1 else None
        return self

    def __exit__(self, *exception: object) -> None:
        if self._workers:
            self._workers.__exit__(*exception)
        kept = sorted(self.state.glob("*"), key=lambda path: path.stat().st_mtime)
        for path in kept[:-MOST_KEPT]:
            shutil.rmtree(path, ignore_errors=True)

    def answers(self, asked: list[tuple[Recipe, float, int]], what: str) -> list[Answer]:
        """Train a classifier per recipe, learning rate and seed; return what each says, in order."""
        tasks = [self.task(*one) for one in asked]
        answers = self._workers.map_ordered(_answer, tasks) if self._workers else map(_answer, tasks)
        return list(track(answers, len(tasks), what))

    def nll(self, answer: Answer) -> np.ndarray:
        """Return the negative log-likelihood of each image's class, float64 images, at the best temperature."""
        weights = calibration.balanced_weights(self.targets, self.counted)
        said = calibration.at_best_temperature(answer.log_probabilities, self.targets, weights)
        return calibration.negative_log_likelihood(said, self.targets)

    def task(self, recipe: Recipe, learning_rate: float, seed: int) -> Task:
        """Return what a worker needs to know to train a classifier, or to find it."""
        return Task(
            store=self.store.folder,
            images=self._digest(rows.seen_rows(self.store, recipe)),
            classes=self.classes,
            recipe=recipe,
            learning_rate=learning_rate,
            seed=seed,
            settings=self.settings,
            state=self.state,
            split=self.split,
        )

    def _digest(self, chosen: np.ndarray) -> str:
        """Return a digest of the pixels and labels of some rows, in order; so it is the same in another store."""
        key = hashlib.blake2b(chosen.tobytes()).digest()
        if key not in self._digests:
            digest = hashlib.blake2b("\n".join(self.store.index["label"].iloc[chosen]).encode(), digest_size=16)
            for images in self.store.batches(chosen):
                digest.update(images)
            self._digests[key] = digest.hexdigest()
        return self._digests[key]


def seeds_of(seed: int, purpose: str, count: int) -> list[int]:
    """Return the seeds of ``count`` trainings for a purpose: what chooses and what is judged share none."""
    return [randomness.derived_seed(seed, purpose, number) for number in range(count)]


def _answer(task: Task) -> Answer:
    from morelike.judge.training import answer  # here, so that the process that asks holds no torch

    return answer(task)
