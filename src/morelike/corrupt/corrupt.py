"""Write a noisy twin of every image, in the same order, and measure how far each is from its original."""

from functools import lru_cache, partial
from pathlib import Path

import numpy as np
import pandas as pd

from morelike.core import compute, files, progress, randomness
from morelike.images import noise, normalisation, quality
from morelike.images.noise import Recipes
from morelike.storage.shards import ShardStore, ShardWriter

ROWS_PER_CHUNK = 128


def write_noisy(resized: Path, out: Path, recipes: Recipes, seed: int, workers: int | None = None) -> dict:
    """Write the noisy twins of the store ``resized`` into the store ``out``.

    Each image has its own random stream, which depends only on ``seed`` and the image's file and content. It draws the
    recipe, all being equally likely, and the noise. The index of ``out`` has the columns file, label, split, recipe,
    psnr_db and ssim.

    Returns:
        Per recipe the number of images, and mean and standard deviation of PSNR (dB) and SSIM.
    """
    store = ShardStore.checked(resized)
    chunks = compute.chunks(list(range(len(store))), ROWS_PER_CHUNK)
    twins = compute.map_ordered(partial(_twins, Path(resized), recipes, seed), chunks, workers)
    measured = []
    with files.written_aside(out) as aside:
        writer = ShardWriter(aside, *store.shape)
        for images, rows in progress.track(twins, len(chunks), f"corrupt, chunks of {ROWS_PER_CHUNK} images"):
            writer.append(images)
            measured.append(rows)
        index = pd.concat([store.index[["file", "label", "split"]], pd.concat(measured, ignore_index=True)], axis=1)
        writer.close(index)
    return summary(index, recipes)


def summary(index: pd.DataFrame, recipes: Recipes) -> dict:
    """Return mean and standard deviation of PSNR and SSIM, and the number of images, for every recipe."""
    return {"images": len(index)} | {
        name: {"images": len(rows)}
        | {f"{column}_mean": float(rows[column].mean()) for column in ("psnr_db", "ssim") if len(rows)}
        | {f"{column}_std": float(rows[column].std(ddof=0)) for column in ("psnr_db", "ssim") if len(rows)}
        for name in recipes
        for rows in [index[index["recipe"] == name]]
    }


def _twins(resized: Path, recipes: Recipes, seed: int, rows: list[int]) -> tuple[np.ndarray, pd.DataFrame]:
    store = _opened(resized)
    images = store.read(rows)
    origins = store.index.iloc[rows]
    twins = [
        noise.twin(image, recipes, randomness.generator(seed, "corrupt", sha256, file))
        for image, sha256, file in zip(images, origins["sha256"], origins["file"], strict=True)
    ]
    noisy = np.stack([pair[0] for pair in twins])
    normalisation.check_pair(noisy, images, origins["file"].tolist(), rows[0])
    names = [pair[1] for pair in twins]
    psnr_db, ssim = quality.psnr_db(noisy, images), quality.ssim(noisy, images)
    return noisy, pd.DataFrame({"recipe": names, "psnr_db": psnr_db, "ssim": ssim})


@lru_cache(maxsize=1)
def _opened(folder: Path) -> ShardStore:
    return ShardStore(folder)
