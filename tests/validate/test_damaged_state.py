"""What is kept between audits may be damaged or deleted: it is then found anew, and one line says so."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from morelike.validate import drift
from morelike.validate.cache import Cache
from morelike.validate.known_digests import KnownDigests

SCHEMA = pa.schema([("content", pa.string()), ("mean", pa.float64())])


def digests(count: int, start: int = 0) -> list[str]:
    return [f"{number:064x}" for number in range(start, start + count)]


def filled(folder) -> Cache:
    """A cache of two parts, of 3 and of 2 contents."""
    cache = Cache(folder, "key", SCHEMA)
    for some in (digests(3), digests(2, 3)):
        cache.add(pa.RecordBatch.from_pydict({"content": some, "mean": [0.5] * len(some)}, SCHEMA))
        cache.flush()
    return cache


@pytest.mark.parametrize("how", ["cut", "empty", "garbled", "of other columns"])
def test_a_damaged_part_of_the_facts_is_as_if_it_were_not_there(tmp_path, capsys, how):
    filled(tmp_path)
    part = max((tmp_path / "key").glob("part-*.parquet"), key=lambda path: len(pd.read_parquet(path)))
    data = part.read_bytes()
    if how == "of other columns":
        pd.DataFrame({"content": digests(3)}).to_parquet(part)
    else:
        part.write_bytes({"cut": data[:-9], "empty": b"", "garbled": b"PAR1" + bytes(len(data))}[how])
    assert Cache(tmp_path, "key", SCHEMA).table["content"].to_pylist() == digests(2, 3)
    assert f"{part}: damaged" in capsys.readouterr().out
    assert not part.exists()
    assert filled(tmp_path).table.num_rows == 2 + 5


def test_digests_that_are_no_longer_those_of_the_facts_are_written_again(tmp_path):
    cache = filled(tmp_path)
    path = cache.write_known().path
    path.write_bytes(path.read_bytes()[:-40])
    known = filled(tmp_path / "other").write_known()
    assert set(digests(5)) <= {one for one in digests(9) if one in known}
    again = cache.write_known()
    assert again.path == path
    assert path.read_bytes() == known.path.read_bytes()
    assert isinstance(again, KnownDigests)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b'{"last": 3}',
        b'{"last": {"fingerprint": "x"}}',
        b"\xff\xfe",
        b'{"before": null}',
        b"[" * 9999,
    ],
)
def test_a_damaged_profile_of_the_last_set_is_as_if_there_was_none(tmp_path, capsys, content):
    draw, path = np.random.default_rng(0), tmp_path / "accepted.json"
    names = (*drift.STATISTICS, *drift.SIZES)
    images = pd.DataFrame({name: draw.random(20) for name in names})
    images = images.assign(file=[str(row) for row in range(20)], pixel_sha256="x", format="PNG", mode="L", label="a")
    path.write_bytes(content)
    found, kept = drift.against_last(images, path, {})
    assert found.empty
    assert f"{path}: damaged" in capsys.readouterr().out
    drift.files.write_json(path, kept)
    assert drift.against_last(images, path, {})[1] == kept
    assert not capsys.readouterr().out
