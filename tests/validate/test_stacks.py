import io
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from morelike.core import settings
from morelike.images import pixels, stacks
from morelike.images.errors import ImageError
from morelike.resize import resize
from morelike.resize.settings import Resize
from morelike.storage.labels import Entry, sliced
from morelike.storage.shards import ShardStore
from morelike.storage.sources import open_source
from morelike.validate import collection, run
from morelike.validate.settings import Validate
from tests.written_files import tiff

DEFAULTS = settings.read(Path(__file__).resolve().parents[2] / "params.yaml").section("validate", Validate)
SLICES = ("scan.tif#0001", "scan.tif#0002", "scan.tif#0003")
FORM = Resize(width_px=16, height_px=16, color="grey", fit="pad", check_images=8)


def pages(count=3, seed=0):
    draws = np.random.default_rng(seed)
    return [np.kron(draws.integers(0, 4096, (8, 8)), np.ones((2, 2))).astype(np.uint16) for _ in range(count)]


def frames(image_format, count=3):
    images = [Image.fromarray((page >> 4).astype(np.uint8)).convert("RGB") for page in pages(count)]
    file = io.BytesIO()
    images[0].save(file, image_format, save_all=True, append_images=images[1:], lossless=True)
    return images, file.getvalue()


def collected(raw, slices=True, workers=1):
    source = open_source(raw)
    reading = collection.Reading(100_000, slices=slices)
    return collection.collect(source, source.entries(), reading, raw.parent / "state", workers)[0]


@pytest.fixture
def raw(tmp_path):
    for label, seed in (("cat", 0), ("dog", 1)):
        (tmp_path / "raw" / label).mkdir(parents=True)
        (tmp_path / "raw" / label / "scan.tif").write_bytes(tiff(*pages(seed=seed)))
        (tmp_path / "raw" / label / "plain.tif").write_bytes(tiff(*pages(1, seed + 10)))
    return tmp_path / "raw"


@pytest.mark.parametrize("image_format", ["GIF", "WEBP", "PNG", "TIFF"])
def test_each_frame_by_itself_is_what_pillow_shows(image_format):
    images, data = frames(image_format)
    for number, image in enumerate(images, 1):
        alone = stacks.alone(data, number)
        assert pixels.read_header(alone).frames == 1
        shown = np.asarray(image).astype(int)
        assert np.abs(pixels.decode(alone) - shown).max() <= (8 if image_format == "GIF" else 0)
    assert stacks.format_of(data) == image_format
    assert stacks.alone(data, 0) == data
    with pytest.raises(ImageError):
        stacks.alone(data, 4)


def test_slices_are_images_of_their_own_and_the_first_alone_is_used_otherwise(raw):
    table = collected(raw)
    names = [f"{label}/{name}" for label in ("cat", "dog") for name in ("plain.tif", *SLICES)]
    assert table["file"].tolist() == names
    assert table["label"].tolist() == ["cat"] * 4 + ["dog"] * 4
    assert (table["code"] == "").all()
    assert table["pixel_sha256"].nunique() == 8
    assert (table["frames"] == 1).all()
    faults = run.find_faults(table, DEFAULTS.codes, None)[1]["code"]
    assert not {"animated", "wrong_extension"} & set(faults)
    first = collected(raw, slices=False)
    assert first["file"].tolist() == ["cat/plain.tif", "cat/scan.tif", "dog/plain.tif", "dog/scan.tif"]
    assert first["pixel_sha256"][1] == table["pixel_sha256"][1]
    assert first["frames"].tolist() == [1, 3, 1, 3]


def test_slices_do_not_depend_on_workers_and_are_known_the_next_time(raw):
    table = collected(raw)
    source = open_source(raw)
    reading = collection.Reading(100_000, slices=True)
    again, decoded = collection.collect(source, source.entries(), reading, raw.parent / "state", 1)
    assert decoded == 0
    pd.testing.assert_frame_equal(again, table)
    pd.testing.assert_frame_equal(collected(raw, workers=2), table)


def test_a_page_that_cannot_be_read_is_left_out_by_itself(raw):
    (raw / "cat/scan.tif").write_bytes(with_a_page_cut_off(tiff(*pages(3))))
    table = collected(raw).set_index("file")["code"]
    assert [table[f"cat/{name}"] != "" for name in SLICES] == [False, True, False]


def with_a_page_cut_off(stack):
    """Let the second page say that its pixels lie beyond the end of the file."""
    start = stack.index(pages(3)[1].tobytes())
    return stack.replace(start.to_bytes(4, "little"), (10**6).to_bytes(4, "little"))


def test_the_slices_that_are_resized_are_those_that_were_audited(raw, tmp_path):
    table = collected(raw)
    manifest = table.assign(split="train", group=range(len(table)), findings="")
    (tmp_path / "validated").mkdir()
    manifest[list(run.MANIFEST)].to_parquet(tmp_path / "validated/manifest.parquet")
    resize.write_resized(str(raw), tmp_path / "validated", tmp_path / "resized", FORM, workers=1)
    store = ShardStore(tmp_path / "resized")
    for image, file, page in zip(store.read(np.arange(8)), store.index["file"], store.index["page"], strict=True):
        seed = int(file.startswith("dog"))
        numbers = pages(seed=seed)[page - 1] if page else pages(1, seed + 10)[0]
        np.testing.assert_array_equal(image[:, :, 0], np.rint(numbers * (255 / 4095)))


def test_the_slices_of_a_stack_are_one_group_and_no_name_is_there_twice():
    entries = [Entry("a/s.tif", "a"), Entry("a/s.tif#0002", "a"), Entry("a/t.tif", "a", group="patient 7")]
    found = sliced(entries, {"a/s.tif": 2, "a/t.tif": 1})
    assert [entry.name for entry in found] == ["a/s.tif#0001", "a/s.tif#0002", "a/s.tif#0002 #2", "a/t.tif#0001"]
    assert [entry.group for entry in found] == ["a/s.tif", "a/s.tif", "", "patient 7"]
    assert [entry.page for entry in found] == [1, 2, 0, 1]
    assert [entry.code for entry in found] == ["", "", "unreadable", ""]
