"""Inspect all files of a source on all cores into one table; contents that are known are not decoded again."""

from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pyarrow as pa

from morelike.core import compute, isolation, progress
from morelike.core.compute import ComputeError
from morelike.core.isolation import Died
from morelike.images.colour import Colour
from morelike.storage.labels import Entry
from morelike.storage.sources import Source
from morelike.validate import hashing, inspection
from morelike.validate.cache import Cache, key_of
from morelike.validate.inspection import HISTOGRAM_MEASURES, IMAGE_MEASURES, Inspector, Row

FILES_PER_CHUNK = 128
SECONDS_PER_FILE = 60.0  # of processor time; the largest image of a usual kind takes a few
CRASHED = "its decoder crashed, or ran out of memory"
FAULT = pa.schema([("code", pa.string()), ("detail", pa.string()), ("value", pa.float64()), ("limit", pa.float64())])
SEEN = pa.schema([("sha256", pa.string()), *FAULT])
FACTS = pa.schema(
    [
        *SEEN,
        *((name, pa.string()) for name in ("pixel_sha256", "format", "mode", "profile")),
        *((name, pa.int64()) for name in ("bits", "width_px", "height_px", "orientation", "frames")),
        *((name, pa.float64()) for name in ("white", "transparent_share", "disagreement")),
        *((name, pa.bool_()) for name in ("alpha", "constant")),
        *((name, pa.float64()) for name in IMAGE_MEASURES + HISTOGRAM_MEASURES),
        ("phash", pa.string()),
        ("phash_cut", pa.string()),
        ("thumbnail", pa.binary(hashing.SMALL_SIDE_PX**2)),
    ]
)
SeenAndFacts = tuple[list[Row], list[Row]]


def collect(
    source: Source,
    entries: list[Entry],
    max_pixels: int,
    background: Colour,
    cache_folder: Path,
    workers: int | None = None,
) -> tuple[pd.DataFrame, int]:
    """Inspect every entry on ``workers`` processes (as many as cores if None).

    A file that makes its worker crash, run out of memory or compute for more than ``SECONDS_PER_FILE`` gets the code
    ``decode_error``. With ``workers=1`` everything runs in this process, which the first two would end; there is no
    limit on time then.

    Args:
        source: the raw images.
        entries: the files to inspect.
        max_pixels: larger images are refused before they are decoded.
        background: RGB, 0 to 255; transparent images are laid on it.
        cache_folder: where known facts are kept.
        workers: the number of processes.

    Returns:
        A table with a row per entry, in order: ``file``, ``label``, ``given`` (the split it came with, or "") and the
        columns of :data:`FACTS`, null where there are none; and the number of contents that were decoded now.
    """
    key = key_of(inspection.__name__, FACTS, max_pixels, background)
    cache = Cache(cache_folder, key, FACTS)
    workers = workers or max(2, compute.cores())
    cpu_seconds = SECONDS_PER_FILE if workers > 1 else None
    inspector = Inspector(source, max_pixels, background, cache.write_known(), cpu_seconds)
    seen: list[pa.RecordBatch] = []
    fresh = 0
    try:
        for files, facts in _inspected(inspector, entries, workers):
            seen.append(pa.RecordBatch.from_pylist(files, SEEN))
            cache.add(pa.RecordBatch.from_pylist(facts, FACTS))
            fresh += len(facts)
    finally:
        cache.flush()
    return _joined(entries, pa.Table.from_batches(seen, SEEN), cache.table), fresh


def _inspected(inspector: Inspector, entries: list[Entry], workers: int) -> Iterator[SeenAndFacts]:
    left = compute.chunks(entries, FILES_PER_CHUNK)
    while left:
        done = 0
        try:
            results = compute.map_ordered(
                inspector, [*left, []], workers
            )  # the empty chunk makes two items: a single one would run in this process
            for rows in progress.track(results, len(left) + 1, "validate"):
                yield rows
                done += 1
        except ComputeError:
            list(compute.map_ordered(inspector, [[], []], 2))  # raises if workers die without any file
            yield from _inspected_apart(inspector, left[done])
            done += 1
        left = left[done:]


def _inspected_apart(inspector: Inspector, chunk: list[Entry]) -> Iterator[SeenAndFacts]:
    """Inspect the files of a chunk that killed its process one by one, in a process that may die of any of them."""
    for answer in isolation.map_surviving(inspector, [[entry] for entry in chunk]):
        if isinstance(answer, Died):
            late = f"decoding it took more than {inspector.cpu_seconds:g} s of processor time"
            yield [{"sha256": "", "code": "decode_error", "detail": late if answer.out_of_time else CRASHED}], []
        else:
            yield answer


def _joined(entries: list[Entry], seen: pa.Table, facts: pa.Table) -> pd.DataFrame:
    """Give each file the facts of its content; a fault of the content replaces one of the file's place (``stray``)."""
    files = pd.DataFrame(
        {
            "file": [entry.name for entry in entries],
            "label": [entry.label for entry in entries],
            "given": [entry.split for entry in entries],
        }
    )
    files = pd.concat([files, seen.to_pandas()], axis=1)
    facts = facts.to_pandas().drop_duplicates("sha256")
    table = files.merge(facts, on="sha256", how="left", suffixes=("", "_of_content"))
    of_content = table["code_of_content"].notna() & (table["code_of_content"] != "")
    of_content |= table["code"] == ""
    for name in FAULT.names:
        table.loc[of_content, name] = table.pop(f"{name}_of_content")[of_content]
    return table.fillna({"code": "", "detail": ""})
