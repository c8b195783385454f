"""Check that arrays are what a model expects. Pure functions on arrays.

Each fault has its own message: what was expected, what was found, the first row and file, and the usual cause.
"""

from collections.abc import Sequence

import numpy as np

from morelike.images.errors import NormalisationError

COLOUR_LEVELS = 2.0  # mean |R - B| in levels of 255; above it a swap of red and blue can be detected
SAME_PICTURE_LEVELS = 4.0  # two decoders show the same picture up to this mean difference, in levels of 255
SCALES_APART = 8.0  # ratio of the two maxima from which the scales differ; added noise stays below it


def check_batch(
    images: np.ndarray, shape: tuple[int, int, int], names: Sequence[str] | None = None, first_row: int = 0
) -> tuple[float, float]:
    """Check a batch as a model reads it: float32 N×C×H×W, finite, in [0, 1].

    Args:
        images: the batch.
        shape: the expected (channels, height, width).
        names: the file of each image, for messages.
        first_row: row of the first image in its store, for messages.

    Returns:
        The smallest and the largest value.

    Raises:
        NormalisationError: names the fault, its cause, the first row and file, and what to do.
    """
    if images.ndim != 4 or images.shape[1:] != tuple(shape):
        hint = ""
        if images.ndim == 4 and images.shape[1:] == (*shape[1:], shape[0]):
            hint = " (channels stand last: pass it through pixels.to_float)"
        expected = "×".join(map(str, shape))
        raise NormalisationError(
            f"wrong shape: expected N×{expected} (channels×height×width), got {images.shape}{hint}, "
            f"first {_where(0, names, first_row)}; rerun `dvc repro resize`"
        )
    if images.dtype != np.float32:
        raise NormalisationError(
            f"wrong dtype: expected float32, got {images.dtype}, first {_where(0, names, first_row)}; "
            "pass uint8 pixels through pixels.to_float"
        )
    if len(images) == 0:
        raise NormalisationError("an empty batch: there is nothing to check")
    _check_finite(images, names, first_row)
    _check_range(images, names, first_row)
    return float(images.min()), float(images.max())


def _check_finite(images: np.ndarray, names: Sequence[str] | None, first_row: int) -> None:
    broken = ~np.isfinite(images)
    if not broken.any():
        return
    count = broken.reshape(len(images), -1).sum(axis=1)
    first = int(np.flatnonzero(count)[0])
    where, size = _where(first, names, first_row), images[first].size
    if np.isnan(images[first]).all():
        raise NormalisationError(
            f"not finite: every value of {where} is NaN: a division by a zero range or a zero std, as when a constant "
            "image is scaled by its own minimum and maximum; divide by 255 instead, or quarantine the image"
        )
    kind = "NaN" if np.isnan(images[first]).any() else "infinite"
    raise NormalisationError(
        f"not finite: {count[first]} of {size} values of {where} are {kind} ({int((count > 0).sum())} images of the "
        "batch have such values); no uint8 pixel can give one: find the arithmetic that ran after decoding"
    )


def _check_range(images: np.ndarray, names: Sequence[str] | None, first_row: int) -> None:
    lows, highs = images.min(axis=(1, 2, 3)), images.max(axis=(1, 2, 3))
    outside = np.flatnonzero((lows < 0) | (highs > 1))
    if not len(outside):
        return
    first = int(outside[0])
    low, high = float(lows[first]), float(highs[first])
    got = f"expected values in [0, 1], got {low:g} to {high:g} in {_where(first, names, first_row)}"
    if lows.min() >= 0 and highs.max() <= 255 and highs.max() > 2:
        raise NormalisationError(
            f"not normalised: {got}: these are 0 to 255 levels; divide by 255 (pixels.to_float does)"
        )
    if lows.min() < 0:
        raise NormalisationError(
            f"out of range: {got}: a mean was subtracted or the range is [-1, 1]; the models do that themselves, "
            "give them values in [0, 1]"
        )
    raise NormalisationError(f"out of range: {got}: clip after whatever brightened it")


