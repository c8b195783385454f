"""resize: one form for all, without aliasing; nothing but what was validated."""

import hashlib
import io
import json

import cv2
import numpy as np
import pandas as pd
import pillow_heif
import pytest
import torch
from PIL import Image
from torchvision.transforms.v2 import InterpolationMode
from torchvision.transforms.v2.functional import resize as torchvision_resize

from morelike.images import pixels
from morelike.images.errors import NormalisationError
from morelike.resize import resize
from morelike.resize.form import Form, antialiased, to_form
from morelike.resize.resize import chosen_form
from morelike.resize.settings import Resize
from morelike.storage.errors import SourceError
from morelike.storage.shards import ShardStore
from tests.dicoms import dicom

AUTO = Resize(width_px="auto", height_px="auto", color="auto", fit="pad", check_images=8)


def smooth_picture(height, width, seed=0):
    """A picture with colour and detail at several scales."""
    rng = np.random.default_rng(seed)
    layers = [
        cv2.resize(rng.random((cells, cells, 3)), (width, height), interpolation=cv2.INTER_CUBIC)
        for cells in (3, 9, 20)
    ]
    return (np.mean(layers, axis=0).clip(0, 1) * 255).astype(np.uint8)


def wave(size, cycles_per_px):
    columns = 127.5 + 100 * np.cos(2 * np.pi * cycles_per_px * np.arange(size))
    return np.rint(np.tile(columns, (size, 1))).astype(np.uint8)[:, :, None]


def amplitude(image):
    margin = image.shape[1] // 8
    return float(image[:, margin:-margin].std() * np.sqrt(2))


def encoded(image, kind="PNG", **options):
    data = io.BytesIO()
    Image.fromarray(image.squeeze()).save(data, kind, **options)
    return data.getvalue()


def write_raw(root, images, splits=None, colourfulness=None):
    """Write {file name: pixels or bytes} and the manifest that validate would."""
    rows = []
    for number, (name, image) in enumerate(images.items()):
        data = image if isinstance(image, bytes) else encoded(image)
        path = root / "raw" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        decoded = pixels.decode(data)
        rows.append(
            {
                "file": name,
                "label": name.split("/")[0],
                "split": splits[number] if splits else "train",
                "group": number,
                "given_group": "",
                "mask": "",
                "sha256": hashlib.sha256(data).hexdigest(),
                "phash": "0" * 16,
                "page": 0,
                "black": 0.0,
                "white": 255.0,
                "width_px": decoded.shape[1],
                "height_px": decoded.shape[0],
                "attributes": "{}",
                "colourfulness": 0.1 if colourfulness is None else colourfulness,
            }
        )
    (root / "validated").mkdir(exist_ok=True)
    pd.DataFrame(rows).to_parquet(root / "validated/manifest.parquet")


def run(root, settings=AUTO, workers=1, out="resized"):
    return resize.write_resized(str(root / "raw"), root / "validated", root / out, settings, workers)


FORMATS = ["PNG", "JPEG", "TIFF", "JPEG2000", "GIF", "WEBP", "AVIF", "BMP", "TGA", "QOI", "HEIF", "DICOM"]


@pytest.mark.parametrize("kind", FORMATS)
def test_an_image_of_any_format_is_stored_as_it_is_decoded(tmp_path, kind):
    pillow_heif.register_heif_opener()
    image = smooth_picture(16, 16)
    data = dicom(image[:, :, 0]) if kind == "DICOM" else encoded(image, kind)
    write_raw(tmp_path, {"a/1": data})
    run(tmp_path, Resize(width_px=16, height_px=16, color="auto", fit="pad", check_images=1))
    stored = ShardStore(tmp_path / "resized").read([0])[0]
    np.testing.assert_array_equal(stored, np.broadcast_to(pixels.decode(data), (16, 16, 3)))


@pytest.mark.parametrize(("height", "width"), [(16, 16), (31, 17), (64, 48), (7, 90), (200, 150)])
def test_resampling_agrees_with_torchvisions_antialiased_bicubic(height, width):
    image = smooth_picture(97, 61)
    ours = antialiased(image, height, width)
    theirs = torchvision_resize(
        torch.from_numpy(image).permute(2, 0, 1), [height, width], InterpolationMode.BICUBIC, antialias=True
    )
    difference = np.abs(ours.astype(int) - theirs.permute(1, 2, 0).numpy())
    assert ours.shape == (height, width, 3)
    assert difference.mean() < 1


def test_a_large_reduction_agrees_with_an_area_average():
    image = smooth_picture(970, 610)
    averaged = cv2.resize(image, (24, 32), interpolation=cv2.INTER_AREA)
    assert np.abs(antialiased(image, 32, 24).astype(int) - averaged).mean() < 1


