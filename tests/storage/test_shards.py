"""shards: what goes in comes out; a damaged store is refused; memory does not grow with the store."""

import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from morelike.storage import shards
from morelike.storage.errors import StoreError
from morelike.storage.shards import ShardStore, ShardWriter, check_fits


def drawn(count, shape=(5, 4, 3)):
    return np.random.default_rng(count).integers(0, 256, (count, *shape), dtype=np.uint8)


def write(folder, images, split="train", label="a"):
    writer = ShardWriter(folder, *images.shape[1:])
    for start in range(0, len(images), 7):
        writer.append(images[start : start + 7])
    writer.close(pd.DataFrame({"label": label, "split": split}, index=range(len(images))))
    return ShardStore(folder)


@pytest.fixture
def small_shards(monkeypatch):
    monkeypatch.setattr(shards, "MAX_ROWS_PER_SHARD", 10)


@pytest.mark.parametrize("count", [0, 1, 9, 10, 11, 20, 35])
def test_images_come_out_as_they_went_in_across_shards(tmp_path, small_shards, count):
    images = drawn(count)
    store = write(tmp_path, images)
    assert len(store) == len(store.index) == count
    assert store.shape == (5, 4, 3)
    assert (store.read(range(count)) == images).all()
    assert len(list(tmp_path.glob("shard-*.npy"))) == -(-count // 10)


@settings(max_examples=30, deadline=None)
@given(rows=st.lists(st.integers(0, 34), max_size=40))
def test_rows_come_in_the_order_asked_for_repeated_or_not(tmp_path_factory, rows):
    images = drawn(35)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shards, "MAX_ROWS_PER_SHARD", 10)
        store = write(tmp_path_factory.mktemp("store"), images)
    assert (store.read(rows) == images[np.array(rows, int)]).all()


def test_batches_are_all_rows_once_in_order(tmp_path, small_shards):
    images = drawn(35)
    store = write(tmp_path, images)
    assert [len(batch) for batch in store.batches(size=8)] == [8, 8, 8, 8, 3]
    assert (np.concatenate(list(store.batches(size=8))) == images).all()
    assert (np.concatenate(list(store.batches([30, 2, 17], size=2))) == images[[30, 2, 17]]).all()


def test_what_is_read_can_be_changed_without_changing_the_store(tmp_path):
    store = write(tmp_path, drawn(3))
    store.read([0])[:] = 0
    assert (store.read([0]) == drawn(3)[:1]).all()


def test_rows_are_found_by_split_and_label(tmp_path):
    images = drawn(4)
    store = write(tmp_path, images, ["train", "val", "train", "train"], ["a", "a", "b", "a"])
    assert store.rows("train").tolist() == [0, 2, 3]
    assert store.rows("train", "a").tolist() == [0, 3]
    assert store.rows("test").tolist() == []


@pytest.mark.parametrize("row", [-1, 3])
def test_a_row_that_is_not_there_is_refused(tmp_path, row):
    with pytest.raises(StoreError, match="asked of 3 images"):
        write(tmp_path, drawn(3)).read([0, row])


@pytest.mark.parametrize("images", [drawn(2, (5, 5, 3)), drawn(2, (5, 4, 1)), drawn(2).astype(np.float32)])
def test_an_image_of_another_form_is_refused(tmp_path, images):
    with pytest.raises(StoreError, match="expected uint8 N×5×4×3, got"):
        ShardWriter(tmp_path, 5, 4, 3).append(images)


def test_an_index_of_another_length_is_refused(tmp_path):
    writer = ShardWriter(tmp_path, 5, 4, 3)
    writer.append(drawn(2))
    with pytest.raises(StoreError, match="2 images but 3 index rows"):
        writer.close(pd.DataFrame({"label": list("abc")}))


def test_a_missing_store_says_what_to_run(tmp_path):
    with pytest.raises(StoreError, match=r"no store here.*dvc repro"):
        ShardStore(tmp_path)


