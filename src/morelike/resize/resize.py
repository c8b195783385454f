"""Give every image one form: upright, one colour mode, one size, antialiased; store it as uint8 shards, checked."""

import contextlib
import hashlib
from collections.abc import Callable, Iterator
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from morelike.core import compute, files, progress
from morelike.images import normalisation, pixels, stacks
from morelike.images.colour import COLOURED, WHITE, Colour
from morelike.images.deep import Span
from morelike.images.errors import ImageError
from morelike.images.masks import decode as decode_mask
from morelike.resize import masks, proof, splits
from morelike.resize.form import Form, to_form
from morelike.resize.settings import Resize
from morelike.storage import sources, tables
from morelike.storage.errors import SourceError
from morelike.storage.labels import path_of
from morelike.storage.shards import ShardStore, ShardWriter

FILES_PER_CHUNK = 32
NO_LIMIT = 2**62  # pixels of a file that is, by its sha256, one that the audit has decoded
AUTO_MIN_PX, AUTO_MAX_PX, AUTO_MULTIPLE_PX = 16, 64, 4
Decoder = Callable[..., np.ndarray]  # pixels.decode or another of its form
INDEX = [
    *("file", "page", "label", "split", "group", "given_group", "mask", "sha256", "phash"),
    *("width_px", "height_px", "black", "white", "attributes"),
]


class FileToResize(NamedTuple):
    """A validated image: columns of the manifest."""

    file: str
    sha256: str
    page: int
    black: float
    white: float


def write_resized(
    raw: str,
    validated: Path,
    out: Path,
    settings: Resize,
    background: Colour = WHITE,
    workers: int | None = None,
) -> dict:
    """Write every accepted image in one form into the store ``out``, its mask into ``out/masks``, and check the store.

    Args:
        raw: the raw images.
        validated: the folder that the audit wrote.
        out: the folder of the new store; it is left as it was if this fails.
        settings: the form that is asked for.
        background: RGB, 0 to 255; transparent images are laid on it.
        workers: the number of processes; as many as cores if None.

    Returns:
        What is also written to ``normalisation.json`` in ``out``: the form, mean and std of each channel over the train
        split (pixels in [0, 1]), and what the checks measured.

    Raises:
        SourceError: if a file has changed since it was validated.
        NormalisationError: if a check fails.
    """
    manifest = tables.read(Path(validated) / "manifest.parquet", [*INDEX, "colourfulness"])
    form = chosen_form(manifest, settings)
    source = sources.open_source(raw)
    chunks = compute.chunks(_files_to_resize(manifest), FILES_PER_CHUNK)
    resized = compute.map_ordered(partial(_resized_files, source, form, background), chunks, workers)
    with files.written_aside(out) as aside:
        writer = ShardWriter(aside, form.height_px, form.width_px, form.channels)
        for images in progress.track(resized, len(chunks), f"resize, chunks of {FILES_PER_CHUNK} images"):
            writer.append(images)
        writer.close(manifest[INDEX])
        store = ShardStore(aside)
        mean, std = proof.moments(store, store.rows("train"))
        checks = proof.check_store(store)
        shifts = splits.check_splits(store, settings.check_splits)
        channel_order = check_against_second_decoder(store, source, form, settings.check_images, background)
        report = asdict(form) | {"color": "rgb" if form.channels == 3 else "grey", "mean": mean, "std": std}
        report["checks"] = {"float_view": checks, "channel_order": channel_order, "shift_from_train": shifts}
        if (manifest["mask"] != "").any():
            read = partial(_decoded_mask, source)
            masks.write(
                read, tables.read(Path(validated) / "masks.parquet", masks.COLUMNS), form, aside / masks.FOLDER, workers
            )
        files.write_json(aside / "normalisation.json", report)
    return report


def chosen_form(manifest: pd.DataFrame, settings: Resize) -> Form:
    """Return the form that ``settings`` ask for; the train images decide what ``auto`` means.

    An ``auto`` side is the median of their longer sides in pixels, rounded up to a multiple of 4, at least 16 and at
    most 64. An ``auto`` colour is RGB if any of them has colour.
    """
    train = manifest[manifest["split"] == "train"]
    side = int(np.median(train[["width_px", "height_px"]].max(axis=1))) if len(train) else AUTO_MAX_PX
    side = min(max(-(-side // AUTO_MULTIPLE_PX) * AUTO_MULTIPLE_PX, AUTO_MIN_PX), AUTO_MAX_PX)
    height, width = (side if asked == "auto" else asked for asked in (settings.height_px, settings.width_px))
    coloured = bool((train["colourfulness"] > COLOURED).any())
    rgb = coloured if settings.color == "auto" else settings.color == "rgb"
    return Form(height, width, 3 if rgb else 1, settings.fit)


def check_against_second_decoder(
    store: ShardStore, source: sources.Source, form: Form, count: int, background: Colour = WHITE
) -> dict:
    """Decode ``count`` files, evenly spread over the store, with Pillow, and compare them with the stored pixels.

    Returns and raises as :func:`morelike.images.normalisation.check_channel_order` does.
    """
    rows = np.unique(np.linspace(0, len(store) - 1, min(count, len(store))).round().astype(int))
    sample = store.index.iloc[rows]
    tasks = _files_to_resize(sample)
    second = [to_form(image, form) for image in _decoded(source, pixels.decode, background, tasks)]
    return normalisation.check_channel_order(store.read(rows), np.stack(second), sample["file"].tolist())


def _files_to_resize(table: pd.DataFrame) -> list[FileToResize]:
    return [FileToResize(*row) for row in table[list(FileToResize._fields)].itertuples(index=False)]


def _resized_files(source: sources.Source, form: Form, background: Colour, tasks: list[FileToResize]) -> np.ndarray:
    return np.stack([to_form(image, form) for image in _decoded(source, pixels.decode_fast, background, tasks)])


def _decoded(
    source: sources.Source, decode: Decoder, background: Colour, tasks: list[FileToResize]
) -> Iterator[np.ndarray]:
    """Decode validated files with the range that the audit decided; a stack is read once for slices in a row.

    Raises:
        SourceError: if a file's sha256 is not what it was, or it cannot be read or decoded now.
    """
    path, data = "", b""
    for task in tasks:
        with _as_audited(task.file):
            wanted = path_of(task.file, task.page)
            if wanted != path:
                path, data = wanted, _bytes(source, wanted, task.sha256)
            span = Span(task.black, task.white, clips=True)
            yield decode(stacks.alone(data, task.page, NO_LIMIT), NO_LIMIT, background, span)


def _decoded_mask(source: sources.Source, name: str, sha256: str) -> np.ndarray:
    """Decode a validated mask.

    Raises:
        SourceError: as :func:`_decoded`.
    """
    with _as_audited(name):
        return decode_mask(_bytes(source, name, sha256), NO_LIMIT)


def _bytes(source: sources.Source, name: str, sha256: str) -> bytes:
    data = source.read(name)
    if hashlib.sha256(data).hexdigest() != sha256:
        raise ImageError("changed", "its sha256 is another one")
    return data


@contextlib.contextmanager
def _as_audited(name: str) -> Iterator[None]:
    try:
        yield
    except ImageError as error:
        raise SourceError(
            f"{name} was accepted by validate but cannot be used now ({error}): the raw images have changed since; "
            "run `dvc repro` to validate them again"
        ) from error
