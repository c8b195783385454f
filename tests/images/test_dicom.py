"""DICOM files, against the pixels and formulas of PS3.3."""

import io

import numpy as np
import pytest
from PIL import Image

from morelike.images import headers, pixels
from morelike.images.errors import ImageError

pydicom = pytest.importorskip("pydicom")
from pydicom.encaps import encapsulate  # noqa: E402
from pydicom.uid import ExplicitVRLittleEndian, JPEGLSLossless, RLELossless  # noqa: E402

from tests.dicoms import dicom  # noqa: E402


def loaded(data):
    with headers.guarded(headers.MAX_PIXELS):
        return headers.loaded(data, headers.MAX_PIXELS)


GREY = np.arange(48, dtype=np.uint8).reshape(6, 8)


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, RLELossless])
def test_grey_pixels_stand_as_they_are_stored(syntax):
    picture = pixels.read(dicom(GREY, syntax=syntax))
    np.testing.assert_array_equal(picture.pixels[:, :, 0], GREY)
    assert (picture.header.format, picture.header.mode, picture.header.frames) == ("DICOM", "L", 1)
    assert picture.header.as_stored


def test_sixteen_bits_are_kept():
    stored = np.arange(48, dtype=np.uint16).reshape(6, 8) * 1000
    image = loaded(dicom(stored))
    assert image.mode == "I;16"
    np.testing.assert_array_equal(np.asarray(image), stored)


@pytest.mark.parametrize(("slope", "intercept", "mode"), [(1, -1024, "I"), (2, 10, "I"), (0.5, -3.25, "F")])
@pytest.mark.parametrize("dtype", [np.int16, np.uint16])
def test_values_are_rescaled_to_their_unit(slope, intercept, mode, dtype):
    stored = np.linspace(0, 30_000, 48).astype(dtype).reshape(6, 8) - (100 if dtype == np.int16 else 0)
    image = loaded(dicom(stored.astype(dtype), RescaleSlope=str(slope), RescaleIntercept=str(intercept)))
    assert image.mode == mode
    np.testing.assert_allclose(np.asarray(image), stored * float(slope) + intercept)


def test_an_intercept_without_a_slope_counts():
    assert np.asarray(loaded(dicom(GREY, RescaleIntercept="-7"))).min() == -7


@pytest.mark.parametrize(("dtype", "bits"), [(np.uint8, 8), (np.uint16, 12), (np.int16, 16)])
def test_monochrome1_is_inverted_within_its_bits(dtype, bits):
    low, high = (-(2**15), 2**15 - 1) if dtype == np.int16 else (0, 2**bits - 1)
    stored = np.linspace(low, high, 48).astype(dtype).reshape(6, 8)
    image = np.asarray(loaded(dicom(stored, "MONOCHROME1", BitsStored=bits))).astype(int)
    np.testing.assert_array_equal(image, high + low - stored.astype(int))


def test_colours_become_rgb():
    colours = np.random.default_rng(0).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    np.testing.assert_array_equal(pixels.read(dicom(colours, "RGB")).pixels, colours)
    ycbcr = np.asarray(Image.fromarray(colours).convert("YCbCr"))
    reference = np.asarray(Image.fromarray(ycbcr, "YCbCr").convert("RGB")).astype(int)
    assert np.abs(pixels.read(dicom(ycbcr, "YBR_FULL")).pixels - reference).max() <= 2


def test_the_first_of_several_frames_is_used_and_they_are_counted():
    frames = np.stack([GREY, GREY + 100])
    picture = pixels.read(dicom(frames, NumberOfFrames=2))
    assert picture.header.frames == 2
    np.testing.assert_array_equal(picture.pixels[:, :, 0], GREY)


def test_a_compression_that_cannot_be_decoded_is_named():
    dataset = pydicom.dcmread(io.BytesIO(dicom(GREY)))
    dataset.file_meta.TransferSyntaxUID = JPEGLSLossless
    dataset.PixelData = encapsulate([b"\xff\xd8\xff\xf7" + bytes(20)])
    dataset.save_as(file := io.BytesIO(), enforce_file_format=True)
    with pytest.raises(ImageError, match="unsupported: a DICOM image compressed as JPEG-LS Lossless"):
        pixels.read(file.getvalue())


def test_a_file_without_pixels_is_refused():
    dataset = pydicom.dcmread(io.BytesIO(dicom(GREY)))
    del dataset.PixelData
    dataset.save_as(file := io.BytesIO(), enforce_file_format=True)
    with pytest.raises(ImageError, match="unsupported: a DICOM file that holds no pixels"):
        pixels.read(file.getvalue())


def test_too_many_pixels_are_refused_before_they_are_decoded(monkeypatch):
    monkeypatch.setattr("pydicom.pixels.pixel_array", lambda *_, **__: pytest.fail("decoded"))
    with pytest.raises(ImageError, match="bomb"):
        pixels.read(dicom(GREY), max_pixels=95)


def test_pixels_that_are_cut_off_are_refused():
    with pytest.raises(ImageError) as caught:
        pixels.read(dicom(GREY)[:-20])
    assert caught.value.code in ("decode_error", "truncated", "damaged")
