"""One classifier: trained until val stops improving, then cooled down; found again if it was trained before."""

import contextlib
import copy
import math
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import numpy as np
import torch
from lightning_fabric import Fabric
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from morelike.core import code, devices, files, randomness
from morelike.core.errors import DamagedFile
from morelike.images import classical, mixing, pixels
from morelike.judge import network, rows
from morelike.judge.draws import Draws
from morelike.judge.errors import JudgeError
from morelike.judge.field import Answer, Task
from morelike.storage.shards import ShardStore

MOST_AT_ONCE, PIXELS_AT_ONCE = 256, 2**20  # in prediction: memory must not grow with the size of images
LABEL_SMOOTHING = 0.05
WEIGHT_DECAY = 0.05
WARMUP_STEPS = 50
MOST_EPOCHS, LEAST_STEPS = 60, 1000  # where `max_steps` is auto
LEAST_GAIN = 0.02  # share of the val loss: what falls by less has stopped improving
AVERAGE = 0.99  # of the weights at each step: a half-life of 69 steps
DECIDING = ("network", "width", "pretrained", "batch_size")  # settings that decide a training, and these:
DECIDING += ("max_steps", "evaluate_every_steps", "patience", "cooldown_share")


def folder_of(task: Task) -> Path:
    """Return where the classifier of a task is kept: named by all that decides its weights."""
    decided_by = {
        "images": task.images,
        "classes": task.classes,
        "recipe": task.recipe.model_dump(mode="json"),
        "settings": task.settings.model_dump(mode="json", include=set(DECIDING)),
        "learning_rate": task.learning_rate,
        "seed": task.seed,
        "begins_at_random": network.missing_weights(task.settings) is not None,
        "code": code.digest(__name__),
        "torch": torch.__version__,
    }
    return task.state / files.fingerprint(decided_by)


def answer(task: Task) -> Answer:
    """Train a classifier, or find it, and ask it about a split, with one thread.

    One that was kept and is damaged is trained again.

    Raises:
        JudgeError: the loss is not finite.
    """
    store = ShardStore(task.store)
    with _one_thread():
        try:
            model, about = load(task, store), files.read_json(folder_of(task) / "about.json", "steps", "ended")
        except (DamagedFile, FileNotFoundError, SafetensorError, RuntimeError):
            about = train(task, store)
            model = load(task, store)
        said = predict(model, store, store.rows(task.split))
    return Answer(said, about["steps"], about["ended"])


def train(task: Task, store: ShardStore) -> dict:
    """Train a classifier and keep it; return ``steps`` and ``ended``. Its folder is written whole."""
    run = _Run(task, store)
    run.to_the_end()
    with files.written_aside(folder_of(task)) as aside:
        save_file({key: value.contiguous() for key, value in run.average.state_dict().items()}, aside / "weights")
        files.write_json(aside / "about.json", {"steps": run.step, "ended": run.ended, "val": run.history})
    return {"steps": run.step, "ended": run.ended}


def load(task: Task, store: ShardStore) -> nn.Module:
    """Return a trained classifier with the moving average of its weights, on the device that is used."""
    model = network.build(task.settings.model_copy(update={"pretrained": False}), store.shape, len(task.classes))
    model.load_state_dict(load_file(folder_of(task) / "weights"))
    return model.to(_fabric().device, memory_format=devices.memory_format()).eval()


