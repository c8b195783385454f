import hashlib
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from morelike import sources
from morelike.audit.inspection import CODES, Inspector, statistics


def noise(height=16, width=12, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def save(path, image, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(image).save(path, **options)
    return path


@pytest.fixture
def inspect(tmp_path):
    def inspect_all():
        source = sources.open_source(tmp_path)
        rows = Inspector(source, min_size_px=8, max_pixels=1_000_000)(source.entries())
        return {row["file"]: row for row in rows}

    return inspect_all


def huge_png_header():
    body = b"IHDR" + struct.pack(">IIBBBBB", 50_000, 50_000, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + struct.pack(">I", 13)
        + body
        + struct.pack(">I", zlib.crc32(body))
        + bytes(4)
        + b"IDAT"
        + bytes(4)
    )


def test_every_fault_gets_its_own_reason(tmp_path, inspect):
    good = save(tmp_path / "c/good.png", noise())
    whole = save(tmp_path / "c/good.jpg", noise(64, 64), format="JPEG").read_bytes()
    save(tmp_path / "c/wrong_extension.jpg", noise(), format="PNG")
    save(tmp_path / "c/wrong_extension.txt", noise(), format="PNG")
    save(tmp_path / "c/too_small.png", noise(7, 90))
    save(tmp_path / "c/constant.png", np.full((9, 9, 3), (1, 2, 3), np.uint8))
    values = np.ones((9, 9), np.float32)
    values[0, 0] = np.nan
    save(tmp_path / "c/nan.tif", values)
    (tmp_path / "c/empty.png").touch()
    (tmp_path / "c/truncated.jpg").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "c/not_an_image.png").write_bytes(b"file,label\n")
    (tmp_path / "c/not_an_image.csv").write_bytes(b"file,label\n")
    (tmp_path / "c/decode_error.png").write_bytes(good.read_bytes()[:20])
    (tmp_path / "c/bomb.png").write_bytes(huge_png_header())
    (tmp_path / "c/unreadable.png").symlink_to("/etc/hostname")
    save(tmp_path / "stray.png", noise())
    for file, row in inspect().items():
        reason = file.removeprefix("c/").partition(".")[0]
        assert row["code"] == ("" if reason == "good" else reason), row
        assert row["code"] in ("", *CODES)
        assert bool(row["detail"]) == bool(row["code"])


def test_a_row_says_what_was_read(tmp_path, inspect):
    exif = Image.Exif()
    exif[0x0112] = 6
    path = save(tmp_path / "cat/1.jpg", noise(20, 30), exif=exif)
    row = inspect()["cat/1.jpg"]
    assert row["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
    assert (row["format"], row["mode"], row["frames"], row["orientation"]) == ("JPEG", "RGB", 1, 6)
    assert (row["width_px"], row["height_px"]) == (20, 30)
    assert (row["label"], row["notes"]) == ("cat", "turned")
    assert len(row["phash"]) == 16


def test_same_pixels_in_two_formats_have_one_pixel_hash(tmp_path, inspect):
    save(tmp_path / "c/1.png", noise())
    save(tmp_path / "c/2.bmp", noise())
    save(tmp_path / "c/3.png", noise(12, 16))
    rows = inspect()
    assert rows["c/1.png"]["pixel_sha256"] == rows["c/2.bmp"]["pixel_sha256"] != rows["c/3.png"]["pixel_sha256"]
    assert rows["c/1.png"]["sha256"] != rows["c/2.bmp"]["sha256"]


def test_what_is_unusual_is_noted(tmp_path, inspect):
    frames = [Image.fromarray(noise(seed=seed)) for seed in (1, 2)]
    (tmp_path / "c").mkdir()
    frames[0].save(tmp_path / "c/animated.gif", save_all=True, append_images=frames[1:])
    frames[0].convert("CMYK").save(tmp_path / "c/cmyk.jpg")
    frames[0].convert("RGBA").save(tmp_path / "c/transparent.png")
    Image.fromarray(np.arange(100, dtype=np.uint16).reshape(10, 10) * 600).save(tmp_path / "c/deep.png")
    for file, row in inspect().items():
        assert row["notes"] == file[2:].partition(".")[0]


def test_statistics_are_those_of_numpy():
    image = noise()
    values = image / 255
    got = statistics(image)
    assert got["mean"] == pytest.approx(values.mean())
    assert got["std"] == pytest.approx(values.std())
    assert (got["min"], got["max"]) == (values.min(), values.max())
    assert [got[f"mean_{c}"] for c in "rgb"] == pytest.approx(values.mean(axis=(0, 1)))
    red, green, blue = values.reshape(-1, 3).T
    opponents = red - green, (red + green) / 2 - blue
    spread = np.hypot(opponents[0].std(), opponents[1].std())
    shift = np.hypot(opponents[0].mean(), opponents[1].mean())
    assert got["colourfulness"] == pytest.approx(spread + 0.3 * shift, rel=1e-5)


def test_grey_has_no_colour_however_it_is_stored():
    grey = np.repeat(noise()[:, :, :1], 3, axis=2)
    assert statistics(grey)["colourfulness"] == statistics(grey[:, :, :1])["colourfulness"] == 0


def test_decoders_do_not_write_to_stderr(tmp_path, inspect, capfd):
    path = save(tmp_path / "c/1.tif", noise(64, 64), compression="tiff_lzw")
    path.write_bytes(path.read_bytes()[:300] + bytes(200))
    assert inspect()["c/1.tif"]["code"] in ("truncated", "decode_error")
    assert capfd.readouterr().err == ""
