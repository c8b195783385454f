"""Classical augmentation in the words of torchvision, for those who train without this library."""

import math

from morelike.images.settings import Classical

SMOOTHNESS = 0.1  # sigma of a smoothed noise whose slopes are those of a 5×5 grid of shifts, as a share of the side
SPREAD = 0.82  # of the points of that grid, standard deviation that is left between them
LEVELS_BITS, POSTERIZE_BITS = 8, 4  # of a channel, and how many of them are taken at most
MIXING = {"none": [], "mixup": ["MixUp"], "cutmix": ["CutMix"]}


def transforms(classical: Classical, height_px: int, width_px: int) -> list[str]:
    """Return ``torchvision.transforms.v2`` transforms of one image, as Python expressions, in order.

    They take a PIL image, as ``ImageFolder`` gives it, and give a float tensor C×H×W in [0, 1]. The strengths are
    those of ``classical``; the draws differ in detail: torchvision brightens by a factor, repeats the border outside,
    erases in grey, and has no random gamma.
    """
    mirror = ["v2.RandomHorizontalFlip()"] if classical.flip else []
    erasing = [f"v2.RandomErasing(p=1, scale=(0, {classical.erase:g}), value=0.5)"] if classical.erase else []
    tones = [*_light(classical), *_tones(classical)]
    moves = _moves(classical, height_px, width_px)
    return ["v2.ToImage()", *mirror, *moves, *tones, "v2.ConvertImageDtype()", *erasing]


def batch_transforms(classical: Classical, classes: int) -> list[str]:
    """Return the transforms of a batch of images and of their class numbers: none, or one that mixes pairs."""
    return [f"v2.{name}(num_classes={classes})" for name in MIXING[classical.mix]]


def _moves(classical: Classical, height_px: int, width_px: int) -> list[str]:
    """Return what moves pixels, in a frame as wide as half the image, so that its border comes in from outside."""
    longer = max(height_px, width_px)
    frame = longer // 2
    moves = [
        *_affine(classical, height_px / (height_px + 2 * frame), width_px / (width_px + 2 * frame)),
        *_elastic(classical.elastic * longer * SPREAD, SMOOTHNESS * width_px, SMOOTHNESS * height_px),
    ]
    if not moves:
        return []
    return [f'v2.Pad({frame}, padding_mode="edge")', *moves, f"v2.CenterCrop(({height_px}, {width_px}))"]


def _affine(classical: Classical, of_height: float, of_width: float) -> list[str]:
    """Return an affine map; the image takes the shares ``of_height`` and ``of_width`` of its frame."""
    given = [f"degrees={classical.rotate_deg:g}"]
    if classical.translate:
        given.append(f"translate=({classical.translate * of_width:.4g}, {classical.translate * of_height:.4g})")
    if classical.scale:
        given.append(f"scale=({1 - classical.scale:.4g}, {1 + classical.scale:.4g})")
    if classical.shear_deg:
        given.append(f"shear={classical.shear_deg:g}")
    if not (classical.rotate_deg or len(given) > 1):
        return []
    return [f"v2.RandomAffine({', '.join(given)}, interpolation=v2.InterpolationMode.BILINEAR)"]


def _elastic(std_px: float, sigma_x_px: float, sigma_y_px: float) -> list[str]:
    """Return an elastic transform whose shifts have the standard deviation ``std_px``.

    torchvision smooths uniform draws from -1 to 1, variance 1/3, by a Gaussian, which divides the variance by
    4π sigma_x sigma_y, and shifts by alpha/2 pixels times that.
    """
    if not std_px:
        return []
    alpha = 2 * std_px * math.sqrt(3 * 4 * math.pi * sigma_x_px * sigma_y_px)
    return [f"v2.ElasticTransform(alpha={alpha:.4g}, sigma=[{sigma_x_px:.4g}, {sigma_y_px:.4g}])"]


def _light(classical: Classical) -> list[str]:
    if not (classical.brightness or classical.contrast):
        return []
    return [f"v2.ColorJitter(brightness={classical.brightness:g}, contrast={classical.contrast:g})"]


def _tones(classical: Classical) -> list[str]:
    """Return a choice among tone operations, once per operation; none of them moves a pixel."""
    strength = classical.operation_strength
    if not (classical.operations and strength):
        return []
    choices = [
        f"v2.ColorJitter(brightness={strength:g})",
        f"v2.ColorJitter(saturation={strength:g})",
        f"v2.RandomAdjustSharpness({1 + strength:g}, p=0.5)",
        f"v2.RandomAdjustSharpness({1 - strength:g}, p=0.5)",
        f"v2.RandomPosterize({LEVELS_BITS - round(POSTERIZE_BITS * strength)}, p=0.5)",
        "v2.RandomAutocontrast(p=0.5)",
    ]
    return [f"v2.RandomChoice([{', '.join(choices)}])"] * classical.operations