@torch.no_grad()
def predict(model: nn.Module, store: ShardStore, asked: np.ndarray) -> np.ndarray:
    """Return the log-probabilities that a classifier gives the images at rows ``asked``, float32 N×classes."""
    fabric, parts = _fabric(), [np.empty((0, network.head(model).out_features), np.float32)]
    height, width, _ = store.shape
    for images in store.batches(asked, max(1, min(MOST_AT_ONCE, PIXELS_AT_ONCE // (height * width)))):
        with fabric.autocast():
            logits = model(fabric.to_device(torch.from_numpy(pixels.to_float(images))))
        parts.append(logits.float().log_softmax(1).cpu().numpy())
    return np.concatenate(parts)


@torch.no_grad()
def features(model: nn.Module, images: np.ndarray) -> np.ndarray:
    """Return what goes into the last layer of a classifier, float32 N×D, for uint8 images N×H×W×C."""
    fabric, caught = _fabric(), []
    hook = network.head(model).register_forward_pre_hook(lambda _, inputs: caught.append(inputs[0].float().cpu()))
    try:
        for start in range(0, len(images), MOST_AT_ONCE):
            with fabric.autocast():
                model(fabric.to_device(torch.from_numpy(pixels.to_float(images[start : start + MOST_AT_ONCE]))))
    finally:
        hook.remove()
    return torch.cat(caught).numpy()


class _Run:
    """A training: a constant learning rate until val stops improving, then a cool-down from the best weights so far.

    Warm-up, stable, decay (Hägele et al. 2024), so that no number of steps has to be known before. Val is asked of
    the moving average of the weights.
    """

    def __init__(self, task: Task, store: ShardStore):
        self.task, self.store, self.settings = task, store, task.settings
        self.targets = rows.targets_of(store, task.classes)
        self.draws = Draws(*rows.drawn_rows(store, task.recipe), self.targets, task.recipe, task.seed)
        self.val = store.rows("val")
        self.fabric = _fabric()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(randomness.derived_seed(task.seed, "initial weights"))
            model = network.build(task.settings, store.shape, len(task.classes))
        self.model = model.to(self.fabric.device, memory_format=devices.memory_format())
        self.average = AveragedModel(self.model, multi_avg_fn=get_ema_multi_avg_fn(AVERAGE), use_buffers=True)
        self.optimizer = torch.optim.AdamW(
            self.model.parameters(), task.learning_rate, weight_decay=WEIGHT_DECAY, fused=True
        )
        self.step, self.ended, self.history = 0, False, []

    def to_the_end(self) -> None:
        """Train, cool down, and leave the averaged network in ``average``."""
        share = self.settings.cooldown_share
        stable = max(1, round(self._max_steps() * (1 - share)))
        every = max(self.settings.evaluate_every_steps, self.draws.epoch // self.settings.batch_size)
        best_at, best_loss, best = 0, math.inf, self._copied()
        while self.step < stable and not self.ended:
            self._advance(min(1.0, (self.step + 1) / WARMUP_STEPS), 1.0)
            if self.step % every == 0 or self.step == stable:
                loss = self._val_loss()
                self.history.append([self.step, loss])
                if loss < best_loss * (1 - LEAST_GAIN):
                    best_at, best_loss, best = self.step, loss, self._copied()
                self.ended = self.step - best_at >= self.settings.patience * every
        self._restore(best)
        self.step = best_at
        cool_down = max(1, round(best_at * share / (1 - share)))
        for number in range(cool_down):
            left = 1 - (number + 1) / (cool_down + 1)
            self._advance(left, left)
        self.average = self.average.module

    def _max_steps(self) -> int:
        if self.settings.max_steps != "auto":
            return self.settings.max_steps
        return max(LEAST_STEPS, MOST_EPOCHS * len(rows.train_rows(self.store)[0]) // self.settings.batch_size)

    def _advance(self, rate: float, left: float) -> None:
        for group in self.optimizer.param_groups:
            group["lr"] = self.task.learning_rate * rate
        images, targets = self._batch(left)
        with torch.random.fork_rng(devices=[]):  # of dropout, which some of torchvision's models have
            torch.manual_seed(randomness.derived_seed(self.task.seed, "dropout", self.step))
            with self.fabric.autocast():
                logits = self.model(self.fabric.to_device(images))
        loss = nn.functional.cross_entropy(
            logits.float(), self.fabric.to_device(targets), label_smoothing=LABEL_SMOOTHING
        )
        if not torch.isfinite(loss):
            raise JudgeError(
                f"a classifier ({self.task.recipe.in_words()}) has loss {loss.item()} at step {self.step}; lower "
                "evaluate.learning_rates"
            )
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        self.step += 1
        self.average.update_parameters(self.model)

    def _batch(self, left: float) -> tuple[Tensor, Tensor]:
        drawn, classes = self.draws.batch(self.step, self.settings.batch_size, left)
        chance = torch.Generator().manual_seed(randomness.derived_seed(self.task.seed, "augment", self.step))
        images = torch.from_numpy(pixels.to_float(self.store.read(drawn)))
        settings = self.task.recipe.augment
        targets = nn.functional.one_hot(torch.from_numpy(classes), len(self.task.classes)).float()
        return mixing.mixed(classical.classical(images, settings, chance), targets, settings.mix, chance)

    def _val_loss(self) -> float:
        """Return the mean over the classes of the mean NLL of their val images."""
        said = predict(self.average.module.eval(), self.store, self.val)
        targets = self.targets[self.val]
        losses = -said[np.arange(len(targets)), targets]
        self.average.module.train()
        return float(np.mean([losses[targets == k].mean() for k in np.unique(targets)]))

    def _copied(self) -> tuple[dict, dict, dict]:
        return copy.deepcopy((self.model.state_dict(), self.average.state_dict(), self.optimizer.state_dict()))

    def _restore(self, best: tuple[dict, dict, dict]) -> None:
        for part, state in zip((self.model, self.average, self.optimizer), best, strict=True):
            part.load_state_dict(state)


@cache
def _fabric() -> Fabric:
    plain = devices.precision() == "16-mixed"  # 16-bit gradients want scaling, which a small network is not worth
    return devices.fabric("32-true" if plain else "auto")


@contextlib.contextmanager
def _one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