@pytest.mark.parametrize("reduction", [2.5, 3.3, 10])
@pytest.mark.parametrize("times_nyquist", [1.5, 1.7, 2.0])
def test_a_frequency_above_nyquist_does_not_alias(reduction, times_nyquist):
    size = 640
    small = round(size / reduction)
    image = wave(size, times_nyquist * 0.5 * small / size)
    assert amplitude(image) > 90
    assert amplitude(antialiased(image, small, small)) < 8
    picked = image[:, np.linspace(0, size - 1, small).astype(int)]
    assert amplitude(picked) > 50  # what picking pixels would leave


def test_a_frequency_well_below_nyquist_stays():
    image = wave(640, 0.25 * 0.5 / 3.3)
    assert amplitude(antialiased(image, 194, 194)) > 95


def test_enlarging_and_reducing_again_gives_the_image_back():
    image = smooth_picture(40, 30)
    assert np.abs(antialiased(antialiased(image, 160, 120), 40, 30).astype(int) - image).mean() < 0.01 * 255


@pytest.mark.parametrize("fit", ["pad", "crop", "stretch"])
@pytest.mark.parametrize("shape", [(1, 1, 1), (2, 90, 3), (33, 35, 1), (300, 7, 3), (64, 64, 3)])
@pytest.mark.parametrize("form", [(16, 16, 3), (17, 31, 1), (64, 40, 3)])
def test_every_image_gets_the_form_whatever_its_shape(fit, shape, form):
    image = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    result = to_form(image, Form(*form, fit))
    assert result.shape == form
    assert result.dtype == np.uint8


@pytest.mark.parametrize("fit", ["pad", "crop", "stretch"])
def test_an_image_that_has_the_form_already_is_left_as_it_is(fit):
    image = smooth_picture(24, 20)
    assert (to_form(image, Form(24, 20, 3, fit)) == image).all()


def test_padding_keeps_the_whole_image_in_the_middle_and_has_its_border_colour():
    image = np.full((20, 40, 3), (200, 150, 100), np.uint8)
    image[5:15, 10:30] = (20, 10, 0)
    image[0, :4] = 0
    padded = to_form(image, Form(40, 40, 3, "pad"))
    assert (padded[10:30] == image).all()
    assert (padded[:10] == (200, 150, 100)).all()
    assert (padded[30:] == (200, 150, 100)).all()


def test_padding_a_digit_on_black_stays_black():
    image = np.zeros((28, 14, 1), np.uint8)
    image[5:20, 5:9] = 255
    padded = to_form(image, Form(28, 28, 1, "pad"))
    assert (padded[:, :7] == 0).all()
    assert (padded[:, 21:] == 0).all()


def test_cropping_keeps_the_middle_and_the_aspect():
    image = smooth_picture(20, 60)
    assert (to_form(image, Form(20, 20, 3, "crop")) == image[:, 20:40]).all()


def test_stretching_maps_halves_to_halves():
    image = np.zeros((10, 40, 1), np.uint8)
    image[:, 20:] = 255
    stretched = to_form(image, Form(40, 10, 1, "stretch"))
    assert stretched[:, :4].max() < 20
    assert stretched[:, 6:].min() > 235


def manifest_of(sizes, split="train", colourfulness=0.0):
    widths, heights = zip(*sizes, strict=True)
    table = {"width_px": widths, "height_px": heights, "split": split, "colourfulness": colourfulness}
    return pd.DataFrame(table)


@pytest.mark.parametrize(
    ("sizes", "side"),
    [([(28, 28)] * 3, 28), ([(20, 29), (30, 10), (5, 31)], 32), ([(3, 4)], 16), ([(500, 20)], 64), ([(10, 64)], 64)],
)
def test_the_automatic_size_is_the_median_longer_side_in_fours_from_16_to_64(sizes, side):
    form = chosen_form(manifest_of(sizes), AUTO)
    assert (form.height_px, form.width_px) == (side, side)


def test_the_automatic_form_looks_at_train_images_alone():
    manifest = pd.concat([manifest_of([(20, 20)] * 2), manifest_of([(60, 60)] * 9, "test", colourfulness=0.5)])
    assert chosen_form(manifest, AUTO) == Form(20, 20, 1, "pad")


def test_asked_for_sizes_and_colour_stand():
    asked = AUTO.model_copy(update={"width_px": 33, "color": "rgb", "fit": "crop"})
    assert chosen_form(manifest_of([(20, 24)]), asked) == Form(24, 33, 3, "crop")


