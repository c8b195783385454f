import contextlib
import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image, ImageCms, ImageOps

from morelike.images import deep, pixels, stderr, tiffs
from morelike.images.deep import Span
from morelike.images.errors import ImageError
from tests.written_files import netpbm, png, tiff

TWELVE_BITS = Span(0.0, 4095.0)
ORIENTATION = 274


def ramp(channels=1, height=6, width=64):
    """Return a ramp over all of [0, 1] in each channel, each in another order."""
    steps = np.linspace(0, 1, height * width)
    return np.stack([np.roll(steps, 50 * c).reshape(height, width) for c in range(channels)], axis=2)


def levels(shares):
    return np.rint(shares * 255).astype(np.uint8)


def twelve_bits(shares):
    return np.rint(shares * 4095).astype(np.uint16)


def code_of(data, span=None):
    with pytest.raises(ImageError) as caught:
        pixels.read(data, span=span)
    return caught.value


FILES = {
    "PNG, grey": lambda: (png(twelve_bits(ramp())), 1),
    "PNG, RGB": lambda: (png(twelve_bits(ramp(3))), 3),
    "TIFF, 16 bits": lambda: (tiff(twelve_bits(ramp())), 1),
    "TIFF, 16 bits, signed": lambda: (tiff(twelve_bits(ramp()).astype(np.int16)), 1),
    "TIFF, 16 bits, RGB": lambda: (tiff(twelve_bits(ramp(3))), 3),
    "TIFF, 32 bits": lambda: (tiff(twelve_bits(ramp()).astype(np.uint32)), 1),
    "TIFF, 32 bits, RGB": lambda: (tiff(twelve_bits(ramp(3)).astype(np.int32)), 3),
    "TIFF, 64 bits": lambda: (tiff(twelve_bits(ramp()).astype(np.uint64)), 1),
    "TIFF, float32": lambda: (tiff((ramp() * 4095).astype(np.float32)), 1),
    "TIFF, float32, RGB": lambda: (tiff((ramp(3) * 4095).astype(np.float32)), 3),
    "TIFF, float64": lambda: (tiff(ramp() * 4095), 1),
    "TIFF, float64, RGB": lambda: (tiff(ramp(3) * 4095), 3),
    "PGM": lambda: (netpbm(twelve_bits(ramp())), 1),
    "PPM": lambda: (netpbm(twelve_bits(ramp(3))), 3),
}


@pytest.mark.parametrize("name", FILES)
def test_twelve_bits_in_a_deeper_file_are_the_picture_that_eight_bits_are(name):
    data, channels = FILES[name]()
    picture = pixels.read(data, span=TWELVE_BITS)
    expected = levels(ramp(channels)).astype(int)
    assert picture.pixels.shape == expected.shape
    assert np.abs(picture.pixels - expected).max() <= 1
    assert len(np.unique(picture.pixels)) > 200
    assert (picture.converted.black, picture.converted.white, picture.converted.high) == (0, 4095, 4095)
    for decode in (pixels.decode, pixels.decode_fast):
        np.testing.assert_array_equal(decode(data, span=TWELVE_BITS), picture.pixels)


@pytest.mark.parametrize("name", FILES)
def test_a_first_look_tells_the_numbers_and_decodes_nothing(name):
    data, _ = FILES[name]()
    found = pixels.survey(data)
    assert isinstance(found, pixels.Unscaled)
    assert (found.low, found.high) == (0, 4095)
    assert found.numbers == ("float" if "float" in name else "int32" if "32" in name or "64" in name else "int16")
    assert found.header == pixels.read_header(data)


def test_a_first_look_at_eight_bits_is_the_picture():
    file = io.BytesIO()
    Image.fromarray(levels(ramp(3))).save(file, "PNG")
    np.testing.assert_array_equal(pixels.survey(file.getvalue()).pixels, levels(ramp(3)))


@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_a_small_overshoot_is_clipped(kind):
    over = ramp() * 1.006 - 0.003
    clipped = pixels.decode(tiff(over.clip(0, 1).astype(kind)), span=Span(0.0, 1.0))
    np.testing.assert_array_equal(pixels.decode(tiff(over.astype(kind)), span=Span(0.0, 1.0)), clipped)


