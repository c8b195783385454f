"""2,000 clean images with 20 of each fault planted: recall and precision of the audit, per fault code.

Precision counts the clean images that are called faulty; a planted image may rightly have a second fault (a black one
has little information), which is not counted against it.
"""

import io
import os
import struct
import sys
import tempfile
import zlib
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
from PIL import Image, ImageCms

sys.path.insert(0, str(Path(__file__).resolve().parent))
import images

from morelike.core import settings
from morelike.resize.settings import Resize
from morelike.storage.settings import Data
from morelike.storage.sources import open_source
from morelike.validate import collection, run
from morelike.validate.settings import Validate

PLANTED = 20
PLANTED_NEAR = 100  # 20 are too few to measure a share of 95%
ORIENTATION = 0x0112
Picture = np.ndarray


def main() -> None:
    """Plant faults, audit, and print a line per fault code."""
    asked = images.arguments(__doc__, 2_000)
    pool = images.unlike(images.sources(asked.images), asked.count + PLANTED * len(PLANTS))
    clean, spare = pool[: asked.count], iter(pool[asked.count :])
    params = settings.read(Path(__file__).resolve().parents[1] / "params.yaml")
    fault_rules, form = params.section("validate", Validate).codes, params.section("resize", Resize)
    sides = form.height_px, form.width_px
    with tempfile.TemporaryDirectory() as home:
        raw = Path(home) / "raw"
        images.write(raw, clean)
        planted = {
            code: [_plant(raw, code, n, plant(next(spare))) for n in range(PLANTED)] for code, plant in PLANTS.items()
        }
        planted |= _duplicates(raw, clean) | _links(raw)
        source = open_source(raw)
        background, bomb = params.section("data", Data).background_rgb, int(fault_rules["bomb"].limit)
        reading = collection.Reading(bomb, background)
        table, _ = collection.collect(source, source.entries(), reading, Path(home) / "cache")
        _, found = run.find_faults(table, fault_rules, None if "auto" in sides else sides)
    print(f"{len(clean)} clean images, {PLANTED} of each fault, {PLANTED_NEAR} of each kind of near-duplicate")
    print(f"{'fault':>28} {'recall':>7} {'precision':>10} {'clean called so':>16}")
    for name, files in planted.items():
        _print(name, files, found, len(clean))


def _print(name: str, files: list[str], found: pd.DataFrame, clean: int) -> None:
    code = name.partition(" ")[0]
    called = set(found.loc[found["code"] == code, "file"])
    hits = len(called & set(files))
    false = sum(1 for file in called if "planted" not in file)
    precision = hits / (hits + false) if hits + false else float("nan")
    print(f"{name:>28} {hits / len(files):7.0%} {precision:10.0%} {false:10d} of {clean}")


def _plant(raw: Path, code: str, number: int, made: tuple[bytes, str]) -> str:
    data, ending = made
    folder = raw if code == "stray" else raw / f"class_{number % 10}"
    path = folder / f"planted_{code}_{number}{ending}"
    path.write_bytes(data)
    return path.relative_to(raw).as_posix()


def _duplicates(raw: Path, clean: list[Picture]) -> dict[str, list[str]]:
    """Plant duplicates of clean images: the same pixels, and nearly the same in four ways."""
    rows = np.random.default_rng(1).permutation(len(clean))
    planted = {"exact_duplicate": [], "label_conflict": []}
    for number, row in enumerate(rows[: 2 * PLANTED]):
        data = (raw / f"class_{row % 10}" / f"{row:06d}.jpg").read_bytes()
        code = "exact_duplicate" if number < PLANTED else "label_conflict"
        same = number < PLANTED
        path = raw / f"class_{(row if same else row + 1) % 10}" / f"planted_{code}_{number}.jpg"
        path.write_bytes(data)
        planted[code].append(path.relative_to(raw).as_posix())
    for place, (name, change) in enumerate(NEAR.items()):
        start = 2 * PLANTED + place * PLANTED_NEAR
        those = enumerate(rows[start : start + PLANTED_NEAR])
        planted[name] = [_near(raw, clean[row], row, number, place, change) for number, row in those]
    return planted


def _near(raw: Path, image: Picture, row: int, number: int, place: int, change: Callable) -> str:
    path = raw / f"class_{row % 10}" / f"planted_near{place}_{number}.jpg"
    path.write_bytes(change(image))
    return path.relative_to(raw).as_posix()


def _links(raw: Path) -> dict[str, list[str]]:
    outside = raw.parent / "outside.jpg"
    outside.write_bytes((raw / "class_0/000000.jpg").read_bytes())
    planted: dict[str, list[str]] = {"missing": [], "link_out": [], "unreadable": []}
    for number in range(PLANTED):
        targets = {"missing": raw.parent / "nowhere.jpg", "link_out": outside}
        for code, files in planted.items():
            path = raw / f"class_{number % 10}" / f"planted_{code}_{number}.jpg"
            os.mkfifo(path) if code == "unreadable" else path.symlink_to(targets[code])
            files.append(path.relative_to(raw).as_posix())
    return planted


def encoded(image: Picture, ending: str, *options: int) -> tuple[bytes, str]:
    """Encode BGR pixels by OpenCV."""
    return cv2.imencode(ending, image, list(options))[1].tobytes(), ending


def saved(image: Image.Image, kind: str, ending: str, **options: object) -> tuple[bytes, str]:
    """Encode a Pillow image."""
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue(), ending


def pillow(image: Picture) -> Image.Image:
    """Return BGR pixels as a Pillow image."""
    return Image.fromarray(np.ascontiguousarray(image[:, :, ::-1]))


def _turned(image: Picture) -> tuple[bytes, str]:
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    return saved(pillow(image), "JPEG", ".jpg", exif=exif)


