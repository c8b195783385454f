"""What a model makes of the same few images: grids while it trains, and its restorations of val, measured."""

from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from morelike.core.randomness import generator
from morelike.core.row_noise import RowNoise
from morelike.images import pixels
from morelike.models.base import Encodes, Generates, ImageModel, Restores, Varies, make
from morelike.storage import tables
from morelike.storage.shards import ShardWriter
from morelike.train import restoration
from morelike.train.batches import Batches
from morelike.train.loggers import Loggers

GRID_IMAGES = 24  # columns of a grid, at most
PER_LABEL = 16  # val images per label that are restored and measured
MOST_LATENTS = 512  # val images whose latents TensorBoard's projector gets


@torch.no_grad()
def log_grids(model: ImageModel, batches: Batches, fabric, loggers: Loggers, seen: int) -> None:
    """Log grids of what the model can do: val images over their restorations, train images over new ones."""
    if isinstance(model, Restores):
        batch = batches.of_rows(_few_per_label(batches, batches.val_rows, GRID_IMAGES))
        with fabric.autocast():
            restored = model.restore(batch)
        shown = [batch.stored, batch.noisy, restored] if model.restores == "noisy" else [batch.stored, restored]
        loggers.grid(seen, "restored", torch.cat(shown), len(batch.labels))
    if isinstance(model, Generates | Varies):
        batch = batches.of_rows(_few_per_label(batches, batches.train_rows, GRID_IMAGES))
        noise = RowNoise(batches.seed, "grid", np.arange(len(batch.labels)), batches.device)
        with fabric.autocast():
            made = make(model, batch.stored, batch.labels, noise, model.example_settings)
        loggers.grid(seen, "samples", torch.cat([batch.stored, made]), len(batch.labels))


@torch.no_grad()
def log_latents(model: ImageModel, batches: Batches, fabric, loggers: Loggers, seen: int) -> None:
    """Log the latents of val images, of a model that has a latent space."""
    if not isinstance(model, Encodes):
        return
    batch = batches.of_rows(_few_per_label(batches, batches.val_rows, MOST_LATENTS))
    with fabric.autocast():
        latents = model.encode(batch.stored, batch.labels)
    labels = [batches.labels[number] for number in batch.labels.tolist()]
    loggers.embedding(seen, latents.float().cpu(), labels, batch.stored)


@torch.no_grad()
def write(model: ImageModel, batches: Batches, fabric, folder: Path) -> dict[str, float]:
    """Restore val images and write them to ``folder/examples``.

    For a model that starts from noisy images, ``folder/restoration.csv`` tells for each kind of noise what the model
    and the best denoiser of OpenCV make of them, and ``folder/classical.csv`` what each of OpenCV's does, tuned.

    Returns:
        Mean PSNR (dB) and SSIM of the restorations, and of the noisy twins and of the best of OpenCV where the model
        starts from those; nothing for a model that restores nothing.
    """
    if not isinstance(model, Restores):
        return {}
    rows = np.sort(_few_per_label(batches, batches.val_rows, PER_LABEL * len(batches.labels)))
    writer = ShardWriter(folder / "examples", *batches.clean.shape)
    examples, tried = [], []
    for start in range(0, len(rows), batches.settings.batch_size):
        part = rows[start : start + batches.settings.batch_size]
        with fabric.autocast():
            restored = model.restore(batches.of_rows(part))
        images = as_uint8(restored)
        writer.append(images)
        clean, noisy = batches.clean.read(part), batches.noisy.read(part)
        table = pd.DataFrame({"row": part, "label": batches.clean.index["label"].iloc[part].to_numpy()})
        if model.restores == "noisy":
            table["recipe"] = batches.noisy.index["recipe"].iloc[part].to_numpy()
            table = table.join(restoration.measured(noisy, clean, "before"))
            tried.append(restoration.classical(noisy, clean, table["recipe"].to_numpy()))
        examples.append(table.join(restoration.measured(images, clean, "after")))
    table = pd.concat(examples, ignore_index=True)
    writer.close(table)
    if not tried:
        return table[["psnr_after_db", "ssim_after"]].mean().to_dict()
    best = restoration.tuned(pd.concat(tried, ignore_index=True))
    compared = restoration.comparison(table, best)
    tables.write_csv(folder / "classical.csv", best)
    tables.write_csv(folder / "restoration.csv", compared)
    return compared.iloc[-1][restoration.NUMBERS].astype(float).to_dict()


def as_uint8(images: Tensor) -> np.ndarray:
    """Bring a model's float N×C×H×W in [0, 1] to uint8 N×H×W×C on the CPU."""
    return pixels.to_uint8(images.float().cpu().numpy())


def _few_per_label(batches: Batches, rows: np.ndarray, most: int) -> np.ndarray:
    """Return up to ``most`` of ``rows``, the labels taken in turn, always the same ones."""
    rows = generator(batches.seed, "examples").permutation(rows)
    labels = pd.Series(batches.label_numbers[rows])
    turn = labels.groupby(labels).cumcount().to_numpy()
    return rows[np.lexsort((labels.to_numpy(), turn))][:most]
