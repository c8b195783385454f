"""Small stores and settings for the tests of training and sampling: bright squares against dark ones."""

from pathlib import Path

import numpy as np
import pandas as pd

from morelike.core import settings
from morelike.corrupt.settings import Corrupt
from morelike.models import registry
from morelike.storage.shards import ShardStore, ShardWriter
from morelike.train import images
from morelike.train.settings import Train

VAE = {"width": 8, "latent_dims": 4, "beta": 1.0, "beta_warmup_images": 0.0, "logvar_bound": 8.0}
DAE = {"width": 8, "patch_px": 2, "dropout": 0.0, "restore_share": 0.25}
RECIPES = settings.read().section("corrupt", Corrupt).recipes
BUDGET = {"budget_images": 480, "learning_rate": 3e-3}


def squares(
    folder: Path, side: int = 16, per_class: int = 24, noise: float = 0.0, width: int | None = None, channels: int = 1
) -> ShardStore:
    """Write a store of two classes, `dark` and `light`: a square of random place on a plain ground."""
    draw = np.random.default_rng(0)
    width = width or side
    images = np.full((2 * per_class, side, width, channels), 30, np.uint8)
    for i, image in enumerate(images):
        y, x = draw.integers(0, side // 2, 2)
        image[y : y + side // 2, x : x + side // 2] = 220 if i % 2 else 110
    noisy = np.clip(images + draw.normal(0, 255 * noise, images.shape), 0, 255).astype(np.uint8)
    labels = np.array(["dark", "light"])[np.arange(len(images)) % 2]
    splits = np.where(np.arange(len(images)) < 2 * per_class * 3 // 4, "train", "val")
    files = [f"{label}/{i:03d}.png" for i, label in enumerate(labels)]
    index = pd.DataFrame({"file": files, "label": labels, "split": splits, "sha256": files, "recipe": "gaussian"})
    writer = ShardWriter(folder, side, width, channels)
    writer.append(noisy)
    writer.close(index)
    return ShardStore(folder)


def common(checks: dict | None = None, **changes) -> Train:
    """Return small settings of ``train``, with ``changes``, and with limits of ``checks`` changed."""
    values = settings.read().section("train", Train).model_dump()
    values |= {"batch_size": 16, "evaluate_every_images": 160, "precision": "32-true", "warmup_images": 16}
    return Train(**values | {"checks": values["checks"] | (checks or {})} | changes)


def model_settings(name: str, values: dict):
    """Return the settings of a model."""
    return registry.module_of(name).Settings(**BUDGET | values)


def task(stores, name: str, values: dict, shared: Train | None = None, seed: int = 0) -> images.ImageTraining:
    """Return a training on two stores, the clean and the noisy one."""
    return images.ImageTraining(name, *stores, RECIPES, [0.3], shared or common(), model_settings(name, values), seed)


def train(stores, folder: Path, *what, **more) -> dict[str, float]:
    """Train into ``folder``: ``out``, ``live`` and ``state``."""
    return images.train(task(stores, *what, **more), folder / "out", folder / "live", folder / "state")
