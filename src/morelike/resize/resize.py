"""Give every image one form: upright, one colour mode, one size, antialiased; store it as uint8 shards, checked."""

import hashlib
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from morelike.core import compute, files, progress
from morelike.images import normalisation, pixels
from morelike.images.colour import COLOURED, WHITE, Colour
from morelike.images.errors import ImageError
from morelike.resize import proof
from morelike.resize.settings import Resize
from morelike.storage import sources, tables
from morelike.storage.errors import SourceError
from morelike.storage.shards import ShardStore, ShardWriter

FILES_PER_CHUNK = 32
AUTO_MIN_PX, AUTO_MAX_PX, AUTO_MULTIPLE_PX = 16, 64, 4
FileToResize = tuple[str, str, int]  # file, sha256, number of pixels
Decoder = Callable[[bytes, int], np.ndarray]
INDEX = ["file", "label", "split", "group", "sha256", "phash", "width_px", "height_px"]


@dataclass(frozen=True)
class Form:
    """The form of all stored images: size, channels (1: grey, 3: RGB), and how an image of another shape is fitted."""

    height_px: int
    width_px: int
    channels: int
    fit: str


def write_resized(
    raw: str,
    validated: Path,
    out: Path,
    settings: Resize,
    background: Colour = WHITE,
    workers: int | None = None,
) -> dict:
    """Write every accepted image in one form into the store ``out``, and check the store.

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
        shifts = proof.check_splits(store)
        channel_order = check_against_second_decoder(store, source, form, settings.check_images, background)
        report = asdict(form) | {"color": "rgb" if form.channels == 3 else "grey", "mean": mean, "std": std}
        report["checks"] = {"float_view": checks, "channel_order": channel_order, "shift_from_train": shifts}
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


def to_form(image: np.ndarray, form: Form) -> np.ndarray:
    """Return a uint8 H×W×{1,3} image in ``form``, uint8 too.

    ``pad`` keeps the whole image and fills the rest with the median colour of its border, ``crop`` keeps
    the middle, ``stretch`` changes the aspect.
    """
    image = pixels.to_colour(image, form.channels)
    height, width = image.shape[:2]
    if form.fit == "stretch":
        return antialiased(image, form.height_px, form.width_px)
    choose = min if form.fit == "pad" else max
    scale = choose(form.height_px / height, form.width_px / width)
    fitted = antialiased(image, max(round(height * scale), 1), max(round(width * scale), 1))
    return _padded(fitted, form) if form.fit == "pad" else _cropped(fitted, form)


def antialiased(image: np.ndarray, height: int, width: int) -> np.ndarray:
    """Resample uint8 H×W×{1,3} with a bicubic kernel (a = -0.5; Keys 1981) that widens with the reduction.

    A frequency above the new Nyquist limit is suppressed instead of aliased: at 1.5 times the limit 6% of its
    amplitude is left; an area average (OpenCV's INTER_AREA) leaves 30%.
    """
    if image.shape[:2] == (height, width):
        return image
    plane = Image.fromarray(image[:, :, 0] if image.shape[2] == 1 else image)
    resampled = plane.resize((width, height), Image.Resampling.BICUBIC, reducing_gap=3.0)
    return np.asarray(resampled).reshape(height, width, image.shape[2])


def check_against_second_decoder(
    store: ShardStore, source: sources.Source, form: Form, count: int, background: Colour = WHITE
) -> dict:
    """Decode ``count`` files, evenly spread over the store, with Pillow, and compare them with the stored pixels.

    Returns and raises as :func:`morelike.images.normalisation.check_channel_order` does.
    """
    rows = np.unique(np.linspace(0, len(store) - 1, min(count, len(store))).round().astype(int))
    sample = store.index.iloc[rows]
    decoder = partial(pixels.decode, background=background)
    second = [to_form(_decoded(source, decoder, *task), form) for task in _files_to_resize(sample)]
    return normalisation.check_channel_order(store.read(rows), np.stack(second), sample["file"].tolist())


def _files_to_resize(table: pd.DataFrame) -> list[FileToResize]:
    limits = table["width_px"] * table["height_px"]
    return list(zip(table["file"].tolist(), table["sha256"].tolist(), limits.tolist(), strict=True))


def _resized_files(source: sources.Source, form: Form, background: Colour, tasks: list[FileToResize]) -> np.ndarray:
    decoder = partial(pixels.decode_fast, background=background)
    return np.stack([to_form(_decoded(source, decoder, *task), form) for task in tasks])


def _decoded(source: sources.Source, decoder: Decoder, name: str, sha256: str, max_pixels: int) -> np.ndarray:
    """Decode a validated file.

    Raises:
        SourceError: if its sha256 is not what it was, or it cannot be read or decoded now.
    """
    try:
        data = source.read(name)
        if hashlib.sha256(data).hexdigest() != sha256:
            raise ImageError("changed", "its sha256 is another one")
        return decoder(data, max_pixels)
    except ImageError as error:
        raise SourceError(
            f"{name} was accepted by validate but cannot be used now ({error}): the raw images have changed since; "
            "run `dvc repro` to validate them again"
        ) from error


def _padded(image: np.ndarray, form: Form) -> np.ndarray:
    height, width, channels = image.shape
    border = np.concatenate([image[0], image[-1], image[:, 0], image[:, -1]])
    padded = np.empty((form.height_px, form.width_px, channels), np.uint8)
    padded[:] = np.median(border, axis=0).round()
    top, left = (form.height_px - height) // 2, (form.width_px - width) // 2
    padded[top : top + height, left : left + width] = image
    return padded


def _cropped(image: np.ndarray, form: Form) -> np.ndarray:
    top, left = (image.shape[0] - form.height_px) // 2, (image.shape[1] - form.width_px) // 2
    return image[top : top + form.height_px, left : left + form.width_px]
