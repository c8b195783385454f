"""Convert a loaded 8-bit Pillow image of any mode to uint8 grey or RGB, and report the profile it had."""

import io
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageCms

Colour = tuple[int, int, int]
WHITE: Colour = (255, 255, 255)
ALPHA_MODES = ("LA", "PA", "RGBA", "La", "RGBa")
GREY_MODES = ("1", "L", "LA", "La")
PROFILE_SPACES = {"RGB": "RGB ", "CMYK": "CMYK", "L": "GRAY"}
STRIP_ROWS = 256
COLOURED = 2.0 / 255  # an image above this colourfulness has colour; JPEG artefacts in a grey image stay below it
SRGB = ImageCms.createProfile("sRGB")


@dataclass(frozen=True)
class Converted:
    """Pixels, and what they were converted from.

    Attributes:
        pixels: uint8 H×W×1 for a grey image, H×W×3 in RGB order for any other.
        numbers: the kind of number of a deep image (:mod:`morelike.images.deep`), "" for 8 bits.
        low: the smallest number in the file.
        high: the largest number in the file.
        black: the number in the file that became 0.
        white: the number in the file that became 255.
        alpha: whether the file has an alpha channel, or a colour that counts as transparent.
        transparent_share: share of the picture that shows the background, in [0, 1].
        profile: name of the ICC profile that was converted to sRGB, "" if there was none to convert.
    """

    pixels: np.ndarray
    numbers: str = ""
    low: float = 0.0
    high: float = 255.0
    black: float = 0.0
    white: float = 255.0
    alpha: bool = False
    transparent_share: float = 0.0
    profile: str = ""


def convert(image: Image.Image, background: Colour = WHITE) -> Converted:
    """Convert a loaded image of 8 bits per value to uint8 grey or RGB.

    - Alpha is composited on ``background`` (RGB, 0 to 255).
    - Palettes, CMYK and LAB become RGB.
    - An ICC profile other than sRGB is converted to sRGB, with perceptual intent.
    """
    if has_alpha(image):
        return _composited(image, background)
    if image.mode == "LAB":
        lab = ImageCms.createProfile("LAB")
        return Converted(np.asarray(ImageCms.profileToProfile(image, lab, SRGB, outputMode="RGB")))
    profile = foreign_profile(image)
    if profile is not None:
        image = ImageCms.profileToProfile(image, profile, SRGB, outputMode="L" if image.mode == "L" else "RGB")
    return Converted(_plain(image), profile=_name(profile) if profile is not None else "")


def has_alpha(image: Image.Image) -> bool:
    """Tell whether an image has an alpha channel or a transparent colour."""
    return image.mode in ALPHA_MODES or "transparency" in image.info


def foreign_profile(image: Image.Image) -> ImageCms.ImageCmsProfile | None:
    """Return the ICC profile if it must be converted: it can be read, fits the mode and is not sRGB; else None."""
    data = image.info.get("icc_profile")
    if not data or image.mode not in PROFILE_SPACES:
        return None
    try:
        profile = ImageCms.ImageCmsProfile(io.BytesIO(data))
        fits = profile.profile.xcolor_space == PROFILE_SPACES[image.mode]
        if not fits or "srgb" in _name(profile).lower():
            return None
        ImageCms.buildTransform(profile, SRGB, image.mode, "L" if image.mode == "L" else "RGB")
    except (OSError, ImageCms.PyCMSError, ValueError, TypeError):
        return None  # a damaged profile is ignored, as image viewers do
    return profile


def _name(profile: ImageCms.ImageCmsProfile) -> str:
    return " ".join((profile.profile.profile_description or "unnamed").split())


def _plain(image: Image.Image) -> np.ndarray:
    if image.mode in ("L", "1"):
        return np.asarray(image.convert("L"))[:, :, None]
    return np.asarray(image if image.mode == "RGB" else image.convert("RGB"))


def _composited(image: Image.Image, background: Colour) -> Converted:
    """Lay an image on ``background`` strip by strip, so that a large one needs little more than its result."""
    grey = image.mode in GREY_MODES and len(set(background)) == 1
    laid = np.empty((image.height, image.width, 1 if grey else 3), np.uint8)
    opaque = 0
    for top in range(0, image.height, STRIP_ROWS):
        rgba = image.crop((0, top, image.width, min(top + STRIP_ROWS, image.height))).convert("RGBA")
        alpha = rgba.getchannel("A")
        opaque += sum(level * count for level, count in enumerate(alpha.histogram()))
        flat = Image.new("RGB", rgba.size, background)
        flat.paste(rgba, mask=alpha)
        laid[top : top + STRIP_ROWS] = _plain(flat.convert("L") if grey else flat)
    return Converted(laid, alpha=True, transparent_share=1 - opaque / 255 / (image.width * image.height))
