"""Each row of the table in docs/formats.md, run."""

import io
import re
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from morelike.images import pixels, stacks
from morelike.images.deep import Span
from morelike.images.errors import ImageError
from tests.dicoms import dicom
from tests.written_files import netpbm, png, tiff

PAGE = Path(__file__).resolve().parents[2] / "docs/formats.md"
BACKGROUND = (40, 90, 200)
RANGE = Span(0.0, 4095.0)
HEIGHT, WIDTH = 16, 24


def shares(channels=3):
    """Return smooth values in [0, 1], H×W×C."""
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH]
    waves = [(x + 8) / 40, (y + 4) / 24, (x + y) / 38, 1 - (x + 2 * y) / 60]
    return np.stack(waves[:channels], axis=2)


def levels(channels=3):
    return np.rint(shares(channels) * 255).astype(np.uint8)


def numbers(channels=3, kind=np.uint16):
    return (shares(channels) * 4095).round().astype(kind)


def with_alpha():
    return np.dstack([numbers(), np.rint(shares(4)[:, :, 3:] * 65535).astype(np.uint16)])


def saved(image_format, mode="RGB", **options):
    file = io.BytesIO()
    image = Image.fromarray(levels()) if mode != "RGBA" else Image.fromarray(levels(4))
    image = image.quantize(64) if mode == "P" else image.convert(mode)
    image.save(file, image_format, **options)
    return file.getvalue()


def both(image_format, **options):
    return [saved(image_format, mode, **options) for mode in ("L", "RGB")]


def animated(image_format):
    file = io.BytesIO()
    first, second = (Image.fromarray(image) for image in (levels(), 255 - levels()))
    first.save(file, image_format, save_all=True, append_images=[second], lossless=True)
    return [file.getvalue()]


def ten_bit_avif():
    # OpenCV writes deep AVIF in BGR.
    shallow = np.ascontiguousarray((shares()[:, :, ::-1] * 1023).round().astype(np.uint16))
    return cv2.imencode(".avif", shallow, [cv2.IMWRITE_AVIF_DEPTH, 10, cv2.IMWRITE_AVIF_QUALITY, 100])[1].tobytes()


def pfm(channels):
    values = shares(channels)[::-1].astype("<f4") * 4095
    return b"%s\n%d %d\n-1.0\n" % (b"Pf" if channels == 1 else b"PF", WIDTH, HEIGHT) + values.astype("<f4").tobytes()


def jp2(mode):
    file = io.BytesIO()
    image = Image.fromarray(numbers(1)[:, :, 0]) if mode == "I;16" else Image.fromarray(levels()).convert(mode)
    image.save(file, "JPEG2000")
    return file.getvalue()


DEEP_TIFFS = {
    "8 bits said to be signed, grey": [tiff(levels(1), tags={339: 2})],
    "16 bits, grey or RGB": [tiff(numbers(1)), tiff(numbers())],
    "16 bits, signed": [tiff(numbers(1, np.int16))],
    "16 bits with alpha": [tiff(with_alpha())],
    "32 or 64 bits, grey or RGB": [tiff(numbers(c, kind)) for c in (1, 3) for kind in (np.uint32, np.int32, np.int64)],
    "floats of 32 or 64 bits, grey or RGB": [tiff(numbers(c, kind)) for c in (1, 3) for kind in (np.float32, "f8")],
    "floats of 16 bits": [tiff(numbers(c, np.float16)) for c in (1, 3)],
    "more than 8 bits, RGB in planes": [tiff(numbers(3, kind), planar=True) for kind in (np.uint16, np.float32)],
    "2 channels, 5 or more": [tiff(np.dstack([numbers(1)] * count)) for count in (2, 5, 9)],
}
FILES = {
    ("PNG", "1 bit"): lambda: [saved("PNG", "1")],
    ("PNG", "8 bits, grey or RGB"): lambda: both("PNG"),
    ("PNG", "palette"): lambda: [saved("PNG", "P")],
    ("PNG", "8 bits with alpha"): lambda: [saved("PNG", "RGBA")],
    ("PNG", "16 bits, grey or RGB"): lambda: [png(numbers(1)), png(numbers())],
    ("PNG", "16 bits with alpha"): lambda: [png(with_alpha())],
    ("PNG", "animated"): lambda: animated("PNG"),
    ("JPEG", "8 bits, grey or RGB"): lambda: both("JPEG", quality=98, subsampling=0),
    ("JPEG", "CMYK"): lambda: [saved("JPEG", "CMYK", quality=98, subsampling=0)],
    ("TIFF", "1 bit"): lambda: [saved("TIFF", "1")],
    ("TIFF", "8 bits, grey or RGB"): lambda: both("TIFF"),
    ("TIFF", "8 bits, RGB in planes"): lambda: [tiff(levels(), planar=True)],
    ("TIFF", "palette"): lambda: [saved("TIFF", "P")],
    ("TIFF", "8 bits with alpha"): lambda: [saved("TIFF", "RGBA")],
    ("TIFF", "CMYK"): lambda: [saved("TIFF", "CMYK")],
    ("TIFF", r"L\*a\*b\*"): lambda: [lab()],
    **{("TIFF", values): partial(list, data) for values, data in DEEP_TIFFS.items()},
    ("TIFF", "several pages"): lambda: animated("TIFF"),
    ("GIF", "palette"): lambda: [saved("GIF", "P")],
    ("GIF", "animated"): lambda: animated("GIF"),
    ("BMP", "8 bits, grey or RGB"): lambda: both("BMP"),
    ("BMP", "palette"): lambda: [saved("BMP", "P")],
    ("WebP", "8 bits, RGB"): lambda: [saved("WEBP", lossless=True)],
    ("WebP", "8 bits with alpha"): lambda: [saved("WEBP", "RGBA", lossless=True, exact=True)],
    ("WebP", "animated"): lambda: animated("WEBP"),
    ("JPEG 2000", "8 bits, grey or RGB"): lambda: [jp2("L"), jp2("RGB")],
    ("JPEG 2000", "16 bits, grey"): lambda: [jp2("I;16")],
    ("PBM", "1 bit"): lambda: [saved("PPM", "1")],
    ("PGM, PPM", "8 bits, grey or RGB"): lambda: both("PPM"),
    ("PGM, PPM", "16 bits, largest number 65535"): lambda: [netpbm(numbers(c)) for c in (1, 3)],
    ("PGM, PPM", "another largest number"): lambda: [netpbm(numbers(3), 4095)],
    ("PFM", "floats, grey"): lambda: [pfm(1)],
    ("PFM", "floats, RGB"): lambda: [pfm(3)],
    ("AVIF", "8 bits, RGB"): lambda: [saved("AVIF", quality=100, subsampling="4:4:4")],
    ("AVIF", "10 or 12 bits, RGB"): lambda: [ten_bit_avif()],
    ("AVIF", "8 bits with alpha"): lambda: [saved("AVIF", "RGBA", quality=100, subsampling="4:4:4")],
    ("ICO", "8 bits with alpha"): lambda: [saved("ICO", "RGBA", sizes=[(WIDTH, HEIGHT)])],
    ("TGA", "8 bits, grey or RGB"): lambda: both("TGA"),
    ("QOI", "8 bits, RGB"): lambda: [saved("QOI")],
    ("HEIC", "8 bits, RGB"): lambda: [heic()],
    ("DICOM", "8 bits, grey"): lambda: [dicom(luma()[:, :, 0])],
    ("DICOM", "16 bits, grey"): lambda: [dicom(numbers(1)[:, :, 0])],
    ("DICOM", "rescaled to another unit"): lambda: [
        dicom(numbers(1)[:, :, 0] + np.uint16(1000), RescaleIntercept=-1000)
    ],
}


