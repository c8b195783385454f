"""The judge: a small residual network, trained from scratch for a fixed number of steps."""

import contextlib
from collections.abc import Iterator

import numpy as np
import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from morelike.core import devices, randomness
from morelike.evaluate.errors import JudgeError
from morelike.evaluate.ladder import ARMS, BalancedSampler, ClassifierTraining, training_rows
from morelike.images import augment, pixels
from morelike.storage import shards

MOST_AT_ONCE, PIXELS_AT_ONCE = 256, 2**20  # in prediction: memory must not grow with the size of images
LABEL_SMOOTHING = 0.1
WEIGHT_DECAY = 0.05
WARMUP_SHARE = 0.1


class Block(nn.Module):
    """Two 3×3 convolutions around a shortcut (He et al. 2016), with group norm.

    Group norm, not batch norm: the statistics of mixed real and synthetic batches would not fit the real test
    images, and the synthetic ones would be blamed for it.
    """

    def __init__(self, channels_in: int, channels_out: int, stride: int):
        super().__init__()
        self.main = nn.Sequential(
            nn.Conv2d(channels_in, channels_out, 3, stride, 1, bias=False),
            nn.GroupNorm(8, channels_out),
            nn.ReLU(),
            nn.Conv2d(channels_out, channels_out, 3, 1, 1, bias=False),
            nn.GroupNorm(8, channels_out),
        )
        same = channels_in == channels_out and stride == 1
        self.shortcut = nn.Identity() if same else nn.Conv2d(channels_in, channels_out, 1, stride, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Map N×channels_in×H×W to N×channels_out×⌈H/stride⌉×⌈W/stride⌉."""
        return torch.relu(self.main(x) + self.shortcut(x))


class Classifier(nn.Module):
    """Stem, three residual blocks, mean over the image, a linear layer. Takes images of any size, odd ones too."""

    def __init__(self, channels: int, side_px: int, width: int, classes: int):
        """Build for images whose longer side is ``side_px``; ``width`` channels at the first level."""
        super().__init__()
        stem = [nn.Conv2d(channels, width, 5, 2, 2, bias=False), nn.GroupNorm(8, width), nn.ReLU()]
        while side_px > 80:  # so that the first level is never larger than 40 pixels
            stem.append(nn.AvgPool2d(2, ceil_mode=True))
            side_px = (side_px + 1) // 2
        self.layers = nn.Sequential(
            *stem,
            Block(width, width, 1),
            Block(width, 2 * width, 2),
            Block(2 * width, 4 * width, 2),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(4 * width, classes),
        )

    def forward(self, images: Tensor) -> Tensor:
        """Map float N×C×H×W in [0, 1] to logits, N×classes."""
        return self.layers((images - 0.5) * 2)


def train_and_predict(task: ClassifierTraining) -> np.ndarray:
    """Train one classifier on its arm and predict the test split, once, with the last weights.

    No weights are picked by val or test, and one thread does all sums: the result depends on ``task`` and the kind
    of machine alone.

    Returns:
        int64, the predicted class of each test row, in row order.

    Raises:
        JudgeError: the loss is not finite.
    """
    store = shards.ShardStore(task.store)
    targets = np.array([task.classes.index(label) for label in store.index["label"]])
    rows = training_rows(store.index, ARMS[task.arm])
    plain = (
        devices.precision() == "16-mixed"
    )  # gradients of 16 bits want scaling, which so small a network is not worth
    fabric = devices.fabric("32-true" if plain else "auto")
    with _one_thread(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(randomness.derived_seed(task.seed, "initial weights"))
        height, width, channels = store.shape
        model = Classifier(channels, max(height, width), task.settings.width, len(task.classes)).to(fabric.device)
        sampler = BalancedSampler(rows, targets[rows], task.seed)
        _train(fabric, model, store, sampler, task)
        return _predict(fabric, model, store, store.rows("test"))


def _train(
    fabric: Fabric, model: nn.Module, store: shards.ShardStore, sampler: BalancedSampler, task: ClassifierTraining
) -> None:
    settings = task.settings
    optimizer = torch.optim.AdamW(model.parameters(), settings.learning_rate, weight_decay=WEIGHT_DECAY)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, settings.learning_rate, settings.steps, pct_start=WARMUP_SHARE
    )
    for step in range(settings.steps):
        rows, classes = sampler.batch(step, settings.batch_size)
        images = torch.from_numpy(pixels.to_float(store.read(rows)))
        if ARMS[task.arm].classical:
            chance = torch.Generator().manual_seed(randomness.derived_seed(task.seed, "classical", step))
            images = augment.apply(images, task.augment, chance)
        with fabric.autocast():
            logits = model(fabric.to_device(images))
        target = fabric.to_device(torch.from_numpy(classes))
        loss = nn.functional.cross_entropy(logits.float(), target, label_smoothing=LABEL_SMOOTHING)
        if not torch.isfinite(loss):
            raise JudgeError(
                f"the classifier of {task.arm} has loss {loss.item()} at step {step}; lower evaluate.learning_rate"
            )
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()


@torch.no_grad()
def _predict(fabric: Fabric, model: nn.Module, store: shards.ShardStore, rows: np.ndarray) -> np.ndarray:
    predicted = [np.empty(0, np.int64)]
    height, width, _ = store.shape
    for images in store.batches(rows, max(1, min(MOST_AT_ONCE, PIXELS_AT_ONCE // (height * width)))):
        with fabric.autocast():
            logits = model(fabric.to_device(torch.from_numpy(pixels.to_float(images))))
        predicted.append(logits.argmax(1).cpu().numpy())
    return np.concatenate(predicted)


@contextlib.contextmanager
def _one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
