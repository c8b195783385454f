"""Which JPEGs need no second decoder: usual ones that libjpeg has no warning for."""

import io
import os

import numpy as np
import pytest
from PIL import Image

from morelike.images import jpeg, pixels, stderr_capture
from morelike.images.jpeg import Frame

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


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"subsampling": 0}, {"restart_marker_blocks": 1}])
@pytest.mark.parametrize(("mode", "components"), [("L", 1), ("RGB", 3)])
def test_a_usual_jpeg_shows_its_frame(options, mode, components):
    assert jpeg.usual_frame(encoded(mode, **options)) == Frame(30, 20, components, bare=True)


def test_metadata_makes_a_frame_not_bare():
    assert not jpeg.usual_frame(encoded(exif=ORIENTATION_6)).bare
    assert not jpeg.usual_frame(with_segment(encoded(), 0xEE, b"Adobe\0\x64\0\0\0\0\0")).bare
    assert jpeg.usual_frame(encoded(comment=b"a letter")).bare


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff\xd8\xff",
        b"\xff\xd8\xff\xd9",
        encoded()[:-2],
        encoded() + b"\0",
        encoded() + encoded(),
        encoded("CMYK"),
        with_segment(encoded(), 0xC0, b"\x08\0\x14\0\x1e\x01\x01\x11\0"),
        with_segment(encoded(), 0xDC, b"\0\x14"),
        encoded().replace(b"\xff\xdb", b"\0\xff\xdb"),
        encoded().replace(b"\xff\xc0\x00\x11\x08", b"\xff\xc0\x00\x11\x0c"),
        with_segment(encoded(), 0xDA, b"\x03\x01\0\x02\x11\x03\x11\0\x3f\0", before=b"\xff\xda"),
    ],
)
def test_anything_else_has_no_usual_frame(data):
    assert jpeg.usual_frame(data) is None


def test_the_installed_decoders_are_proven_alike():
    assert pixels._one_decoder_does()


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"exif": ORIENTATION_6}, {"subsampling": 0}])
@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_one_decoder_tells_all_that_two_tell(mode, options):
    data = encoded(mode, **options)
    with stderr_capture.stderr_kept() as complained:
        once, twice = pixels._read_once(data, pixels.MAX_PIXELS, complained), pixels.read(data)
    assert once.header == twice.header
    assert once.disagreement == twice.disagreement == 0
    np.testing.assert_array_equal(once.pixels, twice.pixels)


@pytest.mark.parametrize("options", [{}, {"progressive": True}])
def test_damaged_pixels_are_left_to_both_decoders(options):
    data = encoded(**options)
    damaged = data[: -len(data) // 4] + END
    assert jpeg.usual_frame(damaged)
    with stderr_capture.stderr_kept() as complained:
        assert pixels._read_once(data, pixels.MAX_PIXELS, complained)
        assert pixels._read_once(damaged, pixels.MAX_PIXELS, complained) is None


def test_more_pixels_than_the_limit_are_left_to_both_decoders():
    with stderr_capture.stderr_kept() as complained:
        assert pixels._read_once(encoded(), 599, complained) is None
        assert pixels._read_once(encoded(), 600, complained)


def test_without_an_ear_for_warnings_or_proof_both_decoders_are_asked(monkeypatch):
    asked = []
    honest = pixels.second_opinion
    monkeypatch.setattr(pixels, "second_opinion", lambda *arguments: asked.append(1) or honest(*arguments))
    pixels.read(encoded())
    with stderr_capture.stderr_kept() as complained:
        pixels.read(encoded(), complained=complained)
        assert len(asked) == 1
        monkeypatch.setattr(pixels, "_one_decoder_does", lambda: False)
        pixels.read(encoded(), complained=complained)
    assert len(asked) == 2


@pytest.mark.parametrize("broken", ["deaf", "unlike"])
def test_decoders_are_not_proven_alike_if_they_are_unlike_or_unheard(monkeypatch, broken):
    if broken == "deaf":
        monkeypatch.setattr(stderr_capture, "_anything_written", lambda number: False)
    else:
        honest = pixels.cv2.imdecode
        monkeypatch.setattr(pixels.cv2, "imdecode", lambda *arguments: honest(*arguments) ^ 1)
    assert not pixels._one_decoder_does.__wrapped__()


def test_what_is_written_to_stderr_is_kept_and_noticed(capfd):
    with stderr_capture.stderr_kept() as complained:
        assert not complained()
        os.write(2, b"Corrupt JPEG data")
        assert complained()
        assert not complained()
    os.write(2, b"afterwards")
    assert capfd.readouterr().err == "afterwards"