def test_automatic_colour_sees_one_red_stroke_and_overlooks_chroma_noise():
    from morelike.validate.measures import luma_of, of_image

    rng = np.random.default_rng(0)
    grey = np.repeat(rng.integers(1, 255, (28, 28, 1)), 3, axis=2)
    noisy = (grey + rng.integers(-1, 2, grey.shape)).astype(np.uint8)
    stroke = grey.astype(np.uint8)
    stroke[10:12, 5:20] = (200, 0, 0)
    channels = []
    for image in (noisy, stroke):
        manifest = manifest_of([(28, 28)] * 4)
        manifest.loc[2, "colourfulness"] = of_image(image, luma_of(image))["colourfulness"]
        channels.append(chosen_form(manifest, AUTO).channels)
    assert channels == [1, 3]


def test_the_store_holds_every_image_upright_in_manifest_order_with_its_row(tmp_path):
    tall = smooth_picture(40, 20, seed=1)
    turned = io.BytesIO()
    exif = Image.Exif()
    exif[0x0112] = 6  # stored lying on its side: turn right to see it
    Image.fromarray(np.rot90(tall)).save(turned, "PNG", exif=exif)
    images = {"a/1.png": smooth_picture(40, 20), "a/2.png": turned.getvalue(), "b/3.png": smooth_picture(40, 20, 2)}
    write_raw(tmp_path, images, ["train", "val", "test"])
    run(tmp_path, AUTO.model_copy(update={"width_px": 20, "height_px": 40}))
    store = ShardStore(tmp_path / "resized")
    assert (store.read([1])[0] == tall).all()
    assert (store.read([2])[0] == images["b/3.png"]).all()
    assert list(store.index.columns) == resize.INDEX
    assert list(store.index["file"]) == list(images)
    assert list(store.index["split"]) == ["train", "val", "test"]


def test_mean_and_std_are_those_of_the_train_pixels(tmp_path):
    images = {f"a/{number}.png": smooth_picture(20, 20, number) for number in range(5)}
    write_raw(tmp_path, images, ["train"] * 3 + ["val", "test"])
    run(tmp_path)
    report = json.loads((tmp_path / "resized/normalisation.json").read_text())
    train = np.stack(list(images.values())[:3]).reshape(-1, 3) / 255
    assert report["mean"] == pytest.approx(train.mean(axis=0), abs=1e-12)
    assert report["std"] == pytest.approx(train.std(axis=0), abs=1e-12)
    assert report["checks"]["float_view"]["images"] == 5
    assert report["checks"]["channel_order"]["told_apart"] > 0
    assert (report["height_px"], report["width_px"], report["channels"], report["color"]) == (20, 20, 3, "rgb")


def test_the_result_does_not_depend_on_the_number_of_workers(tmp_path):
    write_raw(tmp_path, {f"a/{number}.png": smooth_picture(18, 14, number) for number in range(70)})
    run(tmp_path, workers=1, out="one")
    run(tmp_path, workers=2, out="two")
    for path in (tmp_path / "one").iterdir():
        assert path.read_bytes() == (tmp_path / "two" / path.name).read_bytes()


@pytest.mark.parametrize("damage", ["truncated", "replaced", "removed"])
def test_a_file_that_changed_after_it_was_validated_is_named(tmp_path, damage):
    write_raw(tmp_path, {f"a/{number}.png": smooth_picture(20, 20, number) for number in range(4)})
    path = tmp_path / "raw/a/2.png"
    if damage == "removed":
        path.unlink()
    else:
        path.write_bytes(path.read_bytes()[:200] if damage == "truncated" else encoded(smooth_picture(20, 20, 9)))
    with pytest.raises(SourceError, match=r"a/2.png was accepted by validate but cannot be used now.*run `dvc repro`"):
        run(tmp_path)
    assert not (tmp_path / "resized").exists()


def test_a_decoder_that_swaps_red_and_blue_is_caught(tmp_path, monkeypatch):
    write_raw(tmp_path, {f"a/{number}.png": smooth_picture(20, 20, number) for number in range(4)})
    honest = pixels.decode_fast
    monkeypatch.setattr(pixels, "decode_fast", lambda *arguments, **more: honest(*arguments, **more)[:, :, ::-1])
    with pytest.raises(NormalisationError, match=r"red and blue are swapped in a/0\.png"):
        run(tmp_path)
    assert not (tmp_path / "resized").exists()


def test_a_store_out_of_step_with_its_files_is_caught(tmp_path):
    write_raw(tmp_path, {f"a/{number}.png": smooth_picture(20, 20, number) for number in range(4)})
    run(tmp_path)
    store = ShardStore(tmp_path / "resized")
    store.index = store.index.iloc[::-1].reset_index(drop=True)
    source = resize.sources.open_source(tmp_path / "raw")
    with pytest.raises(NormalisationError, match=r"two decoders disagree on a/3.png|swapped in a/3.png"):
        resize.check_against_second_decoder(store, source, Form(20, 20, 3, "pad"), 4)
