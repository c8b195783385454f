"""Classical augmentation in the words of torchvision, for those who train without this library."""

import math

from morelike.images.settings import Classical

ELASTIC_SMOOTHNESS = 0.1  # sigma of torchvision's smoothing, as a share of the longer side: near a 5×5 grid of shifts
LEVELS = 8  # bits of a channel


def transforms(classical: Classical, height_px: int, width_px: int) -> list[str]:
    """Return ``torchvision.transforms.v2`` transforms of one image, as Python expressions, in order.

    They take a PIL image, as ``ImageFolder`` gives it, and give a float tensor C×H×W in [0, 1]. The strengths are
    those of ``classical``; the draws differ in detail: torchvision brightens by a factor, fills with black what comes
    from outside, and its elastic shifts are smoothed noise.
    """
    geometry = [*_affine(classical), *_elastic(classical.elastic * max(height_px, width_px), height_px, width_px)]
    mirror = ["v2.RandomHorizontalFlip()"] if classical.flip else []
    erasing = [f"v2.RandomErasing(p=1, scale=(0, {classical.erase:g}), value=0.5)"] if classical.erase else []
    tones = [*_light(classical), *_tones(classical)]
    return ["v2.ToImage()", *mirror, *geometry, *tones, "v2.ConvertImageDtype()", *erasing]


def batch_transforms(classical: Classical, classes: int) -> list[str]:
    """Return the transforms of a batch of images and of their class numbers: none, or one that mixes pairs."""
    names = {"none": [], "mixup": ["MixUp"], "cutmix": ["CutMix"]}
    return [f"v2.{name}(num_classes={classes})" for name in names[classical.mix]]


def _affine(classical: Classical) -> list[str]:
    given = [f"degrees={classical.rotate_deg:g}"]
    if classical.translate:
        given.append(f"translate=({classical.translate:g}, {classical.translate:g})")
    if classical.scale:
        given.append(f"scale=({1 / (1 + classical.scale):.4g}, {1 / (1 - classical.scale):.4g})")
    if classical.shear_deg:
        given.append(f"shear={classical.shear_deg:g}")
    moves = classical.rotate_deg or len(given) > 1
    return [f"v2.RandomAffine({', '.join(given)}, interpolation=v2.InterpolationMode.BILINEAR)"] if moves else []


def _elastic(std_px: float, height_px: int, width_px: int) -> list[str]:
    """Return an elastic transform whose shifts have the standard deviation ``std_px``.

    torchvision smooths uniform draws from -1 to 1, variance 1/3, by a Gaussian of ``sigma``, which divides the
    variance by 4π sigma², and shifts by alpha/2 pixels times that.
    """
    if not std_px:
        return []
    sigma = min(ELASTIC_SMOOTHNESS * max(height_px, width_px), min(height_px, width_px) / 4.5)  # the kernel has to fit
    alpha = 2 * std_px * math.sqrt(3 * 4 * math.pi) * sigma
    return [f"v2.ElasticTransform(alpha={alpha:.4g}, sigma={sigma:.4g})"]


def _light(classical: Classical) -> list[str]:
    if not (classical.brightness or classical.contrast):
        return []
    return [f"v2.ColorJitter(brightness={classical.brightness:g}, contrast={classical.contrast:g})"]


def _tones(classical: Classical) -> list[str]:
    """Return a choice among tone operations per operation; none of them moves a pixel, so labels are safe."""
    strength = classical.operation_strength
    if not (classical.operations and strength):
        return []
    choices = [
        "v2.RandomAutocontrast(p=1)",
        "v2.RandomEqualize(p=0.5)",
        f"v2.RandomPosterize(bits={LEVELS - round(4 * strength)}, p=1)",
        f"v2.RandomAdjustSharpness({1 + strength:g}, p=1)",
        f"v2.GaussianBlur(3, sigma=(0.1, {0.1 + strength:g}))",
    ]
    return [f"v2.RandomChoice([{', '.join(choices)}])"] * classical.operations
