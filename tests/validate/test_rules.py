import io
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image, ImageCms
from scipy.ndimage import gaussian_filter

from morelike.core import settings
from morelike.storage.sources import open_source
from morelike.validate import collection, rules
from morelike.validate.codes import CODES
from morelike.validate.settings import Validate

RULES = settings.read(Path(__file__).resolve().parents[2] / "params.yaml").section("validate", Validate).codes
ORIENTATION = 0x0112


def drawn(seed, side=48, warm=60):
    """A smooth picture in the colours of papyrus, RGB."""
    rng = np.random.default_rng(seed)
    field = gaussian_filter(rng.normal(size=(side, side)), 2)
    field = (field - field.min()) / np.ptp(field)
    grain = rng.normal(scale=3, size=(side, side))
    return (
        np.stack([90 + 110 * field + grain + shift for shift in (warm, warm / 2, 0)], axis=2)
        .clip(0, 255)
        .astype("uint8")
    )


def blocks(seed):
    """Squares of 12 pixels in two colours: edges enough to be blurred."""
    chosen = np.random.default_rng(seed).random((6, 6)) < 0.5
    return np.where(chosen.repeat(12, 0).repeat(12, 1)[:, :, None], (200, 170, 140), (110, 80, 50)).astype(np.uint8)


def saved(image, kind, **options):
    file = io.BytesIO()
    (image if isinstance(image, Image.Image) else Image.fromarray(image)).save(file, kind, **options)
    return file.getvalue()


def turned():
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    return saved(drawn(1), "JPEG", exif=exif)


def profiled():
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    return saved(drawn(2), "PNG", icc_profile=profile.replace("sRGB".encode("utf-16-be"), "wide".encode("utf-16-be")))


def in_lab():
    lab = ImageCms.profileToProfile(
        Image.fromarray(drawn(3)), ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), outputMode="LAB"
    )
    return saved(lab, "TIFF")


GREY = cv2.cvtColor(drawn(4), cv2.COLOR_RGB2GRAY)
PLANTED = {
    "orientation.jpg": turned,
    "icc_profile.png": profiled,
    "lab.tif": in_lab,
    "alpha.png": lambda: saved(np.dstack([drawn(5), np.full((48, 48), 99, np.uint8)]), "PNG"),
    "palette.png": lambda: saved(Image.fromarray(drawn(6)).quantize(99), "PNG"),
    "cmyk.jpg": lambda: saved(Image.fromarray(drawn(7)).convert("CMYK"), "JPEG"),
    "one_bit.png": lambda: saved(Image.fromarray(drawn(8)).convert("1"), "PNG"),
    "sixteen_bit.png": lambda: saved(GREY.astype(np.uint16) * 257, "PNG"),
    "thirty_two_bit.tif": lambda: saved(GREY.astype(np.float32) / 255, "TIFF"),
    "animated.gif": lambda: saved(
        Image.fromarray(drawn(9)), "GIF", save_all=True, append_images=[Image.fromarray(drawn(10))]
    ),
    "wrong_extension.jpg": lambda: saved(drawn(11), "PNG"),
    "constant.png": lambda: saved(np.full((48, 48, 3), (9, 99, 199), np.uint8), "PNG"),
    "grey_as_rgb.png": lambda: saved(np.repeat(GREY[:, :, None], 3, axis=2), "PNG"),
    "near_black.png": lambda: saved((drawn(12) * 0.08).astype(np.uint8), "PNG"),
    "near_white.png": lambda: saved((246 + drawn(13) * 0.03).astype(np.uint8), "PNG"),
    "blurred.png": lambda: saved(cv2.GaussianBlur(blocks(14), None, 5.0), "PNG"),
    "low_information.png": lambda: saved(
        np.where(np.eye(48, dtype=bool)[..., None], 120, 130).repeat(3, 2).astype("u1"), "PNG"
    ),
    "clipped.png": lambda: saved((drawn(15) * 3.0).clip(0, 255).astype(np.uint8), "PNG"),
    "channel_order.png": lambda: saved(np.ascontiguousarray(drawn(16)[:, :, ::-1]), "PNG"),
    "odd_size.png": lambda: saved(cv2.resize(drawn(17), None, fx=9, fy=9), "PNG"),
    "odd_aspect.png": lambda: saved(cv2.resize(drawn(18), (240, 48)), "PNG"),
    "too_small.png": lambda: saved(cv2.resize(drawn(19), (7, 7)), "PNG"),
}


def collected(root):
    source = open_source(root)
    return collection.collect(
        source, source.entries(), collection.Reading(1_000_000), root.parent / "cache", workers=1
    )[0]


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    raw = tmp_path_factory.mktemp("faults") / "raw"
    (raw / "c").mkdir(parents=True)
    for row in range(40):
        (raw / f"c/clean{row}.png").write_bytes(saved(drawn(100 + row), "PNG"))
    for name, encoded in PLANTED.items():
        (raw / "c" / name).write_bytes(encoded())
    return rules.image_faults(collected(raw), RULES)


@pytest.mark.parametrize("name", PLANTED)
def test_a_planted_fault_is_found_under_its_code(found, name):
    of_file = found[found["file"] == f"c/{name}"].set_index("code")
    code = name.partition(".")[0]
    assert code in of_file.index
    assert of_file.loc[code, "detail"]
    if CODES[code].limit:
        assert of_file.loc[code, "limit"] == RULES[code].limit
        assert np.isfinite(of_file.loc[code, "value"])
        assert of_file.loc[code, "value"] != of_file.loc[code, "limit"]


def test_clean_images_are_called_nothing(found):
    assert found[found["file"].str.contains("clean")].empty


def test_an_image_that_fills_the_target_only_when_enlarged_is_named(tmp_path):
    (tmp_path / "raw/c").mkdir(parents=True)
    for side in (12, 60):
        (tmp_path / f"raw/c/{side}.png").write_bytes(saved(drawn(1, side), "PNG"))
    found = rules.enlarged(collected(tmp_path / "raw"), 64, 64, RULES)
    assert found[["file", "code", "limit"]].to_numpy().tolist() == [["c/12.png", "enlarged", 4]]
    assert found["value"].tolist() == pytest.approx([64 / 12])


def test_a_set_of_many_colours_suspects_no_channel_order(tmp_path):
    (tmp_path / "raw/c").mkdir(parents=True)
    for row in range(60):
        warm = np.random.default_rng(row).uniform(-80, 80)
        (tmp_path / f"raw/c/{row}.png").write_bytes(saved(drawn(row, warm=warm), "PNG"))
    assert "channel_order" not in set(rules.image_faults(collected(tmp_path / "raw"), RULES)["code"])
