"""Store the masks of images in the form of the images."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from morelike.core import compute, progress
from morelike.resize.form import Form, mask_to_form
from morelike.storage.shards import ShardWriter

FOLDER = "masks"  # within the store of the images
MASKS_PER_CHUNK = 32
COLUMNS = ["mask", "file", "sha256", "channels"]  # of the audit's table of masks
Read = Callable[[str, str], np.ndarray]


def write(read: Read, masks: pd.DataFrame, form: Form, folder: Path, workers: int | None = None) -> None:
    """Write a store of all masks: as high and wide as the images, of 3 channels if any mask has colours, else of 1.

    Args:
        read: returns a mask, uint8 H×W×{1,3}, by its name and its sha256.
        masks: a row per mask, columns ``mask``, ``file`` (of its image), ``sha256`` and ``channels``. The index of
            the store has the first two.
        form: of the images.
        folder: of the new store.
        workers: the number of processes; as many as cores if None.

    Raises:
        SourceError: as ``read``.
    """
    form = replace(form, channels=int(masks["channels"].max()))
    tasks = list(zip(masks["mask"].tolist(), masks["sha256"].tolist(), strict=True))
    chunks = compute.chunks(tasks, MASKS_PER_CHUNK)
    fitted = compute.map_ordered(partial(_fitted, read, form), chunks, workers)
    writer = ShardWriter(folder, form.height_px, form.width_px, form.channels)
    for labels in progress.track(fitted, len(chunks), f"resize, chunks of {MASKS_PER_CHUNK} masks"):
        writer.append(labels)
    writer.close(masks[["file", "mask"]])


def _fitted(read: Read, form: Form, tasks: list[tuple[str, str]]) -> np.ndarray:
    return np.stack([mask_to_form(read(*task), form) for task in tasks])
