"""What is no picture to us is called by its name."""

import builtins
import gzip
import io

import pytest
from PIL import Image

from morelike.images import pixels
from morelike.images.errors import ImageError

NIFTI = bytes(344) + b"n+1\0" + bytes(100)
FOREIGN = {
    "OpenEXR": b"v/1\x01" + bytes(60),
    "NIfTI": NIFTI,
    "NIfTI volume": gzip.compress(NIFTI),
    "SVG": b'<?xml version="1.0"?>\n<!-- drawn -->\n<svg xmlns="http://www.w3.org/2000/svg"/>',
    "SVG drawing": b"\xef\xbb\xbf <svg/>",
    "PDF": b"%PDF-1.7\n",
    "PostScript": b"%!PS-Adobe-3.0 EPSF-3.0\n",
    "JPEG XL": b"\xff\x0a" + bytes(60),
    "JPEG-LS": b"\xff\xd8\xff\xf7\0\x0b\x08" + bytes(60),
    "FITS": b"SIMPLE  =                    T",
    "Photoshop": b"8BPS\0\1" + bytes(60),
    "raw photograph": b"FUJIFILMCCD-RAW 0201",
    "raw": b"\0\0\0\x18ftypcrx " + bytes(60),
    "video": b"\0\0\0\x18ftypisom" + bytes(60),
}
DAMAGED = {
    "JPEG 2000": b"\0\0\0\x0cjP  \r\n\x87\n" + bytes(60),
    "AVIF": b"\0\0\0\x1cftypavif" + bytes(60),
    "HEIC": b"\0\0\0\x1cftypheic" + bytes(60),
    "DICOM": bytes(128) + b"DICM" + bytes(20),
}


def refused(data):
    with pytest.raises(ImageError) as caught:
        pixels.read(data)
    return caught.value


@pytest.mark.parametrize("name", FOREIGN)
def test_a_kind_that_is_not_read_is_named(name):
    error = refused(FOREIGN[name])
    assert error.code == "unsupported"
    assert name in error.detail


@pytest.mark.parametrize("name", DAMAGED)
def test_a_kind_that_is_read_and_cannot_be_opened_is_named(name):
    error = refused(DAMAGED[name])
    assert error.code in ("decode_error", "unsupported")
    assert name in error.detail


@pytest.mark.parametrize(
    "data", [b"file,label\n1.png,cat\n", b"<?xml version='1.0'?><annotation/>", b"\x1f\x8bno gzip"]
)
def test_what_is_no_image_is_not_called_one(data):
    assert refused(data).code == "not_an_image"


def test_the_preview_in_a_raw_photograph_is_not_taken_for_the_picture():
    file = io.BytesIO()
    Image.new("RGB", (16, 12)).save(file, "TIFF", tiffinfo={254: 1, 330: 8})
    assert refused(file.getvalue()).code == "unsupported"
    Image.new("RGB", (16, 12), tuple(b"CR2")).save(file := io.BytesIO(), "TIFF")
    assert pixels.read(file.getvalue())


@pytest.mark.parametrize(("name", "package"), [("HEIC", "pillow_heif"), ("DICOM", "pydicom")])
def test_without_its_package_a_kind_is_refused_with_what_to_install(monkeypatch, name, package):
    honest = builtins.__import__

    def without(module, *arguments, **options):
        if module.split(".")[0] == package:
            raise ImportError(module)
        return honest(module, *arguments, **options)

    monkeypatch.setattr(builtins, "__import__", without)
    error = refused(DAMAGED[name])
    assert error.code == "unsupported"
    assert f"morelike[{name.lower()}]" in error.detail