@pytest.mark.parametrize(("low", "high"), [(0, 1.06), (-0.06, 1), (-1000, 1)])
def test_numbers_far_beyond_the_range_are_a_fault_that_says_both(low, high):
    error = code_of(tiff((low + ramp() * (high - low)).astype(np.float32)), Span(0.0, 1.0))
    assert error.code == "out_of_range"
    assert f"{low:g} to {high:g}, expected 0 to 1" in error.detail
    assert abs(error.limit) <= 1.05 < abs(error.value) + 1


def test_a_window_clips_what_lies_beyond_and_takes_negative_numbers():
    hounsfield = np.linspace(-1024, 3071, 384).round().astype(np.int16).reshape(6, 64, 1)
    image = pixels.decode(tiff(hounsfield), span=Span(-160.0, 240.0, clips=True))
    expected = ((hounsfield.astype(float) + 160) / 400 * 255).clip(0, 255)
    assert np.abs(image - expected).max() <= 0.5 + 1e-4
    assert image.min() == 0
    assert image.max() == 255


def test_a_dark_image_stays_dark_in_proportion():
    bright, dark = (pixels.decode(tiff(twelve_bits(ramp() * share)), span=TWELVE_BITS) for share in (1, 0.1))
    assert np.abs(dark - bright * 0.1).max() <= 1


def test_large_unsigned_numbers_are_not_taken_for_negative_ones():
    numbers = np.array([[0, 2**31 + 7], [1, 2**32 - 1]], np.uint32)
    assert (pixels.survey(tiff(numbers)).low, pixels.survey(tiff(numbers)).high) == (0, 2**32 - 1)


def test_an_image_whose_white_is_0_is_turned_over():
    usual, turned = (tiff(twelve_bits(ramp()), tags={262: meaning}) for meaning in (1, 0))
    np.testing.assert_array_equal(255 - pixels.decode(usual, span=TWELVE_BITS), pixels.decode(turned, span=TWELVE_BITS))


@pytest.mark.parametrize("name", ["PNG, grey", "PNG, RGB", "TIFF, RGB"])
def test_deep_transparency_is_laid_on_the_background_as_that_of_eight_bits(name):
    channels = 1 if "grey" in name else 3
    shares, alpha = ramp(channels), ramp(4)[:, :, 3:]
    stored = np.dstack([twelve_bits(shares), np.rint(alpha * 65535).astype(np.uint16)])
    data = tiff(stored) if "TIFF" in name else png(stored)
    picture = pixels.read(data, background=(200, 200, 200), span=TWELVE_BITS)
    expected = (shares * alpha + (1 - alpha) * 200 / 255) * 255
    assert picture.pixels.shape == shares.shape
    assert np.abs(picture.pixels - expected).max() <= 1.5
    assert picture.converted.alpha
    assert picture.converted.transparent_share == pytest.approx(0.5, abs=0.01)


def test_a_profile_of_a_deep_image_is_converted_as_that_of_eight_bits():
    data = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    places = {bytes(data[i : i + 4]): i for i in range(132, 132 + 12 * data[131], 12)}
    data[places[b"rXYZ"] : places[b"rXYZ"] + 4], data[places[b"gXYZ"] : places[b"gXYZ"] + 4] = b"gXYZ", b"rXYZ"
    exchanged = bytes(data).replace("sRGB".encode("utf-16-be"), "odd!".encode("utf-16-be"))
    shallow = io.BytesIO()
    Image.fromarray(levels(ramp(3))).save(shallow, "PNG", icc_profile=exchanged)
    iccp = (b"iCCP", b"odd\0\0" + zlib.compress(exchanged))
    picture = pixels.read(png(twelve_bits(ramp(3)), iccp), span=TWELVE_BITS)
    assert picture.converted.profile
    assert np.abs(picture.pixels - pixels.decode(shallow.getvalue()).astype(int)).max() <= 3


@pytest.mark.parametrize("kind", [np.uint16, np.float32, np.float64])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_orientation_of_a_deep_tiff_is_turned_as_pillow_turns_that_of_a_shallow_one(orientation, channels, kind):
    shallow = tiff(levels(ramp(channels)), tags={ORIENTATION: orientation})
    reference = np.asarray(ImageOps.exif_transpose(Image.open(io.BytesIO(shallow)))).astype(int)
    data = tiff((ramp(channels) * 4095).astype(kind), tags={ORIENTATION: orientation})
    picture = pixels.read(data, span=TWELVE_BITS)
    assert np.abs(picture.pixels - np.atleast_3d(reference)).max() <= 1


