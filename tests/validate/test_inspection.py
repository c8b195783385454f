import hashlib
import os
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from morelike.images.deep import Span
from morelike.images.errors import ImageError
from morelike.storage import sources
from morelike.validate.codes import CODES
from morelike.validate.inspection import Inspector
from morelike.validate.known_digests import KnownDigests


def noise(height=16, width=12, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def save(path, image, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(image).save(path, **options)
    return path


def inspected(root):
    source = sources.open_source(root)
    entries = source.entries()
    seen, facts = Inspector(source, 1_000_000, span=Span(0.0, 1.0))(entries)
    facts = {row["content"]: row for row in facts}
    rows = list(zip([entry.name for entry in entries], seen, strict=True))
    return {
        name: facts.get(row["content"], {}) | {k: v for k, v in row.items() if v not in ("", None)}
        for name, row in rows
    }


@pytest.fixture
def inspect(tmp_path):
    return lambda: inspected(tmp_path)


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


def test_every_file_that_cannot_be_read_gets_its_own_reason(tmp_path, inspect):
    good = save(tmp_path / "c/good.png", noise())
    whole = save(tmp_path / "c/good.jpg", noise(64, 64), format="JPEG").read_bytes()
    for name, bad in (("nan", np.nan), ("infinite", np.inf), ("out_of_range", -0.5)):
        values = np.ones((9, 9), np.float32)
        values[0, 0] = bad
        save(tmp_path / f"c/{name}.tif", values)
    (tmp_path / "c/empty.png").touch()
    (tmp_path / "c/truncated.jpg").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "c/not_an_image.png").write_bytes(b"file,label\n")
    (tmp_path / "c/not_an_image.csv").write_bytes(b"file,label\n")
    (tmp_path / "c/decode_error.png").write_bytes(good.read_bytes()[:20])
    (tmp_path / "c/bomb.png").write_bytes(huge_png_header())
    (tmp_path / "c/link_out.png").symlink_to("/etc/hostname")
    (tmp_path / "c/missing.png").symlink_to("/nowhere/at/all.png")
    os.mkfifo(tmp_path / "c/unreadable.png")
    save(tmp_path / "stray.png", noise())
    for file, row in inspect().items():
        reason = file.removeprefix("c/").partition(".")[0]
        assert row["code"] == ("" if reason == "good" else reason), row
        assert row["code"] in ("", *CODES)
        assert bool(row["detail"]) == bool(row["code"])


def test_a_file_that_may_not_be_read_is_told_from_a_missing_one(tmp_path, inspect, monkeypatch):
    save(tmp_path / "c/1.png", noise())
    monkeypatch.setattr(os, "open", lambda *_: (_ for _ in ()).throw(PermissionError(13, "Permission denied")))
    reader = sources.open_source(tmp_path)
    with pytest.raises(ImageError) as caught:
        reader.read("c/1.png")
    assert caught.value.code == "no_permission"


def test_what_was_measured_stands_with_its_limit(tmp_path, inspect):
    (tmp_path / "c").mkdir()
    (tmp_path / "c/bomb.png").write_bytes(huge_png_header())
    row = inspect()["c/bomb.png"]
    assert (row["value"], row["limit"]) == (50_000**2, 1_000_000)


def test_a_content_that_is_known_is_not_decoded_again(tmp_path):
    for row in range(5):
        save(tmp_path / f"raw/c/{row}.png", noise(seed=row))
    source = sources.open_source(tmp_path / "raw")
    digests = [hashlib.sha256(source.read(f"c/{row}.png")).digest() for row in (0, 2, 3)]
    (tmp_path / "known").write_bytes(b"".join(sorted(digests)))
    seen, facts = Inspector(source, 1_000_000, known=KnownDigests(tmp_path / "known"))(source.entries())
    assert len(facts) == 2
    assert len(seen) == 5
    assert {row["content"] for row in facts} == {seen[1]["sha256"], seen[4]["sha256"]}


def test_a_row_says_what_was_read(tmp_path, inspect):
    exif = Image.Exif()
    exif[0x0112] = 6
    path = save(tmp_path / "cat/1.jpg", noise(20, 30), exif=exif)
    row = inspect()["cat/1.jpg"]
    assert row["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
    assert (row["format"], row["mode"], row["frames"], row["orientation"]) == ("JPEG", "RGB", 1, 6)
    assert (row["width_px"], row["height_px"]) == (20, 30)
    assert (row["bits"], row["white"], row["alpha"], row["constant"]) == (8, 255, False, False)
    assert len(row["phash"]) == 16


def test_same_pixels_in_two_formats_have_one_pixel_hash(tmp_path, inspect):
    save(tmp_path / "c/1.png", noise())
    save(tmp_path / "c/2.bmp", noise())
    save(tmp_path / "c/3.png", noise(12, 16))
    rows = inspect()
    assert rows["c/1.png"]["pixel_sha256"] == rows["c/2.bmp"]["pixel_sha256"] != rows["c/3.png"]["pixel_sha256"]
    assert rows["c/1.png"]["sha256"] != rows["c/2.bmp"]["sha256"]


def test_decoders_do_not_write_to_stderr(tmp_path, inspect, capfd):
    path = save(tmp_path / "c/1.tif", noise(64, 64), compression="tiff_lzw")
    path.write_bytes(path.read_bytes()[:300] + bytes(200))
    assert inspect()["c/1.tif"]["code"] in ("truncated", "decode_error")
    assert capfd.readouterr().err == ""
