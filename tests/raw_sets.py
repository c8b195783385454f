"""Raw sets that are drawn: one without a fault, one with many."""

from pathlib import Path

import numpy as np
from PIL import Image

from tests.pictures import picture

SIDE_PX = 24
# So small a set has too large a share of faulty files for the rules of the project.
RULES = """
validate:
  max_quarantined_share: 0.9
  codes:
    small_class: {policy: warn}
    wrong_extension: {policy: fix}
    empty: {at_most: 9}
    truncated: {at_most: 9}
"""


def distinct(seed: int, channels: int = 3) -> np.ndarray:
    """Return a picture that is like no other, uint8 24×24×C."""
    noise = np.random.default_rng(seed).integers(0, 40, (SIDE_PX, SIDE_PX, channels))
    return (picture(SIDE_PX, SIDE_PX, channels, seed) // 2 + noise + 60).astype(np.uint8)


def save(path: Path, image: np.ndarray | Image.Image, **options) -> None:
    """Save pixels, H×W×C, or an image."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(image, np.ndarray):
        image = Image.fromarray(image[:, :, 0] if image.shape[2] == 1 else image)
    image.save(path, **options)


def plain(root: Path, count: int = 6, seed: int = 0) -> Path:
    """Draw a set without a fault: ``count`` PNGs in each of two classes."""
    for number in range(count):
        for place, label in enumerate(("cat", "dog")):
            save(root / label / f"{number}.png", distinct(1000 * (seed + 1) + 2 * number + place))
    return root


def odd(root: Path) -> Path:
    """Draw a set with damaged, doubled and odd files."""
    plain(root)
    turned = Image.Exif()
    turned[0x0112] = 6
    save(root / "cat/turned.jpg", distinct(20), exif=turned)
    save(root / "cat/kept.jpg", distinct(21), quality=95)
    save(root / "cat/clear.png", Image.fromarray(np.dstack([distinct(22), distinct(23, 1)])))
    save(root / "cat/palette.png", Image.fromarray(distinct(24)).quantize(64))
    save(root / "cat/grey_palette.png", Image.fromarray(distinct(25, 1)[:, :, 0]).quantize(64))
    save(root / "cat/ink.jpg", Image.fromarray(distinct(26)).convert("CMYK"))
    save(root / "dog/deep.png", Image.fromarray(distinct(27, 1)[:, :, 0].astype(np.uint16) * 257))
    grey = distinct(28, 1)
    save(root / "dog/grey.png", grey)
    save(root / "dog/grey_as_rgb.png", np.repeat(grey, 3, axis=2))  # the same picture, once it is grey too
    save(root / "dog/old.bmp", distinct(29))
    moving = [Image.fromarray(distinct(seed)) for seed in (30, 31)]
    save(root / "dog/moving.gif", moving[0], save_all=True, append_images=moving[1:])
    save(root / "dog/named_wrong.png", distinct(32), format="JPEG")
    save(root / "dog/sub/0.png", distinct(33))  # a second dog/0
    (root / "cat/cut.png").write_bytes((root / "cat/0.png").read_bytes()[:300])
    (root / "cat/empty.png").touch()
    (root / "dog/<b>text.jpg").write_bytes(b"no image")
    (root / "dog/again.png").write_bytes((root / "dog/0.png").read_bytes())
    return root