@pytest.mark.parametrize(
    ("numbers", "options", "words"),
    [
        (ramp().astype(np.float16), {}, "16-bit floats, 1 channel"),
        (twelve_bits(ramp(2)), {}, "16-bit whole numbers, 2 channels"),
        (levels(ramp(2)), {"tags": {338: 0}}, "8-bit whole numbers, 2 channels"),
        (twelve_bits(ramp(5)), {}, "16-bit whole numbers, 5 channels"),
        (ramp(7), {}, "64-bit floats, 7 channels"),
        (twelve_bits(ramp(3)), {"planar": True}, "16-bit whole numbers, 3 channels in planes"),
    ],
)
def test_a_kind_that_is_not_read_is_called_so(numbers, options, words):
    error = code_of(tiff(numbers, **options))
    assert error.code == "unsupported"
    assert words in error.detail
    assert "save it with" in error.detail


def test_eight_bit_planes_and_transparent_greys_are_still_read():
    np.testing.assert_array_equal(pixels.decode(tiff(levels(ramp(3)), planar=True)), levels(ramp(3)))
    assert pixels.read(tiff(levels(ramp(2)))).converted.alpha


def test_a_deep_bomb_is_refused_by_its_header():
    many = tiff(ramp(3), tags={256: 8000, 257: 6400})
    assert code_of(many).code == "bomb"


@pytest.mark.parametrize("kept", [0.2, 0.6])
def test_a_deep_tiff_whose_pixels_are_cut_off_is_refused(kept):
    whole = tiff(ramp(), tags={273: 100_000})
    assert code_of(whole).code in ("decode_error", "truncated")
    assert code_of(tiff(ramp())[: int(len(tiff(ramp())) * kept)]).code in ("decode_error", "truncated")


def test_strips_are_seamless(monkeypatch):
    data = tiff(twelve_bits(ramp(3)))
    whole = pixels.decode(data, span=TWELVE_BITS)
    monkeypatch.setattr(deep, "STRIP_PIXELS", 130)
    np.testing.assert_array_equal(pixels.decode(data, span=TWELVE_BITS), whole)


def test_a_page_by_itself_is_the_page():
    pages = [twelve_bits(ramp() * share) for share in (1, 0.5, 0.25)]
    stack = tiff(*pages)
    for number, page in enumerate(pages, 1):
        alone = tiffs.alone(stack, number)
        assert pixels.read_header(alone).frames == 1
        assert pixels.survey(alone).high == page.max()
    assert pixels.read_header(stack).frames == 3
    with pytest.raises(ImageError, match="page 4"):
        tiffs.alone(stack, 4)


def test_the_first_frame_of_a_deep_animation_is_the_still_picture():
    numbers = twelve_bits(ramp(4))
    control = struct.pack(">IIIIIHHBB", 0, 64, 6, 0, 0, 1, 10, 0, 0)
    moving = png(numbers, (b"acTL", struct.pack(">II", 1, 0)), (b"fcTL", control))
    np.testing.assert_array_equal(
        pixels.decode(moving, span=TWELVE_BITS), pixels.decode(png(numbers), span=TWELVE_BITS)
    )


@pytest.mark.parametrize("name", FILES)
def test_damaged_deep_files_are_refused_or_read_and_never_crash(name):
    draws = np.random.default_rng(len(name))
    data, _ = FILES[name]()
    for _ in range(40):
        damaged = bytearray(data)
        places = draws.integers(0, len(data) if draws.random() < 0.5 else 200, 3) % len(data)
        for place in (*places, -1 - draws.integers(0, 150)):  # tags lie at the end
            damaged[place] = draws.integers(0, 256)
        cut = bytes(damaged[: draws.integers(len(data) // 2, len(data) + 1)] if draws.random() < 0.3 else damaged)
        for read in (pixels.survey, pixels.read, pixels.read_header, lambda file: tiffs.alone(file, 1)):
            with contextlib.suppress(ImageError), stderr.muted():
                read(cut)


def test_a_thumbnail_is_no_page():
    full, small, last = twelve_bits(ramp()), twelve_bits(ramp(height=3, width=8)), twelve_bits(ramp() / 2)
    stack = tiff(full, small, last, subfiles=[0, 1, 2])
    assert pixels.read_header(stack).frames == 2
    assert [pixels.survey(tiffs.alone(stack, page)).high for page in (1, 2)] == [full.max(), last.max()]
