import io
import struct
import zlib

import cv2
import numpy as np
import pytest
from PIL import Image, ImageCms, ImageOps

from morelike.images import pixels
from morelike.images.deep import Span
from morelike.images.errors import ImageError, NormalisationError

ORIENTATION = 0x0112


def noise(height=24, width=17, channels=3, seed=0):
    shape = (height, width, channels) if channels > 1 else (height, width)
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def smooth(height=40, width=33):
    y, x = np.mgrid[0:height, 0:width]
    return np.stack([x * 7 % 256, y * 6 % 256, (x + y) * 3 % 256], axis=2).astype(np.uint8)


def encoded(image, image_format, **options):
    file = io.BytesIO()
    (image if isinstance(image, Image.Image) else Image.fromarray(image)).save(file, image_format, **options)
    return file.getvalue()


def png_header(width, height):
    body = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    ihdr = struct.pack(">I", 13) + body + struct.pack(">I", zlib.crc32(body))
    return b"\x89PNG\r\n\x1a\n" + ihdr + struct.pack(">I", 0) + b"IDAT" + struct.pack(">I", zlib.crc32(b"IDAT"))


def code_of(data, **options):
    with pytest.raises(ImageError) as caught:
        pixels.decode(data, **options)
    return caught.value.code


@pytest.mark.parametrize("channels", [1, 3])
def test_encoding_then_decoding_is_identity_in_both_decoders(channels):
    image = noise(channels=3)[:, :, :channels]
    data = pixels.encode_png(np.ascontiguousarray(image))
    np.testing.assert_array_equal(pixels.decode(data), image)
    np.testing.assert_array_equal(pixels.decode_fast(data), image)


@pytest.mark.parametrize("mode", ["L", "RGB"])
@pytest.mark.parametrize("image_format", ["PNG", "JPEG", "WEBP", "BMP", "TIFF"])
def test_the_fast_decoder_agrees_with_the_strict_one(image_format, mode):
    data = encoded(Image.fromarray(smooth()).convert(mode), image_format)
    strict, fast = pixels.decode(data).astype(int), pixels.decode_fast(data).astype(int)
    assert strict.shape == fast.shape
    assert np.abs(strict - fast).max() <= (2 if image_format in ("JPEG", "WEBP") else 0)


