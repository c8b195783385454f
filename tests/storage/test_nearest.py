import numpy as np
import pytest
from sklearn.neighbors import NearestNeighbors

from morelike.storage import nearest
from tests.training_stores import squares


@pytest.mark.parametrize("at_once", [7, 128])
def test_the_nearest_row_is_the_one_that_scikit_learn_finds(tmp_path, monkeypatch, at_once):
    monkeypatch.setattr(nearest, "ROWS_AT_ONCE", at_once)
    store = squares(tmp_path / "real")
    queries = np.random.default_rng(0).integers(0, 256, (9, 16, 16, 1)).astype(np.uint8)
    rows = store.rows("train")
    found, distance = nearest.nearest_rows(queries, store, rows)
    flat = store.read(rows).reshape(len(rows), -1) / 255
    theirs = NearestNeighbors(n_neighbors=1).fit(flat).kneighbors(queries.reshape(9, -1) / 255)
    assert found.tolist() == rows[theirs[1][:, 0]].tolist()
    np.testing.assert_allclose(distance, theirs[0][:, 0] / 16, rtol=1e-5)


def test_an_image_is_not_its_own_neighbour_where_its_row_is_named(tmp_path):
    store = squares(tmp_path / "real", noise=0.1)
    rows = np.arange(len(store))
    images = store.read(rows)
    assert nearest.nearest_rows(images, store, rows)[0].tolist() == rows.tolist()
    found, distance = nearest.nearest_rows(images, store, rows, own=rows)
    assert not (found == rows).any()
    assert (distance > 0).all()


def test_without_a_row_to_compare_with_there_is_no_nearest(tmp_path):
    store = squares(tmp_path / "real")
    found, distance = nearest.nearest_rows(store.read([0, 1]), store, np.array([], np.int64))
    assert (found.tolist(), distance.tolist()) == ([-1, -1], [np.inf, np.inf])
