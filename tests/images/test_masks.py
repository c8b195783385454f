"""masks: labels come out as they went in."""

import io

import numpy as np
import pytest
from PIL import Image

from morelike.images.errors import ImageError
from morelike.images.masks import decode

LABELS = np.random.default_rng(0).integers(0, 9, (7, 5), dtype=np.uint8)


def encoded(image, kind="PNG", **options):
    data = io.BytesIO()
    image.save(data, kind, **options)
    return data.getvalue()


def of_palette():
    image = Image.fromarray(LABELS, "L").convert("P")
    image.putdata(LABELS.ravel().tolist())
    image.putpalette(np.random.default_rng(1).integers(0, 256, 768).astype(np.uint8).tobytes())
    return image


@pytest.mark.parametrize(
    ("data", "labels"),
    [
        (encoded(of_palette()), LABELS),
        (encoded(of_palette(), "GIF"), LABELS),
        (encoded(Image.fromarray(LABELS)), LABELS),
        (encoded(Image.fromarray(LABELS > 4)), (LABELS > 4) * 255),
        (encoded(Image.fromarray(LABELS.astype(np.uint16))), LABELS),
        (encoded(Image.fromarray(LABELS.astype(np.float32)), "TIFF"), LABELS),
        (encoded(Image.merge("LA", [Image.fromarray(one) for one in (LABELS, 9 * LABELS)])), LABELS),
        (encoded(Image.merge("RGB", [Image.fromarray(LABELS)] * 3)), LABELS),
    ],
    ids=["palette", "gif", "grey", "1 bit", "16 bits", "float", "alpha", "grey as RGB"],
)
def test_labels_of_any_form_are_kept(data, labels):
    assert decode(data).dtype == np.uint8
    np.testing.assert_array_equal(decode(data), labels[:, :, None])


def test_colours_are_kept_though_half_transparent():
    labels = LABELS % 6
    colours = np.stack([labels, 255 - labels, 7 * labels, 28 * labels], axis=2)
    np.testing.assert_array_equal(decode(encoded(Image.fromarray(colours))), colours[:, :, :3])


def test_a_mask_is_turned_upright():
    exif = Image.Exif()
    exif[0x0112] = 6
    np.testing.assert_array_equal(decode(encoded(Image.fromarray(LABELS), exif=exif))[:, :, 0], np.rot90(LABELS, -1))


@pytest.mark.parametrize(
    "image",
    [
        Image.fromarray(np.random.default_rng(0).integers(0, 256, (20, 20, 3), dtype=np.uint8)),
        Image.fromarray(np.full((3, 3), 256, np.uint16)),
        Image.fromarray(np.full((3, 3), 0.5, np.float32)),
        Image.fromarray(np.full((3, 3), np.nan, np.float32)),
        Image.fromarray(np.full((3, 3), -1, np.int32)),
    ],
    ids=["picture", "deep", "half", "nan", "negative"],
)
def test_a_picture_and_numbers_that_8_bits_cannot_hold_are_refused(image):
    with pytest.raises(ImageError, match=r"^mask_values"):
        decode(encoded(image, "TIFF"))
