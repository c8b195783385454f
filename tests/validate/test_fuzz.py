"""Bytes that were damaged at random: none crashes the audit, and what is accepted is one picture in two decoders."""

import io
import math
from dataclasses import replace

import cv2
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from morelike.images import pixels, stderr
from morelike.images.errors import ImageError
from morelike.validate.inspection import _Facts

ALIKE_LEVELS = 8
USUAL_CODES = {"", "empty", "not_an_image", "unsupported", "truncated", "damaged", "decode_error", "bomb"}
REFUSALS = USUAL_CODES | {"out_of_range", "nan"}
LOST_BYTES = 512  # a sector of a disk
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")  # what Pillow says of damaged tags


def picture(mode):
    y, x = np.mgrid[0:24, 0:31]
    waves = np.stack([128 + 100 * np.sin(x / 3), 128 + 100 * np.cos(y / 4), (x + y) * 4 % 256], axis=2)
    return Image.fromarray(waves.astype(np.uint8)).convert(mode)


def encoded(kind, mode, **options):
    file = io.BytesIO()
    picture(mode).save(file, kind, **options)
    return file.getvalue()


SOUND = [
    encoded("JPEG", "RGB"),
    encoded("JPEG", "L", quality=60),
    encoded("JPEG", "RGB", progressive=True, exif=b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0"),
    encoded("PNG", "RGB"),
    encoded("PNG", "L"),
    encoded("PNG", "P"),
    encoded("PNG", "RGBA"),
    encoded("WEBP", "RGB"),
    encoded("WEBP", "RGB", lossless=True),
    encoded("BMP", "RGB"),
    encoded("BMP", "P"),
    encoded("TIFF", "RGB"),
    encoded("TIFF", "L", compression="tiff_lzw"),
    encoded("PPM", "RGB"),
    encoded("GIF", "P"),
    encoded("JPEG2000", "RGB"),
    encoded("TIFF", "RGB", compression="tiff_adobe_deflate"),
]
places = st.integers(0, 2**16)


def large(kind, mode, **options):
    grain = np.random.default_rng(0).normal(0, 12, (140, 180, 3))
    waves = np.asarray(picture("RGB").resize((180, 140))) + grain
    file = io.BytesIO()
    Image.fromarray(waves.clip(0, 255).astype(np.uint8)).convert(mode).save(file, kind, **options)
    return file.getvalue()


LARGE = [
    ("JPEG", large("JPEG", "RGB", quality=90)),
    ("JPEG", large("JPEG", "CMYK", quality=90)),
    ("JPEG", large("JPEG", "L", quality=90, restart_marker_rows=1)),
    ("PNG", large("PNG", "RGB")),
    ("PNG", large("PNG", "P")),
    ("WEBP", large("WEBP", "RGB", quality=95)),
    ("WEBP", large("WEBP", "RGB", lossless=True)),
    ("TIFF", large("TIFF", "RGB", compression="tiff_lzw")),
    ("TIFF", large("TIFF", "RGB", compression="tiff_adobe_deflate")),
    ("GIF", large("GIF", "P")),
    ("JPEG2000", large("JPEG2000", "RGB")),
]
ENDS = {"JPEG": b"\xff\xd9", "JPEG2000": b"\xff\xd9", "PNG": b"\0\0\0\0IEND\xaeB`\x82", "GIF": b"\0;"}


def with_lost_bytes(row, place, lost):
    """Return a sound file, and the same with a hole, with zeros in place of bytes, or cut and closed."""
    kind, data = LARGE[row]
    start = len(data) // 4 + place % (len(data) // 2)
    if lost == "hole":
        return data, data[:start] + data[start + LOST_BYTES :]
    if lost == "zeros":
        return data, data[:start] + bytes(2 * LOST_BYTES) + data[start + 2 * LOST_BYTES :]
    return data, data[:start] + ENDS.get(kind, b"")


losses = {
    "row": st.integers(0, len(LARGE) - 1),
    "place": places,
    "lost": st.sampled_from(["hole", "zeros", "cut and closed"]),
}


@st.composite
def damaged(draw):
    data = bytearray(draw(st.sampled_from(SOUND)))
    kind = draw(st.sampled_from(["cut", "flip", "flip_head", "swap_header", "fill", "none"]))
    if kind == "cut":
        return bytes(data[: draw(places) % len(data)])
    if kind in ("flip", "flip_head"):
        reach = len(data) if kind == "flip" else min(64, len(data))
        for place, bit in draw(st.lists(st.tuples(places, st.integers(0, 7)), min_size=1, max_size=12)):
            data[place % reach] ^= 1 << bit
    if kind == "swap_header":
        other, length = draw(st.sampled_from(SOUND)), draw(st.integers(1, 40))
        data[:length] = other[:length]
    if kind == "fill":
        start = draw(places) % len(data)
        data[start : start + 20] = bytes([draw(st.integers(0, 255))]) * min(20, len(data) - start)
    return bytes(data)


JPEGS = [
    encoded("JPEG", mode, quality=quality, progressive=progressive, subsampling=factor, **options)
    for mode, quality, progressive, factor, options in [
        ("RGB", 75, False, "4:4:4", {}),
        ("RGB", 95, False, "4:2:2", {"restart_marker_blocks": 1}),
        ("RGB", 5, False, "4:2:0", {}),
        ("RGB", 75, False, "4:1:1", {"comment": b"waves"}),
        ("RGB", 95, True, "4:2:0", {"exif": b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0"}),
        ("RGB", 30, True, "4:4:4", {}),
        ("L", 95, False, "4:4:4", {}),
        ("L", 30, True, "4:4:4", {}),
    ]
]


@st.composite
def damaged_jpegs(draw):
    """Damage that leaves a JPEG looking whole, so that it is OpenCV's to notice."""
    data = bytearray(draw(st.sampled_from(JPEGS)))
    first, last = data.find(b"\xff\xda"), data.rfind(b"\xff\xda") + 10
    kind = draw(st.sampled_from(["coded", "coded", "markers", "quanta", "inserted", "shortened", "none"]))
    if kind in ("coded", "markers"):
        low, high = (last, len(data) - 2) if kind == "coded" else (2, first)
        for place, bit in draw(st.lists(st.tuples(places, st.integers(0, 7)), min_size=1, max_size=6)):
            data[low + place % (high - low)] ^= 1 << bit
    if kind == "quanta":
        start = data.find(b"\xff\xdb") + 5
        data[start : start + 64] = bytes(draw(st.lists(st.integers(1, 255), min_size=64, max_size=64)))
    if kind == "inserted":
        place = first + draw(places) % (len(data) - first)
        data[place:place] = draw(st.binary(min_size=1, max_size=4))
    if kind == "shortened":
        cut = first + draw(places) % (len(data) - 2 - first)
        del data[cut : len(data) - 2 if draw(st.booleans()) else cut + 1 + draw(places) % 40]
        data += b"" if data.endswith(b"\xff\xd9") else b"\xff\xd9"
    return bytes(data)


def outcome(data):
    """Return all that :func:`pixels.read` tells, or why it refuses."""
    try:
        picture = pixels.read(data, 1_000_000)
    except ImageError as error:
        return error.code
    return picture.header, picture.pixels.tobytes(), picture.disagreement, replace(picture.converted, pixels=None)


def outcome_of_two_decoders(data):
    with pytest.MonkeyPatch.context() as patched, stderr.muted():
        patched.setattr(pixels, "decoders_agree", lambda: False)
        return outcome(data)


def check(data):
    facts = _Facts(1_000_000, (255, 255, 255))
    with stderr.muted():
        facts.add("0" * 64, data)
    row = facts.whole()[0]
    assert row["code"] in REFUSALS
    if row["code"] or row["disagreement"] > 0.001:
        return  # refused, or quarantined as decoders_disagree
    assert all(math.isfinite(value) for value in row.values() if isinstance(value, float))
    header = pixels.read_header(data)
    theirs = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)
    if theirs is None or header.frames > 1 or header.mode not in ("L", "RGB"):
        return  # OpenCV reads no such file, or means another thing by it
    ours = np.asarray(Image.open(io.BytesIO(data)).convert("RGB")).astype(int)
    assert ours.shape == theirs.shape
    assert (np.abs(ours - theirs[:, :, ::-1]) > ALIKE_LEVELS).mean() <= 0.001


@settings(max_examples=100, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
@given(damaged())
def test_damaged_bytes_never_crash_and_are_never_two_pictures(data):
    check(data)


@pytest.mark.slow
@settings(max_examples=2000, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(damaged())
def test_two_thousand_damaged_files_never_crash_and_are_never_two_pictures(data):
    check(data)


@settings(max_examples=200, deadline=None, derandomize=True)
@given(damaged_jpegs())
def test_a_damaged_jpeg_that_one_decoder_accepts_is_the_same_to_both(data):
    assert outcome(data) == outcome_of_two_decoders(data)


@pytest.mark.slow
@settings(max_examples=10_000, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.one_of(damaged_jpegs(), damaged()))
def test_ten_thousand_damaged_files_are_the_same_to_one_decoder_and_to_both(data):
    assert outcome(data) == outcome_of_two_decoders(data)


@settings(max_examples=100, deadline=None, derandomize=True)
@given(st.binary(max_size=300))
def test_bytes_of_no_kind_never_crash(data):
    check(data)


def check_lost(sound, damaged):
    with stderr.muted():
        try:
            picture = pixels.read(damaged)
        except ImageError:
            return
        right = pixels.read(sound)
    assert picture.disagreement > 0.001 or _wrong_share(picture.pixels, right.pixels) <= 0.01


def _wrong_share(ours, right):
    return 1.0 if ours.shape != right.shape else float((cv2.absdiff(ours, right).max(axis=2) > ALIKE_LEVELS).mean())


@settings(max_examples=100, deadline=None, derandomize=True)
@given(**losses)
def test_no_picture_with_lost_bytes_is_accepted_with_wrong_pixels(row, place, lost):
    check_lost(*with_lost_bytes(row, place, lost))


@pytest.mark.slow
@settings(max_examples=3000, deadline=None)
@given(**losses)
def test_no_picture_of_three_thousand_with_lost_bytes_is_accepted_with_wrong_pixels(row, place, lost):
    check_lost(*with_lost_bytes(row, place, lost))
