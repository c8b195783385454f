import numpy as np
import pytest
import torch

from morelike.images import pixels
from morelike.storage.shards import ShardStore, ShardWriter
from morelike.train.batches import Batches
from morelike.train.prefetch import Prefetch, Reader, Rows
from tests.training_stores import RECIPES, common, squares

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def stores(tmp_path_factory):
    folder = tmp_path_factory.mktemp("stores")
    return squares(folder / "clean"), squares(folder / "noisy", noise=0.2)


@pytest.mark.parametrize("room_bytes", [0, 10**9])
def test_images_are_those_that_the_one_conversion_gives_wherever_they_lie(stores, room_bytes):
    feed = Reader(stores[0], CPU, room_bytes)
    rows = np.array([7, 3, 3, 40])
    drawn = feed.read(rows)
    assert (drawn.images is None) == bool(room_bytes)  # what lies on the device is not read again
    np.testing.assert_array_equal(feed.on_device(drawn).numpy(), pixels.to_float(stores[0].read(rows)))


def test_every_level_becomes_the_float_that_the_one_conversion_gives(tmp_path):
    writer = ShardWriter(tmp_path, 16, 16, 3)
    images = np.arange(768, dtype=np.uint16).reshape(1, 16, 16, 3).astype(np.uint8)
    writer.append(images)
    import pandas as pd

    writer.close(pd.DataFrame({"label": ["a"]}))
    feed = Reader(ShardStore(tmp_path), CPU)
    np.testing.assert_array_equal(feed.on_device(feed.read(np.array([0]))).numpy(), pixels.to_float(images))


def test_reading_ahead_gives_what_was_asked_for_in_any_order():
    asked = []

    def work(step):
        asked.append(step)
        return Rows(np.array([step]), None)

    ahead = Prefetch(work)
    order = [0, 1, 2, 7, 3, 4]
    assert [int(ahead(step).rows[0]) for step in order] == order
    ahead.close()
    assert asked[:4] == [0, 1, 2, 3]  # each a step before it is wanted
    assert asked.count(1) == 1


def test_an_error_while_reading_ahead_arrives_where_the_batch_is_wanted():
    def work(step):
        raise OSError(f"step {step}")

    ahead = Prefetch(work)
    with pytest.raises(OSError, match="step 0"):
        ahead(0)
    ahead.close()


def test_batches_are_the_same_whether_read_ahead_or_not(stores):
    forward, backward = (Batches(*stores, common(), 0, "vae", CPU, RECIPES) for _ in range(2))
    there = {step: forward.training(step)[0].images for step in range(4)}
    for step in reversed(range(4)):
        torch.testing.assert_close(backward.training(step)[0].images, there[step], rtol=0, atol=0)
    forward.close()
    backward.close()
