"""Damage that a decoder goes on after: what is noticed, and what is no damage."""

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from morelike.images import damage, jpeg, pixels, stderr
from morelike.images.errors import ImageError

REFUSED = ("damaged", "truncated", "decode_error")
HOLE, ZEROS = 512, 4096
END = b"\xff\xd9"


def photograph(mode="RGB", height=240, width=300):
    """Waves with a fine grain: like a photograph, each part of the file tells of another part of the picture."""
    y, x = np.mgrid[0:height, 0:width]
    grain = np.random.default_rng(0).normal(0, 9, (height, width, 3))
    waves = np.stack([np.sin(x / 9), np.cos(y / 13), np.sin((x + y) / 21)], axis=2)
    return Image.fromarray((128 + 80 * waves + grain).clip(0, 255).astype(np.uint8)).convert(mode)


def encoded(image, kind, **options):
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def code_of(data):
    with stderr.muted():
        try:
            pixels.read(data)
        except ImageError as error:
            return error.code
    return ""


KINDS = {
    "JPEG": ("JPEG", "RGB", {}),
    "grey JPEG": ("JPEG", "L", {}),
    "CMYK JPEG": ("JPEG", "CMYK", {}),
    "progressive JPEG": ("JPEG", "RGB", {"progressive": True}),
    "JPEG with restarts": ("JPEG", "RGB", {"restart_marker_rows": 1}),
    "JPEG with a profile": ("JPEG", "RGB", {"icc_profile": b"nonsense"}),
    "PNG": ("PNG", "RGB", {}),
    "palette PNG": ("PNG", "P", {}),
    "PNG with alpha": ("PNG", "RGBA", {}),
    "WebP": ("WEBP", "RGB", {"quality": 95}),
    "lossless WebP": ("WEBP", "RGB", {"lossless": True}),
    "TIFF, LZW": ("TIFF", "RGB", {"compression": "tiff_lzw"}),
    "TIFF, deflate": ("TIFF", "RGB", {"compression": "tiff_adobe_deflate"}),
    "TIFF, JPEG": ("TIFF", "RGB", {"compression": "jpeg", "quality": 95}),
    "GIF": ("GIF", "P", {}),
    "JPEG 2000": ("JPEG2000", "RGB", {}),
    "AVIF": ("AVIF", "RGB", {"quality": 95}),
    "QOI": ("QOI", "RGB", {}),
}
ENDS = {"JPEG": END, "JPEG2000": END, "PNG": b"\0\0\0\0IEND\xaeB`\x82", "GIF": b"\0;"}


@pytest.fixture(scope="module")
def sound():
    return {name: encoded(photograph(mode), kind, **options) for name, (kind, mode, options) in KINDS.items()}


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("planted", ["hole", "zeros", "closed"])
def test_lost_bytes_are_never_taken_for_a_picture(sound, name, planted):
    data = sound[name]
    assert code_of(data) == ""
    middle = len(data) // 2
    if planted == "hole":
        data = data[:middle] + data[middle + HOLE :]
    elif planted == "zeros":
        data = data[:middle] + bytes(ZEROS) + data[middle + ZEROS :]
    else:
        data = data[:middle] + ENDS.get(KINDS[name][0], b"")
    assert code_of(data) in REFUSED


def chunk(kind, content):
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png_of_half_the_rows(bits, colour_type, interlaced=0):
    header = struct.pack(">IIBBBBB", 32, 32, bits, colour_type, 0, 0, interlaced)
    whole = encoded(photograph("P", 32, 32), "PNG") if colour_type == 3 else b""
    palette = whole[whole.find(b"PLTE") - 4 : whole.find(b"IDAT") - 4]
    row = 1 + 32 * bits * damage.PNG_CHANNELS[colour_type] // 8
    rows = zlib.compress(bytes(16 * row))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + palette + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


@pytest.mark.parametrize(("bits", "colour_type"), [(8, 0), (8, 2), (8, 3), (8, 6), (16, 0), (16, 2)])
@pytest.mark.parametrize("interlaced", [0, 1])
def test_a_png_of_which_half_the_rows_are_there_is_damaged(bits, colour_type, interlaced):
    assert code_of(png_of_half_the_rows(bits, colour_type, interlaced)) in REFUSED


