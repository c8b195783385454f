"""Which JPEGs need no second decoder: usual ones that libjpeg-turbo has no warning for."""

import io
import os
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from morelike.images import jpeg, pixels, stderr

END = b"\xff\xd9"
ORIENTATION_6 = b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0"


def encoded(mode="RGB", **options):
    noise = np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(noise).convert(mode).save(file, "JPEG", **options)
    return file.getvalue()


def with_segment(data, marker, content, before=b"\xff\xdb"):
    place = data.find(before)
    return data[:place] + bytes([0xFF, marker]) + (len(content) + 2).to_bytes(2) + content + data[place:]


def once(data, max_pixels=pixels.MAX_PIXELS):
    return pixels._read_once(data, max_pixels)


def twice(data, monkeypatch):
    with monkeypatch.context() as patched:
        patched.setattr(pixels, "decoders_agree", lambda: False)
        return pixels.read(data)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"progressive": True},
        {"exif": ORIENTATION_6},
        {"subsampling": 0},
        {"restart_marker_blocks": 1},
        {"comment": b"a letter"},
    ],
)
@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_one_decoder_tells_all_that_two_tell(monkeypatch, mode, options):
    data = encoded(mode, **options)
    one, two = once(data), twice(data, monkeypatch)
    assert one.header == two.header
    assert one.disagreement == two.disagreement == 0
    np.testing.assert_array_equal(one.pixels, two.pixels)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff\xd8\xff",
        b"\xff\xd8\xff\xd9",
        encoded()[:-2],
        encoded("CMYK"),
        with_segment(encoded(), 0xC0, b"\x08\0\x14\0\x1e\x01\x01\x11\0"),
        with_segment(encoded(), 0xDC, b"\0\x14"),
        encoded().replace(b"\xff\xdb", b"\0\xff\xdb"),
        encoded().replace(b"\xff\xc0\x00\x11\x08", b"\xff\xc0\x00\x11\x0c"),
        encoded().replace(b"\xff\xc0\x00\x11", b"\xff\xc1\x00\x11"),
        with_segment(encoded(), 0xDA, b"\x03\x01\0\x02\x11\x03\x11\0\x3f\0", before=b"\xff\xda"),
    ],
)
def test_anything_unusual_is_left_to_both_decoders(data):
    assert once(data) is None


@pytest.mark.parametrize("data", [encoded() + b"\0", encoded() + encoded()])
def test_what_follows_the_picture_changes_nothing(monkeypatch, data):
    one, two = once(data), twice(data, monkeypatch)
    assert one.header == two.header
    assert one.disagreement == two.disagreement == 0
    np.testing.assert_array_equal(one.pixels, two.pixels)


def test_the_installed_decoders_are_proven_alike():
    assert pixels.decoders_agree()


@pytest.mark.parametrize("options", [{}, {"progressive": True}])
def test_damaged_pixels_are_left_to_both_decoders(options):
    data = encoded(**options)
    assert once(data)
    assert once(data[: -len(data) // 4] + END) is None


def test_more_pixels_than_the_limit_are_left_to_both_decoders():
    assert once(encoded(), 599) is None
    assert once(encoded(), 600)


def test_without_proof_both_decoders_are_asked(monkeypatch):
    asked = []
    honest = pixels.second_opinion
    monkeypatch.setattr(pixels, "second_opinion", lambda *arguments: asked.append(1) or honest(*arguments))
    pixels.read(encoded())
    assert not asked
    monkeypatch.setattr(pixels, "decoders_agree", lambda: False)
    pixels.read(encoded())
    assert len(asked) == 1


@pytest.mark.parametrize("broken", ["lenient", "unlike", "without JPEG"])
def test_decoders_are_not_proven_alike_if_they_are_unlike_or_lenient(monkeypatch, broken):
    strict, theirs = jpeg.simplejpeg.decode_jpeg, pixels.cv2.imdecode
    if broken == "lenient":
        monkeypatch.setattr(jpeg.simplejpeg, "decode_jpeg", lambda data, space, strict: strict_off(data, space))
    elif broken == "unlike":
        monkeypatch.setattr(pixels.cv2, "imdecode", lambda *arguments: theirs(*arguments) ^ 1)
    else:
        monkeypatch.setattr(pixels.cv2, "imdecode", lambda *arguments: None)

    def strict_off(data, space):
        return strict(data, space, strict=False)

    assert not pixels.decoders_agree.__wrapped__()


def test_what_is_written_to_stderr_is_dropped_until_it_is_no_longer_muted(capfd):
    with stderr.muted():
        os.write(2, b"Corrupt JPEG data")
    os.write(2, b"afterwards")
    assert capfd.readouterr().err == "afterwards"


def test_standard_error_comes_back_after_an_exception():
    code = (
        "import os\nfrom morelike.images import stderr\n"
        "try:\n    with stderr.muted():\n        os.write(2, b'lost')\n        raise OSError\n"
        "except OSError:\n    os.write(2, b'kept')\n"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stderr == b"kept"