@pytest.mark.parametrize("image_format", ["JPEG", "PNG", "TIFF", "WEBP"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_exif_orientation_is_turned_as_pillow_turns_it(image_format, orientation):
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    data = encoded(smooth(), image_format, exif=exif)
    reference = np.asarray(ImageOps.exif_transpose(Image.open(io.BytesIO(data))))
    np.testing.assert_array_equal(pixels.decode(data), reference)
    np.testing.assert_allclose(pixels.decode_fast(data).astype(int), reference, atol=2)


@pytest.mark.parametrize("image_format", ["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "PPM"])
@pytest.mark.parametrize("kept_share", [0.3, 0.9])
def test_a_truncated_file_is_never_filled_in(image_format, kept_share):
    data = encoded(noise(64, 64), image_format)
    assert code_of(data[: int(len(data) * kept_share)]) in ("truncated", "decode_error", "not_an_image")


def test_truncated_jpeg_and_png_are_called_truncated():
    for image_format in ("JPEG", "PNG"):
        data = encoded(noise(64, 64), image_format)
        assert code_of(data[: len(data) // 2]) == "truncated"


def test_nothing_empty_or_foreign_is_taken_for_an_image():
    assert code_of(b"") == "empty"
    assert code_of(b"name,label\n1,cat\n") == "not_an_image"
    assert code_of(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n") == "unsupported"
    assert code_of(b"\x89PNG\r\n\x1a\nnonsense") == "decode_error"


def test_a_bomb_is_refused_by_its_header():
    assert code_of(png_header(100_000, 100_000)) == "bomb"
    assert code_of(encoded(noise(20, 20), "PNG"), max_pixels=399) == "bomb"
    assert pixels.decode(encoded(noise(20, 20), "PNG"), max_pixels=400).shape == (20, 20, 3)


def test_an_image_of_no_width_is_refused():
    assert code_of(png_header(0, 10)) in ("not_an_image", "decode_error")


def test_pillows_own_limit_is_left_as_it_was():
    before = Image.MAX_IMAGE_PIXELS
    pixels.decode(encoded(noise(), "PNG"), max_pixels=10_000)
    assert before == Image.MAX_IMAGE_PIXELS


def test_sixteen_bits_keep_their_high_byte_to_half_a_level():
    deep = np.linspace(0, 65535, 300).astype(np.uint16).reshape(20, 15)
    image = pixels.decode(encoded(deep, "PNG"))
    assert image.shape == (20, 15, 1)
    np.testing.assert_allclose(image[:, :, 0] * 257.0, deep, atol=129)


def test_a_dark_sixteen_bit_image_stays_dark():
    assert pixels.decode(encoded(np.full((9, 9), 255, np.uint16), "TIFF")).max() == 1


@pytest.mark.parametrize(
    ("bad", "code"),
    [(np.nan, "nan"), (np.inf, "infinite"), (-np.inf, "infinite"), (-0.1, "out_of_range"), (1e6, "out_of_range")],
)
def test_a_float_image_with_a_value_that_cannot_be_is_refused(bad, code):
    values = np.zeros((9, 9), np.float32)
    values[3, 4] = bad
    with pytest.raises(ImageError) as caught:
        pixels.read(encoded(values, "TIFF"))
    assert caught.value.code == code
    assert np.isfinite(caught.value.limit)


@pytest.mark.parametrize(("high", "white"), [(1.0, 1), (200.0, 255), (60_000.0, 65_535)])
def test_the_scale_of_a_float_image_is_recorded(high, white):
    values = np.linspace(0, high, 81, dtype=np.float32).reshape(9, 9)
    picture = pixels.read(encoded(values, "TIFF"), span=Span(0.0, white))
    assert picture.converted.white == white
    np.testing.assert_allclose(picture.pixels[:, :, 0], values * 255 / white, atol=0.5)


def test_a_dark_sixteen_bit_pgm_is_not_brightened():
    data = b"P5 4 4 65535\n" + np.full(16, 200, ">u2").tobytes()
    picture = pixels.read(data)
    assert picture.converted.white == 65535
    assert picture.header.bits == 16
    assert picture.pixels.max() == 1


def wide_gamut_profile():
    """A profile of the same primaries as sRGB with a gamma of 1: its values are linear light."""
    data = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    tags = {
        bytes(data[i : i + 4]): struct.unpack(">II", data[i + 4 : i + 12]) for i in range(132, 132 + 12 * data[131], 12)
    }
    for name in (b"rTRC", b"gTRC", b"bTRC"):
        start, _ = tags[name]
        data[start : start + 12] = b"curv" + bytes(4) + struct.pack(">I", 0)
    return bytes(data).replace("sRGB".encode("utf-16-be"), "line".encode("utf-16-be"))


def test_a_colour_profile_is_converted_to_srgb_by_both_decoders():
    linear = np.repeat(np.linspace(0, 255, 64).astype(np.uint8)[None, :, None], 8, axis=0).repeat(3, axis=2)
    data = encoded(linear, "PNG", icc_profile=wide_gamut_profile())
    light = linear / 255
    srgb = np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055) * 255
    picture = pixels.read(data)
    assert picture.converted.profile
    np.testing.assert_allclose(picture.pixels, srgb, atol=2)
    np.testing.assert_array_equal(pixels.decode_fast(data), picture.pixels)


def test_an_srgb_profile_and_a_damaged_one_change_nothing():
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    for profile in (srgb, b"nonsense"):
        picture = pixels.read(encoded(smooth(), "PNG", icc_profile=profile))
        assert picture.converted.profile == ""
        np.testing.assert_array_equal(picture.pixels, smooth())


def test_transparency_is_laid_on_the_colour_that_is_chosen():
    clear = np.zeros((8, 8, 4), np.uint8)
    clear[:, 6:] = (0, 0, 255, 255)
    picture = pixels.read(encoded(clear, "PNG"), background=(255, 200, 0))
    assert picture.pixels[0, 0].tolist() == [255, 200, 0]
    assert picture.pixels[0, 7].tolist() == [0, 0, 255]
    assert picture.converted.transparent_share == 0.75


@pytest.mark.parametrize("image_format", ["PNG", "JPEG", "WEBP", "BMP", "TIFF"])
def test_the_second_opinion_agrees_on_a_sound_image(image_format):
    assert pixels.read(encoded(smooth(), image_format)).disagreement == 0


def test_the_second_opinion_tells_another_picture(monkeypatch):
    data = encoded(smooth(), "PNG")
    other = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    other[:4] = 255 - other[:4]
    monkeypatch.setattr(cv2, "imdecode", lambda *_: other)
    assert 0.05 < pixels.read(data).disagreement <= 0.1


def test_a_float_image_in_unit_range_fills_all_levels():
    values = np.linspace(0, 1, 256, dtype=np.float32).reshape(16, 16)
    np.testing.assert_array_equal(pixels.decode(encoded(values, "TIFF")).ravel(), np.arange(256))


def test_cmyk_becomes_rgb_as_pillow_converts_it():
    data = encoded(Image.fromarray(smooth()).convert("CMYK"), "JPEG", quality=95)
    reference = np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))
    np.testing.assert_array_equal(pixels.decode(data), reference)


def test_transparency_is_laid_on_white():
    clear = np.zeros((8, 8, 4), np.uint8)
    clear[:, 4:] = (255, 0, 0, 255)
    image = pixels.decode(encoded(clear, "PNG"))
    assert image[0, 0].tolist() == [255, 255, 255]
    assert image[0, 7].tolist() == [255, 0, 0]


@pytest.mark.parametrize("decode", [pixels.decode, pixels.decode_fast])
def test_a_transparent_palette_entry_and_a_transparent_colour_are_laid_on_white(decode):
    palette = Image.new("P", (8, 8), 1)
    palette.putpalette([10, 20, 30, 0, 0, 255])
    palette.putpixel((0, 0), 0)
    assert decode(encoded(palette, "PNG", transparency=1))[4, 4].tolist() == [255, 255, 255]
    assert decode(encoded(palette, "PNG"))[4, 4].tolist() == [0, 0, 255]
    grey = np.full((8, 8), 7, np.uint8)
    assert decode(encoded(grey, "PNG", transparency=7))[0, 0].tolist() == [255]


def test_the_first_frame_of_an_animation_is_used():
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "blue")]
    data = encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])
    assert pixels.read_header(data).frames == 2
    assert pixels.decode_fast(data)[0, 0].tolist() == [255, 0, 0]


def test_lab_white_is_white():
    lab = Image.new("LAB", (9, 9), (255, 128, 128))
    assert pixels.decode(encoded(lab, "TIFF")).min() >= 250


def test_a_png_of_known_colour_is_rgb_not_bgr():
    image = np.zeros((4, 4, 3), np.uint8)
    image[..., 0] = 200
    assert np.asarray(Image.open(io.BytesIO(pixels.encode_png(image))))[0, 0].tolist() == [200, 0, 0]


def test_to_grey_is_the_luma_that_pillow_computes():
    image = noise()
    reference = np.asarray(Image.fromarray(image).convert("L")).astype(int)
    assert np.abs(pixels.to_colour(image, 1)[:, :, 0] - reference).max() <= 1


def test_to_float_and_back_is_identity_and_every_other_array_is_refused():
    images = noise(6, 5)[None]
    floats = pixels.to_float(images)
    assert floats.dtype == np.float32
    assert floats.shape == (1, 3, 6, 5)
    np.testing.assert_array_equal(pixels.to_uint8(floats), images)
    with pytest.raises(NormalisationError):
        pixels.to_float(images.astype(np.float32))
    with pytest.raises(NormalisationError):
        pixels.to_uint8(np.full((1, 1, 2, 2), np.nan))