@pytest.mark.parametrize(("height", "width"), [(1, 1), (3, 2), (5, 9), (33, 31)])
@pytest.mark.parametrize("bits", [1, 2, 4])
def test_the_bytes_that_a_png_must_hold_are_counted_right(height, width, bits):
    image = photograph("L", height, width).quantize(2**bits)
    for data in (encoded(image, "PNG", bits=bits), encoded(photograph("RGB", height, width), "PNG")):
        inflated = zlib.decompress(b"".join(data[a:b] for kind, a, b in damage._png_chunks(data) if kind == b"IDAT"))
        less = zlib.compress(inflated[:-1])
        place, end = next((a, b) for kind, a, b in damage._png_chunks(data) if kind == b"IDAT")
        assert damage._of_png(data, image) == ""
        assert "end after" in damage._of_png(data[: place - 8] + chunk(b"IDAT", less) + data[end + 4 :], image)


def test_a_wrong_sum_of_the_pixels_of_a_png_is_damage():
    data = bytearray(encoded(photograph("LA"), "PNG"))
    data[data.find(b"IEND") - 5] ^= 1
    assert code_of(bytes(data)) in REFUSED


def test_a_bmp_that_lost_a_byte_is_damaged():
    data = encoded(photograph("RGB", 20, 21), "BMP")
    assert code_of(data[:100] + data[101:]) in REFUSED


def test_a_progressive_jpeg_that_lost_whole_scans_is_damaged():
    data = encoded(photograph(), "JPEG", progressive=True)
    *_, (_, start, end) = [found for found in jpeg.segments(data) if found[0] == jpeg.SCAN[1]]
    assert code_of(data[:start] + data[end:]) == "damaged"


def test_a_lost_block_that_decodes_to_as_many_pixels_as_it_held_is_noticed():
    data = encoded(photograph(), "JPEG", quality=90)
    accepted = [
        place for place in range(1000, 20_000, 500) if not code_of(data[:place] + bytes(1024) + data[place + 1024 :])
    ]
    assert accepted == []


def test_no_gif_with_a_changed_code_is_accepted_with_wrong_pixels():
    data = encoded(photograph("P"), "GIF")
    right, refused = pixels.read(data).pixels.astype(int), 0
    for place in range(1200, len(data) - 20, len(data) // 40):
        changed = data[:place] + bytes([data[place] ^ 16]) + data[place + 1 :]
        refused += (code := code_of(changed)) != ""
        assert code in REFUSED or (np.abs(pixels.read(changed).pixels - right) > 8).any(axis=2).mean() < 0.01
    assert refused > 10


def harmless(name):
    data = encoded(photograph(), "JPEG")
    table = data.find(b"\xff\xdb")
    return {
        "bytes between the segments of the header": data[:table] + b"\x07" * 16 + data[table:],
        "metadata of an unknown kind": data[:table] + b"\xff\xe2\0\x05ICC" + data[table:],
        "bytes after the end": data + b"\x07" * 900,
        "a video after the end": data + b"\xff\xda" * 300,
        "another picture after the end": data + data[: len(data) // 2],
        "zeros before the end": data[:-2] + bytes(700) + END,
    }[name]


@pytest.mark.parametrize(
    "name",
    [
        "bytes between the segments of the header",
        "metadata of an unknown kind",
        "bytes after the end",
        "a video after the end",
        "another picture after the end",
        "zeros before the end",
    ],
)
def test_what_leaves_the_pixels_right_is_no_damage(name):
    sound, odd = encoded(photograph(), "JPEG"), harmless(name)
    assert code_of(odd) == ""
    np.testing.assert_array_equal(pixels.read(odd).pixels, pixels.read(sound).pixels)


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("WEBP", {}),
        ("WEBP", {"lossless": True}),
        ("JPEG2000", {}),
        ("JPEG2000", {"precinct_size": (64, 64), "codeblock_size": (32, 32)}),
        ("JPEG2000", {"tile_size": (128, 128)}),
        ("TIFF", {"compression": "tiff_adobe_deflate"}),
        ("JPEG", {"progressive": True}),
        ("GIF", {}),
    ],
)
def test_a_flat_picture_is_no_damage(kind, options):
    side = 3600 if kind == "WEBP" and not options else 1200  # a flat WebP has zeros, the more the larger it is
    assert code_of(encoded(Image.new("L" if kind != "WEBP" else "RGB", (side, side)), kind, **options)) == ""