def _lab(image: Picture) -> tuple[bytes, str]:
    srgb, lab = ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB")
    return saved(ImageCms.profileToProfile(pillow(image), srgb, lab, outputMode="LAB"), "TIFF", ".tif")


def _profiled(image: Picture) -> tuple[bytes, str]:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    wide = profile.replace("sRGB".encode("utf-16-be"), "wide".encode("utf-16-be")).replace(b"sRGB", b"wide")
    return saved(pillow(image), "JPEG", ".jpg", icc_profile=wide)


def _floats(image: Picture, change: Callable[[np.ndarray], object]) -> tuple[bytes, str]:
    values = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY).astype(np.float32) / 255
    change(values)
    return saved(Image.fromarray(values), "TIFF", ".tif")


def _damaged_png(image: Picture) -> tuple[bytes, str]:
    data, ending = encoded(image, ".png")
    middle = len(data) // 2
    return data[:middle] + bytes(40) + data[middle + 40 :], ending


def _bomb(_image: Picture) -> tuple[bytes, str]:
    body = b"IHDR" + struct.pack(">IIBBBBB", 50_000, 50_000, 8, 2, 0, 0, 0)
    chunk = struct.pack(">I", 13) + body + struct.pack(">I", zlib.crc32(body))
    return b"\x89PNG\r\n\x1a\n" + chunk + bytes(4) + b"IDAT" + bytes(4), ".png"


def _half(image: Picture) -> tuple[bytes, str]:
    data, ending = encoded(image, ".jpg")
    return data[: len(data) * 2 // 3], ending


def _scaled(image: Picture, gain: float, offset: float) -> Picture:
    return (image * np.float32(gain) + offset).clip(0, 255).astype(np.uint8)


def _cropped(image: Picture) -> bytes:
    height, width = image.shape[:2]
    down, across = max(round(0.02 * height), 1), max(round(0.02 * width), 1)
    return encoded(image[down : height - down, across : width - across], ".jpg", cv2.IMWRITE_JPEG_QUALITY, 95)[0]


def _smaller(image: Picture) -> bytes:
    small = cv2.resize(image, None, fx=0.7, fy=0.7, interpolation=cv2.INTER_AREA)
    return encoded(small, ".jpg", cv2.IMWRITE_JPEG_QUALITY, 95)[0]


NEAR: dict[str, Callable[[Picture], bytes]] = {
    "near_duplicate (resized)": _smaller,
    "near_duplicate (JPEG 70)": lambda image: encoded(image, ".jpg", cv2.IMWRITE_JPEG_QUALITY, 70)[0],
    "near_duplicate (cropped 2%)": _cropped,
    "near_duplicate (brighter)": lambda image: encoded(_scaled(image, 1, 12), ".jpg", cv2.IMWRITE_JPEG_QUALITY, 95)[0],
}
PLANTS: dict[str, Callable[[Picture], tuple[bytes, str]]] = {
    "empty": lambda _: (b"", ".jpg"),
    "not_an_image": lambda _: (b"file,label\n1.jpg,cat\n", ".jpg"),
    "truncated": _half,
    "decode_error": _damaged_png,
    "wrong_extension": lambda image: (encoded(image, ".png")[0], ".jpg"),
    "bomb": _bomb,
    "animated": lambda image: saved(
        pillow(image), "GIF", ".gif", save_all=True, append_images=[pillow(np.flipud(image))]
    ),
    "stray": lambda image: encoded(image, ".jpg"),
    "orientation": _turned,
    "alpha": lambda image: encoded(np.dstack([image, np.full(image.shape[:2], 128, np.uint8)]), ".png"),
    "palette": lambda image: saved(pillow(image).quantize(64), "PNG", ".png"),
    "cmyk": lambda image: saved(pillow(image).convert("CMYK"), "JPEG", ".jpg"),
    "lab": _lab,
    "one_bit": lambda image: saved(pillow(image).convert("1"), "PNG", ".png"),
    "sixteen_bit": lambda image: encoded(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY).astype(np.uint16) * 257, ".png"),
    "thirty_two_bit": lambda image: _floats(image, lambda values: None),
    "icc_profile": _profiled,
    "nan": lambda image: _floats(image, lambda values: values.__setitem__((3, 4), np.nan)),
    "infinite": lambda image: _floats(image, lambda values: values.__setitem__((3, 4), np.inf)),
    "out_of_range": lambda image: _floats(image, lambda values: values.__isub__(0.5)),
    "constant": lambda image: encoded(np.full_like(image, image[0, 0]), ".png"),
    "grey_as_rgb": lambda image: encoded(np.repeat(image[:, :, :1], 3, axis=2), ".png"),
    "near_black": lambda image: encoded(_scaled(image, 0.08, 0), ".png"),
    "near_white": lambda image: encoded(_scaled(image, 0.04, 246), ".png"),
    "blurred": lambda image: encoded(cv2.GaussianBlur(image, None, 5.0), ".png"),
    "low_information": lambda image: encoded((image // 250 * 3 + 100).astype(np.uint8), ".png"),
    "clipped": lambda image: encoded(_scaled(image, 4.0, 60), ".png"),
    "channel_order": lambda image: encoded(np.ascontiguousarray(image[:, :, ::-1]), ".png"),
    "odd_size": lambda image: encoded(cv2.resize(image, (800, 800)), ".jpg"),
    "odd_aspect": lambda image: encoded(cv2.resize(image, (300, 50)), ".jpg"),
    "too_small": lambda image: encoded(cv2.resize(image, (7, 7)), ".png"),
    "unsupported": lambda _: (b"%PDF-1.7\n", ".jpg"),
    "damaged": lambda image: (_half(image)[0] + b"\xff\xd9", ".jpg"),
}

if __name__ == "__main__":
    main()