def check_pair(inputs: np.ndarray, targets: np.ndarray, names: Sequence[str] | None = None, first_row: int = 0) -> None:
    """Check that a network's inputs and its targets have the same dtype, shape and scale.

    Args:
        inputs: N×C×H×W (or N×H×W×C), any dtype. A network's outputs can be checked against their targets too.
        targets: what the outputs are compared with, in the same form.
        names: the file of each image, for messages.
        first_row: row of the first image in its store, for messages.

    Raises:
        NormalisationError: names the fault, its cause, the first row and file, and what to do.
    """
    where = _where(0, names, first_row)
    if inputs.dtype != targets.dtype:
        raise NormalisationError(
            f"input and target differ in dtype: {inputs.dtype} and {targets.dtype}, first {where}; "
            "pass both through pixels.to_float"
        )
    if inputs.shape != targets.shape:
        sides = zip(inputs.shape[1:], targets.shape[1:], strict=False)
        odd = [max(pair, key=lambda side: side % 2) for pair in sides if abs(pair[0] - pair[1]) == 1]
        hint = (
            f" {odd[0]} is odd: a stride of 2 cannot mirror it; pad to an even size and cut the output" if odd else ""
        )
        raise NormalisationError(
            f"input and target differ in shape: {inputs.shape} and {targets.shape}, "
            f"first {where};{hint or ' pair them anew'}"
        )
    if not inputs.size:
        return
    highs = float(np.abs(inputs).max()), float(np.abs(targets).max())
    if max(highs) > SCALES_APART * max(min(highs), 1e-6) and max(highs) > SCALES_APART:
        low, high = ("input", "target") if highs[0] < highs[1] else ("target", "input")
        raise NormalisationError(
            f"input and target are not on one scale: the {low} reaches {min(highs):g}, the {high} {max(highs):g}, "
            f"first {where}: the {high} was left in 0 to 255 levels; a sigmoid's output never meets it, and its loss "
            "has no bottom; divide both by 255 (pixels.to_float does)"
        )


def check_channel_order(stored: np.ndarray, second: np.ndarray, names: Sequence[str]) -> dict:
    """Compare stored pixels with those of a second decoder, both uint8 N×H×W×C.

    Returns:
        ``images``; ``told_apart``, those with enough colour to show a swap of red and blue; ``grey``, the others; and
        ``max_difference_levels``, the largest mean difference of an image, in levels of 255.

    Raises:
        NormalisationError: if an image is closer to the second decoder's with red and blue swapped, or is
            another picture altogether.
    """
    if stored.shape != second.shape or stored.dtype != np.uint8 or second.dtype != np.uint8:
        raise NormalisationError(
            f"wrong shape: expected two uint8 arrays of one shape, got {stored.dtype} {stored.shape} "
            f"and {second.dtype} {second.shape}"
        )
    straight = _mean_difference(stored, second)
    swapped = _mean_difference(stored, second[..., ::-1])
    chroma = _mean_difference(second, second[..., ::-1]) if second.shape[3] == 3 else np.zeros(len(second))
    tells = chroma > COLOUR_LEVELS
    if (wrong := tells & (swapped < straight)).any():
        image = int(np.argmax(wrong))
        raise NormalisationError(
            f"red and blue are swapped in {names[image]} ({wrong.sum()} of {len(stored)} files): "
            f"{straight[image]:.1f} levels of 255 from the second decoder's RGB, {swapped[image]:.1f} "
            "from its BGR; OpenCV's order must not leave pixels.py"
        )
    if (wrong := straight > SAME_PICTURE_LEVELS).any():
        image = int(np.argmax(wrong))
        raise NormalisationError(
            f"two decoders disagree on {names[image]} ({wrong.sum()} of {len(stored)} files): "
            f"{straight[image]:.1f} levels of 255 apart on average, limit {SAME_PICTURE_LEVELS:g}; "
            "rows may be out of step with files: delete the store and run `dvc repro resize`"
        )
    return {
        "images": len(stored),
        "told_apart": int(tells.sum()),
        "grey": int((~tells).sum()),
        "max_difference_levels": float(straight.max(initial=0)),
    }


def _mean_difference(images: np.ndarray, others: np.ndarray) -> np.ndarray:
    return np.abs(images.astype(np.int16) - others).mean(axis=(1, 2, 3))


def _where(position: int, names: Sequence[str] | None, first_row: int) -> str:
    row = f"row {first_row + position}"
    return f"{row} ({names[position]})" if names is not None else row