@pytest.mark.parametrize("damage", ["a shard removed", "a shard cut", "a shard of floats", "an index row removed"])
def test_a_damaged_store_is_refused(tmp_path, small_shards, damage):
    write(tmp_path, drawn(25))
    shard = tmp_path / "shard-00001.npy"
    if damage == "a shard removed":
        shard.unlink()
    elif damage == "a shard cut":
        shard.write_bytes(shard.read_bytes()[:-50])
    elif damage == "a shard of floats":
        np.save(shard, np.load(shard).astype(np.float32))
    else:
        pd.read_parquet(tmp_path / "index.parquet").iloc[1:].to_parquet(tmp_path / "index.parquet")
    with pytest.raises(StoreError, match=str(tmp_path)):
        ShardStore(tmp_path)


def test_the_same_images_give_the_same_bytes_however_they_are_appended(tmp_path):
    images = drawn(20)
    write(tmp_path / "a", images)
    whole = ShardWriter(tmp_path / "b", 5, 4, 3)
    whole.append(images)
    whole.close(pd.DataFrame({"label": "a", "split": "train"}, index=range(100, 120)))
    for path in (tmp_path / "a").iterdir():
        assert path.read_bytes() == (tmp_path / "b" / path.name).read_bytes()


def test_large_images_get_smaller_shards(tmp_path, monkeypatch):
    monkeypatch.setattr(shards, "MAX_SHARD_BYTES", 3 * 5 * 4 * 3)
    store = write(tmp_path, drawn(7))
    assert len(list(tmp_path.glob("shard-*.npy"))) == 3
    assert (store.read([6, 0]) == drawn(7)[[6, 0]]).all()


READ_ALL = """
import sys
from pathlib import Path
from morelike.storage.shards import ShardStore
store = ShardStore(Path(sys.argv[1]))
sum(1 for batch in store.batches(size=16))
print(next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads the peak of resident memory from /proc")
def test_reading_a_store_four_times_as_large_takes_no_more_memory(tmp_path):
    peaks_mib = []
    for count in (64, 256):
        write(tmp_path / str(count), np.zeros((count, 256, 512, 3), np.uint8) + np.uint8(count % 255))
        script = subprocess.run(
            [sys.executable, "-c", READ_ALL, str(tmp_path / str(count))], capture_output=True, text=True, check=True
        )
        peaks_mib.append(int(script.stdout) / 1024)
    assert peaks_mib[1] - peaks_mib[0] < 16  # the larger store is 72 MiB larger


def test_a_float64_copy_of_a_set_that_does_not_fit_is_refused_before_it_is_made():
    faces, free = (10_000, (218, 178, 3)), 2 * 2**30
    assert check_fits(*faces, np.uint8, free) == 10_000 * 218 * 178 * 3
    with pytest.raises(StoreError, match=r"as float64 take 8\.7 GiB, 2\.0 GiB are free; as uint8 they take 1\.1 GiB"):
        check_fits(*faces, np.float64, free)


def test_reading_more_rows_than_memory_holds_is_refused(tmp_path, monkeypatch):
    store = write(tmp_path, drawn(8, (6, 5, 3)))
    monkeypatch.setattr("morelike.core.compute.free_memory_bytes", lambda: 4 * 90)
    assert len(store.read(range(4))) == 4
    with pytest.raises(StoreError, match="does not fit in memory: 5 images"):
        store.read(range(5))


def test_pixels_that_are_not_those_that_were_written_are_refused_where_a_stage_opens_them(tmp_path, small_shards):
    write(tmp_path, drawn(25))
    assert len(ShardStore.checked(tmp_path)) == 25
    shard = tmp_path / "shard-00001.npy"
    data = bytearray(shard.read_bytes())
    data[-30:-10] = bytes(20)
    shard.write_bytes(data)
    assert len(ShardStore(tmp_path)) == 25
    with pytest.raises(StoreError, match=r"its pixels are damaged: expected sha256 .*; delete the folder and run"):
        ShardStore.checked(tmp_path)
