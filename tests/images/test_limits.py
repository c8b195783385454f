"""Limits on what one file may cost: scans, pages and memory."""

import io
import struct
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from morelike.images import headers, jpeg, pixels
from morelike.images.errors import ImageError

GIB_IN_KIB = 2**20
SIDE = 7200  # its square is just below the limit on pixels
PEAK = """
import pathlib, sys
from morelike.images import pixels
from morelike.images.errors import ImageError
try:
    pixels.read(pathlib.Path(sys.argv[1]).read_bytes())
except ImageError as error:
    assert error.code == "out_of_range", error
status = pathlib.Path("/proc/self/status").read_text()
print(status.partition("VmHWM:")[2].split()[0])
"""


def encoded(image, kind, **options):
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def refused(data):
    with pytest.raises(ImageError) as caught:
        pixels.read(data)
    return caught.value


def with_scans(count):
    """A progressive JPEG whose last scan stands there as often as it takes to have ``count``."""
    data = encoded(Image.new("L", (40, 30), 90), "JPEG", progressive=True)
    last = data.rindex(jpeg.SCAN)
    return data[:-2] + data[last:-2] * (count - jpeg.scans(data)) + data[-2:]


def test_as_many_scans_as_the_limit_are_read(monkeypatch):
    data = encoded(Image.new("RGB", (40, 30)), "JPEG", progressive=True)
    monkeypatch.setattr(jpeg, "MOST_SCANS", jpeg.scans(data))
    assert pixels.read(data).pixels.shape == (30, 40, 3)
    monkeypatch.setattr(jpeg, "MOST_SCANS", jpeg.scans(data) - 1)
    assert refused(data).code == "bomb"


def test_scans_are_limited_before_they_are_decoded(monkeypatch):
    data = with_scans(jpeg.MOST_SCANS + 1)
    monkeypatch.setattr(Image.Image, "load", lambda _: pytest.fail("decoded"))
    monkeypatch.setattr(jpeg.simplejpeg, "decode_jpeg", lambda *_, **__: pytest.fail("decoded"))
    error = refused(data)
    assert (error.code, error.value, error.limit) == ("bomb", jpeg.MOST_SCANS + 1, jpeg.MOST_SCANS)


def test_what_looks_like_scans_after_the_end_does_not_count():
    data = encoded(Image.new("L", (40, 30), 90), "JPEG")
    assert jpeg.scans(data + jpeg.SCAN * 1000) == 1


def test_pages_are_limited(monkeypatch):
    monkeypatch.setattr(headers, "MOST_PAGES", 3)
    pages = [Image.new("L", (4, 4), level) for level in range(4)]
    assert pixels.read_header(encoded(pages[0], "TIFF", save_all=True, append_images=pages[1:3])).frames == 3
    assert refused(encoded(pages[0], "TIFF", save_all=True, append_images=pages[1:])).code == "bomb"


def test_a_jpeg_2000_has_a_lower_limit_on_pixels():
    assert pixels.read(encoded(Image.new("RGB", (10, 7)), "JPEG2000"), max_pixels=100)
    with pytest.raises(ImageError, match="bomb"):
        pixels.read(encoded(Image.new("RGB", (10, 8)), "JPEG2000"), max_pixels=100)


def float_tiff():
    """A TIFF of one strip of 32-bit floats, in [0, 1]."""
    size = SIDE * SIDE * 4
    tags = [(256, 4, SIDE), (257, 4, SIDE), (258, 3, 32), (259, 3, 1), (262, 3, 1), (273, 4, 8), (277, 3, 1)]
    tags += [(278, 4, SIDE), (279, 4, size), (339, 3, 3)]
    entries = b"".join(struct.pack("<HHII", tag, kind, 1, value) for tag, kind, value in tags)
    values = np.linspace(0, 1, SIDE, dtype=np.float32)
    return b"II*\0" + struct.pack("<I", 8 + size) + values.tobytes() * SIDE + struct.pack("<H", 10) + entries + bytes(4)


def clear_webp():
    return encoded(Image.new("RGBA", (SIDE, SIDE), (10, 20, 30, 99)), "WEBP", lossless=True, quality=0, method=0)


@pytest.mark.skipif(sys.platform != "linux", reason="the peak is read from /proc")
@pytest.mark.parametrize("made", [float_tiff, clear_webp])
def test_an_image_of_the_most_pixels_is_decoded_in_less_than_a_gib(tmp_path, made):
    (tmp_path / "large").write_bytes(made())
    command = [sys.executable, "-c", PEAK, str(tmp_path / "large")]
    peak_kib = int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    assert peak_kib < GIB_IN_KIB
