"""HEIC files, where pillow-heif is installed."""

import io

import numpy as np
import pytest
from PIL import Image

from morelike.images import pixels
from morelike.images.errors import ImageError

pillow_heif = pytest.importorskip("pillow_heif")


@pytest.fixture(scope="module")
def heic():
    if not pillow_heif.libheif_info()["encoders"].get("x265", True):
        pytest.skip("this pillow-heif cannot write one")
    pillow_heif.register_heif_opener()
    y, x = np.mgrid[0:64, 0:80]
    drawn = np.stack([x * 3, y * 4, x + y], axis=2).astype(np.uint8)
    file = io.BytesIO()
    Image.fromarray(drawn).save(file, "HEIF", quality=95)
    return drawn, file.getvalue()


def test_a_heic_is_read(heic):
    drawn, data = heic
    picture = pixels.read(data)
    assert (picture.header.format, picture.header.frames) == ("HEIF", 1)
    assert np.abs(picture.pixels.astype(int) - drawn).mean() < 4
    np.testing.assert_array_equal(pixels.decode_fast(data), picture.pixels)


def test_a_heic_that_was_cut_is_refused(heic):
    with pytest.raises(ImageError) as caught:
        pixels.read(heic[1][: len(heic[1]) // 2])
    assert caught.value.code in ("truncated", "decode_error")
