import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from scipy.ndimage import gaussian_filter

from morelike.core import files, settings
from morelike.images.deep import Span
from morelike.resize import resize
from morelike.resize.settings import Resize
from morelike.storage.shards import ShardStore
from morelike.storage.sources import open_source
from morelike.validate import collection, levels, run
from morelike.validate.errors import ValidationError
from morelike.validate.settings import Validate
from tests.written_files import tiff

ROOT = Path(__file__).resolve().parents[2]
DEFAULTS = settings.read(ROOT / "params.yaml").section("validate", Validate)
FORM = Resize(width_px=16, height_px=16, color="auto", fit="pad", check_images=8)
KINDS = {  # of numbers, and what one level of 8 bits is in them
    "12 bits in 16": (np.uint16, 4095 / 255),
    "10 bits in 32": (np.int32, 1023 / 255),
    "floats to 1": (np.float32, 1 / 255),
    "floats to 255": (np.float64, 1.0),
}


def drawn(seed):
    field = gaussian_filter(np.random.default_rng(seed).normal(size=(16, 16)), 1)
    return ((field - field.min()) / np.ptp(field) * 255).astype(np.uint8)


def fill(root, kind=None, count=12, change=lambda number, image: image):
    """Write drawn images in two classes: 8-bit PNGs, or TIFFs of a kind of numbers."""
    for number in range(count):
        path = root / ("cat" if number % 2 else "dog") / f"{number:02d}"
        path.parent.mkdir(parents=True, exist_ok=True)
        image = change(number, drawn(number).astype(float))
        if kind:
            numbers, level = KINDS[kind]
            scaled = image * level if np.dtype(numbers).kind == "f" else np.rint(image * level)
            path.with_suffix(".tif").write_bytes(tiff(scaled.astype(numbers)))
        else:
            Image.fromarray(np.rint(image).astype(np.uint8)).save(path.with_suffix(".png"))
    return root


def collected(raw, span=None, workers=1, state=None):
    source = open_source(raw)
    reading = collection.Reading(100_000, span=span)
    table, _ = collection.collect(source, source.entries(), reading, state or raw.parent / "state", workers)
    return table


def audited(raw, span=None):
    codes = DEFAULTS.codes | {"small_class": DEFAULTS.codes["small_class"].model_copy(update={"limit": 2})}
    wanted = DEFAULTS.model_copy(update={"codes": codes, "max_quarantined_share": 0.5})
    home = raw.parent
    return run.validate(raw, wanted, run.Audit(home / "out", home / "state", span=span), 1)


def found_in(table):
    return run.find_faults(table, DEFAULTS.codes, None)[1].set_index("code")


@pytest.mark.parametrize("kind", KINDS)
def test_a_set_has_the_same_pixels_whatever_numbers_it_is_stored_in(tmp_path, kind):
    plain, deep = collected(fill(tmp_path / "a/raw")), collected(fill(tmp_path / "b/raw", kind))
    assert deep["pixel_sha256"].tolist() == plain["pixel_sha256"].tolist()
    assert (deep["white"] == KINDS[kind][1] * 255).all()
    assert set(found_in(deep).index) - set(found_in(plain).index) <= {"sixteen_bit", "thirty_two_bit"}


def test_what_is_resized_is_what_was_audited(tmp_path):
    raw = fill(tmp_path / "raw", "12 bits in 16")
    audited(raw)
    resize.write_resized(str(raw), tmp_path / "out", tmp_path / "resized", FORM, workers=1)
    store = ShardStore(tmp_path / "resized")
    for image, file in zip(store.read(np.arange(12)), store.index["file"], strict=True):
        np.testing.assert_array_equal(image[:, :, 0], drawn(int(Path(file).stem)))
    summary = files.read_json(tmp_path / "out/summary.json")
    assert summary["ranges"] == {"int16": {"images": 12, "black": 0.0, "white": 4095.0}}


def test_a_deep_image_is_counted_once_though_it_is_looked_at_twice(tmp_path):
    raw = fill(tmp_path / "raw", "12 bits in 16", count=6)
    source = open_source(raw)
    first, again, other = (
        collection.collect(source, source.entries(), collection.Reading(10_000, span=span), tmp_path / "state", 1)[1]
        for span in (None, None, Span(0.0, 65535.0))
    )
    assert (first, again, other) == (6, 0, 6)


def test_overshoot_is_clipped_for_the_whole_set(tmp_path):
    over = fill(tmp_path / "a/raw", "floats to 1", change=lambda _, image: image * 1.003)
    clipped = fill(tmp_path / "b/raw", "floats to 1", change=lambda _, image: (image * 1.003).clip(0, 255))
    assert collected(over)["pixel_sha256"].tolist() == collected(clipped)["pixel_sha256"].tolist()


def test_dark_images_of_a_deep_set_stay_dark_in_proportion(tmp_path):
    table = collected(fill(tmp_path / "raw", "12 bits in 16", change=lambda n, image: image / (20 if n < 5 else 1)))
    assert (table["white"] == 4095).all()
    np.testing.assert_allclose(table.sort_values("file")["max"].nsmallest(5), 1 / 20, atol=1 / 255)
    assert "mixed_range" not in found_in(table).index


