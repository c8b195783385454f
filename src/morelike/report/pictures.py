"""Strips of images for the page: real, noisy, denoised, reconstructed and synthetic, class by class."""

import base64
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from morelike.images import pixels
from morelike.storage import shards

GAP_PX, GAP_GREY = 1, 128
MOST_CLASSES = 40


@dataclass(frozen=True)
class Strip:
    """A row of images as one picture.

    Attributes:
        what: a caption, such as ``synthetic (vae)``.
        source: the PNG as a ``data:`` address.
        width_px, height_px: of the PNG.
    """

    what: str
    source: str
    width_px: int
    height_px: int


@dataclass(frozen=True)
class Folders:
    """Where the images lie.

    Attributes:
        resized: the real images.
        noisy: their noisy twins.
        models, synthetic: hold a folder per model.
        trained: the names of the models to show.
    """

    resized: Path
    noisy: Path
    models: Path
    synthetic: Path
    trained: tuple[str, ...]


def class_strips(folders: Folders, examples: int) -> dict[str, list[Strip]]:
    """Return the strips of each class, ``examples`` images wide, for at most :data:`MOST_CLASSES` classes.

    Restorations stand under the val images they were made from; under each synthetic image stands the real
    train image nearest to it. Missing stores are left out.
    """
    real = _store(folders.resized)
    if real is None:
        return {}
    names = sorted(folders.trained)
    restored = {name: store for name in names if (store := _store(folders.models / name / "examples"))}
    made = {name: store for name in names if (store := _store(folders.synthetic / name))}
    twins = _store(folders.noisy)
    labels = sorted(real.index["label"].unique())[:MOST_CLASSES]
    return {
        label: _restored_strips(label, real, twins, restored, examples) + _made_strips(label, real, made, examples)
        for label in labels
    }


def strip(what: str, images: np.ndarray) -> Strip:
    """Lay uint8 N×H×W×C images side by side with a grey gap."""
    count, height, width, channels = images.shape
    gap = np.full((height, GAP_PX, channels), GAP_GREY, np.uint8)
    parts = [part for image in images for part in (image, gap)][:-1]
    data = pixels.encode_png(np.concatenate(parts, 1))
    return Strip(what, data_address(data), count * (width + GAP_PX) - GAP_PX, height)


def data_address(png: bytes) -> str:
    """Return PNG bytes as a ``data:`` address."""
    return "data:image/png;base64," + base64.b64encode(png).decode()


def grids(models: Path, trained: tuple[str, ...]) -> dict[str, list[tuple[str, str]]]:
    """Return the first, the middle and the last grid of each kind of each model: (images seen, ``data:`` address)."""
    found: dict[str, list[Path]] = {}
    for path in [path for model in sorted(trained) for path in sorted((models / model / "grids").glob("*.png"))]:
        found.setdefault(f"{path.parts[-3]}: {path.stem.rpartition('-')[0]}", []).append(path)
    return {
        title: [
            (f"{int(path.stem.rpartition('-')[2]):,} images seen", data_address(path.read_bytes())) for path in shown
        ]
        for title, paths in found.items()
        for shown in [sorted({paths[0], paths[len(paths) // 2], paths[-1]})]
    }


def _restored_strips(label: str, real, twins, restored: dict, examples: int) -> list[Strip]:
    rows_of = {name: _example_rows(store, label) for name, store in restored.items()}
    shown = next((rows for rows in rows_of.values() if rows), dict.fromkeys(real.rows("train", label)))
    rows = list(shown)[:examples]
    if not rows:
        return []
    strips = [strip("real", real.read(rows))]
    if twins is not None and len(twins) == len(real):
        strips.append(strip("noisy", twins.read(rows)))
    for name, places in rows_of.items():
        if all(row in places for row in rows):
            what = "denoised" if "psnr_before_db" in restored[name].index else "reconstructed"
            strips.append(strip(f"{what} ({name})", restored[name].read([places[row] for row in rows])))
    return strips


def _made_strips(label: str, real, made: dict, examples: int) -> list[Strip]:
    strips = []
    for name, store in made.items():
        rows = np.flatnonzero((store.index["label"] == label).to_numpy())
        if len(rows):
            rows = rows[np.linspace(0, len(rows) - 1, min(examples, len(rows))).astype(int)]
            strips.append(strip(f"synthetic ({name})", store.read(rows)))
            nearest = store.index["nearest_row"].to_numpy()[rows]
            if (nearest >= 0).all() and (nearest < len(real)).all():
                strips.append(strip("nearest real train", real.read(nearest)))
    return strips


def _example_rows(store: shards.ShardStore, label: str) -> dict[int, int]:
    """Map rows of the resized store to the places of the same images in ``store``, for one label."""
    here = np.flatnonzero((store.index["label"] == label).to_numpy())
    return {int(store.index["row"].iloc[place]): int(place) for place in here}


def _store(folder: Path) -> shards.ShardStore | None:
    return shards.ShardStore(folder) if (folder / "store.json").is_file() else None