def heic():
    import pillow_heif

    pillow_heif.register_heif_opener()
    return saved("HEIF", quality=100, chroma=444)


def lab():
    from PIL import ImageCms

    srgb, target = ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB")
    file = io.BytesIO()
    ImageCms.profileToProfile(Image.fromarray(levels()), srgb, target, outputMode="LAB").save(file, "TIFF")
    return file.getvalue()


def close(data, expected, levels_apart, span=None):
    """Check what a file becomes, whichever decoder reads it."""
    for decode in (pixels.decode, pixels.decode_fast):
        image = decode(data, background=BACKGROUND, span=span).astype(int)
        assert np.abs(image - expected).mean() <= levels_apart
    return pixels.read(data, background=BACKGROUND, span=span)


def luma():
    return np.asarray(Image.fromarray(levels()).convert("L"))[:, :, None]


def as_it_is(data):
    grey = pixels.decode(data).shape[2] == 1
    picture = close(data, luma() if grey else levels(), 2)
    assert picture.converted.numbers == ""


def grey(data):
    image = close(data, np.asarray(Image.fromarray(levels()).convert("1").convert("L"))[:, :, None], 0).pixels
    assert image.shape[2] == 1


def rgb(data):
    assert close(data, levels(), 12).pixels.shape[2] == 3


def on_background(data):
    alpha = shares(4)[:, :, 3:]
    assert close(data, levels() * alpha + np.array(BACKGROUND) * (1 - alpha), 2).converted.alpha


def scaled(data):
    found = pixels.survey(data)
    assert isinstance(found, pixels.Unscaled)
    channels = pixels.decode(data, span=RANGE).shape[2]
    close(data, levels(channels), 1, RANGE)


def scaled_on_background(data):
    alpha = shares(4)[:, :, 3:]
    close(data, levels() * alpha + np.array(BACKGROUND) * (1 - alpha), 2, RANGE)


def declared(data):
    close(data, levels(), 2)


def refused(data):
    for read in (pixels.survey, pixels.read, pixels.decode):
        with pytest.raises(ImageError, match=r"^unsupported: a .*; (save|convert) it"):
            read(data)


def first_or_each(data):
    close(data, levels(), 12)
    for page, image in enumerate((levels(), 255 - levels()), 1):
        close(stacks.alone(data, page), image, 12)


def unsigned(data):
    close(data, levels(1), 0)


BECOMES = {
    "taken for unsigned: as it is": unsigned,
    "as it is": as_it_is,
    "grey": grey,
    "RGB": rgb,
    "sRGB": rgb,
    "laid on `data.background`": on_background,
    "scaled from the range of the set": scaled,
    "scaled from the range of the set, laid on `data.background`": scaled_on_background,
    "scaled from what the file declares": declared,
    "refused: `unsupported`": refused,
    "the first image, or each: `data.stack`": first_or_each,
}
ROWS = re.findall(r"^\| (.+?) \| (.+?) \| (.+?) \|$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)[2:]


@pytest.mark.parametrize(("kind", "values", "becomes"), ROWS)
def test_each_kind_of_image_becomes_what_the_docs_say(kind, values, becomes):
    for data in FILES[kind, values]():
        BECOMES[becomes](data)


def test_each_kind_that_is_tried_is_in_the_docs():
    assert [row[:2] for row in ROWS] == list(FILES)