def test_facts_depend_neither_on_workers_nor_on_what_is_known(tmp_path):
    raw, bright = fill(tmp_path / "raw", "12 bits in 16", count=6), ["cat/bright.tif", "dog/bright.tif"]
    first = collected(raw)
    for name in bright:
        (raw / name).write_bytes(tiff(np.full((16, 16), 60_000, np.uint16)))
    assert (collected(raw)["white"] == 65535).all()
    for name in bright:
        (raw / name).unlink()
    pd.testing.assert_frame_equal(collected(raw), first)
    shutil.rmtree(tmp_path / "state")
    pd.testing.assert_frame_equal(collected(raw, workers=2), first)


def test_mixed_depths_fail_and_name_an_image_of_each(tmp_path):
    raw = fill(tmp_path / "raw", "12 bits in 16", change=lambda n, image: image * (16 if n < 6 else 1))
    with pytest.raises(ValidationError, match=r"mixed_range.*6 images of 12.*0 to 4095.*0 to 65535.*data\.range"):
        audited(raw)
    assert (collected(raw, Span(0.0, 65535.0))["code"] == "").all()


def test_one_image_of_another_depth_is_quarantined_and_changes_no_other(tmp_path):
    raw = fill(tmp_path / "raw", "12 bits in 16", change=lambda n, image: image * (16 if n == 3 else 1))
    table = collected(raw)
    assert table.loc[table["code"] != "", ["file", "code"]].to_numpy().tolist() == [["cat/03.tif", "out_of_range"]]
    assert (table["white"].dropna() == 4095).all()


def test_negative_numbers_are_answered_by_the_span_of_the_set_and_read_with_a_window(tmp_path):
    root = fill(tmp_path / "raw", "floats to 255", change=lambda _, image: image * 10 - 1000)
    with pytest.raises(
        ValidationError, match=r"out_of_range.*all 12 span -1000 to 1550: .*data\.range: \[-1000, 1550\]"
    ):
        audited(root)
    window = collected(root, Span(-1000.0, 1550.0, clips=True))
    plain = collected(fill(tmp_path / "plain/raw"))
    assert window["pixel_sha256"].tolist() == plain["pixel_sha256"].tolist()


def peaks(kind, *parts):
    high = np.concatenate([np.full(count, peak, float) for count, peak in parts])
    files = [f"{row}.tif" for row in range(len(high))]
    return pd.DataFrame({"numbers": kind, "low": 0.0, "high": high, "file": files, "code": "", "label": ""})


@pytest.mark.parametrize(
    ("kind", "parts", "white"),
    [
        ("int16", [(5, 200)], 255),
        ("int16", [(5, 900), (1, 1023)], 1023),
        ("int16", [(3, 16_000), (5, 600)], 16_383),
        ("int16", [(30, 60_000), (3, 500)], 65_535),
        ("int32", [(9, 4_095)], 4_095),
        ("int32", [(9, 4_095), (1, 4_000_000)], 4_095),
        ("float", [(9, 1.04)], 1),
        ("float", [(9, 0.2)], 1),
        ("float", [(40, 0.9), (1, 200)], 1),
        ("float", [(9, 200), (1, 0.01)], 255),
        ("float", [(9, 40_000)], 65_535),
    ],
)
def test_the_range_is_the_smallest_usual_one_that_holds_the_set_but_for_outliers(kind, parts, white):
    table = peaks(kind, *parts)
    assert levels.decided(table, None)[kind].white == white
    assert levels.mixed(table).empty


@pytest.mark.parametrize(
    ("kind", "parts"),
    [
        ("int16", [(20, 60_000), (3, 4_090)]),
        ("int16", [(20, 60_000), (20, 3_900), (20, 3_000)]),
        ("int16", [(20, 16_383), (5, 1_000)]),
        ("float", [(20, 0.9), (3, 220)]),
        ("float", [(20, 220), (3, 0.9)]),
        ("float", [(20, 1.0), (5, 1.2)]),
        ("float", [(20, 12.0)]),
    ],
)
def test_images_of_two_ranges_are_mixed(kind, parts):
    found = levels.mixed(peaks(kind, *parts))
    assert found["code"].tolist() == ["mixed_range"]


def test_exposures_spread_over_many_factors_of_two_are_not_mixed():
    draws = np.random.default_rng(0)
    dark = 65_535 * 2.0 ** -draws.uniform(0, 8, 100)
    assert levels.mixed(peaks("int16", (100, 60_000), *((1, peak) for peak in dark))).empty


def test_a_range_that_is_asked_for_holds_for_every_kind():
    asked = Span(-5.0, 9.0, clips=True)
    assert levels.decided(pd.concat([peaks("int16", (2, 9)), peaks("float", (2, 0.5))]), asked) == {
        "int16": asked,
        "float": asked,
    }
