"""masks: they stay where their image's pixels are, and their labels stay what they are."""

import hashlib

import cv2
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from morelike.resize import resize
from morelike.resize.form import Form, mask_to_form, to_form
from morelike.resize.settings import Resize
from morelike.storage.errors import SourceError
from morelike.storage.shards import ShardStore
from tests.resize.test_resize import encoded, smooth_picture, write_raw

SETTINGS = Resize(width_px=20, height_px=24, color="rgb", fit="pad", check_images=2)


def disc(height, width, row, column, radius):
    y, x = np.mgrid[0:height, 0:width]
    return (y - row) ** 2 + (x - column) ** 2 < radius**2


@pytest.mark.parametrize("fit", ["pad", "crop", "stretch"])
@pytest.mark.parametrize("shape", [(90, 60), (60, 90), (31, 33), (10, 12)])
def test_a_mask_covers_the_same_pixels_of_its_image_in_the_new_form(fit, shape):
    inside = disc(*shape, shape[0] * 0.45, shape[1] * 0.55, min(shape) * 0.3)
    form = Form(24, 20, 1, fit)
    image = to_form((inside * 255).astype(np.uint8)[:, :, None], form)[:, :, 0] > 127
    mask = mask_to_form((inside * 7).astype(np.uint8)[:, :, None], form)[:, :, 0]
    assert set(np.unique(mask)) == {0, 7}
    assert (image & (mask == 7)).sum() / (image | (mask == 7)).sum() > 0.9
    assert image.sum() > 20


@pytest.mark.parametrize("channels", [1, 3])
def test_no_label_is_made_up_and_the_border_is_0(channels):
    labels = np.random.default_rng(0).choice([3, 50, 200], (40, 20, channels)).astype(np.uint8)
    padded = mask_to_form(labels, Form(16, 16, channels, "pad"))
    assert set(np.unique(padded[:, 4:12])) <= {3, 50, 200}
    assert (padded[:, :4] == 0).all()
    assert (padded[:, 12:] == 0).all()


def test_enlarging_by_whole_steps_agrees_with_opencvs_nearest():
    labels = np.random.default_rng(0).integers(0, 256, (6, 5, 1), dtype=np.uint8)
    ours = mask_to_form(labels, Form(24, 20, 1, "stretch"))[:, :, 0]
    np.testing.assert_array_equal(ours, cv2.resize(labels[:, :, 0], (20, 24), interpolation=cv2.INTER_NEAREST_EXACT))


@pytest.fixture
def raw(tmp_path):
    """Three images, the last two with a mask, one of them in colours."""
    write_raw(tmp_path, {f"cat/{row}.png": smooth_picture(48, 40, row) for row in range(3)})
    path = tmp_path / "validated/manifest.parquet"
    manifest = pd.read_parquet(path)
    rows = []
    for row, channels in ((1, 1), (2, 3)):
        labels = np.full((48, 40, channels), 9, np.uint8)
        labels[:24, :, 0] = 40
        data = encoded(labels)
        (tmp_path / f"raw/cat/{row}_mask.png").write_bytes(data)
        manifest.loc[row, "mask"] = f"cat/{row}_mask.png"
        digest = hashlib.sha256(data).hexdigest()
        rows.append([f"cat/{row}_mask.png", f"cat/{row}.png", digest, 40, 48, channels])
    manifest.to_parquet(path)
    columns = ["mask", "file", "sha256", "width_px", "height_px", "channels"]
    pd.DataFrame(rows, columns=columns).to_parquet(tmp_path / "validated/masks.parquet")
    return tmp_path


def write(root, out="resized"):
    resize.write_resized(str(root / "raw"), root / "validated", root / out, SETTINGS, workers=1)
    return root / out


def test_masks_are_stored_beside_the_images_and_are_no_rows_of_them(raw):
    out = write(raw)
    images, masks = ShardStore(out), ShardStore(out / "masks")
    assert images.index["mask"].tolist() == ["", "cat/1_mask.png", "cat/2_mask.png"]
    assert masks.index["file"].tolist() == ["cat/1.png", "cat/2.png"]
    assert masks.shape == (24, 20, 3)
    first, second = masks.read([0, 1])
    assert (first[:12] == 40).all()
    assert (second[12:] == 9).all()
    assert (second[:12] == (40, 9, 9)).all()


def test_a_mask_that_has_changed_since_it_was_validated_is_named(raw):
    Image.new("L", (40, 48)).save(raw / "raw/cat/1_mask.png")
    with pytest.raises(SourceError, match=r"cat/1_mask\.png was accepted .* sha256"):
        write(raw)
    assert not (raw / "resized").exists()


def test_without_masks_there_is_no_store_of_them(tmp_path):
    write_raw(tmp_path, {"cat/1.png": smooth_picture(48, 40)})
    assert not (write(tmp_path) / "masks").exists()
