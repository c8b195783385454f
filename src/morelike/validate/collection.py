"""Inspect all files of a source on all cores into one table; contents that are known are not decoded again."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pyarrow as pa

from morelike.core import compute, isolation, progress
from morelike.core.compute import ComputeError
from morelike.core.isolation import Died
from morelike.images import stacks
from morelike.images.colour import WHITE, Colour
from morelike.images.deep import Span
from morelike.storage.labels import Entry, sliced
from morelike.storage.sources import Source
from morelike.validate import hashing, inspection, levels
from morelike.validate.cache import Cache, key_of
from morelike.validate.inspection import HISTOGRAM_MEASURES, IMAGE_MEASURES, Inspector, Row

FILES_PER_CHUNK = 128
SECONDS_PER_FILE = 60.0  # of processor time; the largest image of a usual kind takes a few
CRASHED = "its decoder crashed, or ran out of memory"
FAULT = pa.schema([("code", pa.string()), ("detail", pa.string()), ("value", pa.float64()), ("limit", pa.float64())])
SEEN = pa.schema([("sha256", pa.string()), ("content", pa.string()), *FAULT])
FACTS = pa.schema(
    [
        ("content", pa.string()),
        *FAULT,
        *((name, pa.string()) for name in ("pixel_sha256", "format", "mode", "profile", "numbers")),
        *((name, pa.int64()) for name in ("bits", "width_px", "height_px", "orientation", "frames")),
        *((name, pa.float64()) for name in ("low", "high", "black", "white", "transparent_share", "disagreement")),
        *((name, pa.bool_()) for name in ("alpha", "constant")),
        *((name, pa.float64()) for name in IMAGE_MEASURES + HISTOGRAM_MEASURES),
        ("phash", pa.string()),
        ("phash_cut", pa.string()),
        ("thumbnail", pa.binary(hashing.SMALL_SIDE_PX**2)),
    ]
)
NUMBERS = ["numbers", "low", "high"]
SeenAndFacts = tuple[list[Row], list[Row]]


@dataclass(frozen=True)
class Reading:
    """How the files of a set are read.

    Attributes:
        max_pixels: larger images are refused before they are decoded.
        background: RGB, 0 to 255; transparent images are laid on it.
        span: the range of deep images; None if the set decides.
        slices: whether each page of a stack is an image of its own.
    """

    max_pixels: int
    background: Colour = WHITE
    span: Span | None = None
    slices: bool = False


def collect(
    source: Source,
    entries: list[Entry],
    reading: Reading,
    cache_folder: Path,
    workers: int | None = None,
) -> tuple[pd.DataFrame, int]:
    """Inspect every entry on ``workers`` processes (as many as cores if None).

    Deep images are inspected twice: once for their numbers, then with the range that all of them share.

    A file that makes its worker crash, run out of memory or compute for more than ``SECONDS_PER_FILE`` gets the code
    ``decode_error``. With ``workers=1`` everything runs in this process, which the first two would end; there is no
    limit on time then.

    Args:
        source: the raw images.
        entries: the files to inspect.
        reading: how they are read.
        cache_folder: where known facts are kept.
        workers: the number of processes.

    Returns:
        A table with a row per entry, in order, or per slice of one: ``file``, ``page``, ``label``, ``given`` (the split
        it came with, or ""), ``given_group``, ``mask``, ``attributes`` and the columns of :data:`FACTS`, null where
        there are none; and the number of contents that were decoded now.
    """
    collector = _Collector(source, reading, cache_folder, workers or max(2, compute.cores()))
    table = collector.table(entries)
    if reading.slices:
        table, entries = collector.with_slices(table, entries)
    deep = levels.deep_images(table)
    for kind, span in levels.decided(deep, reading.span).items():
        rows = deep.index[deep["numbers"] == kind]
        scaled = collector.table([entries[row] for row in rows], span).set_index(rows)
        scaled[NUMBERS] = deep.loc[rows, NUMBERS]
        table = pd.concat([table.drop(rows), scaled]).sort_index()
    return table.assign(detail=levels.with_advice(table)), collector.decoded


@dataclass
class _Collector:
    """Inspects entries; ``decoded`` counts the contents whose facts were not known."""

    source: Source
    reading: Reading
    cache_folder: Path
    workers: int
    decoded: int = 0

    def table(self, entries: list[Entry], span: Span | None = None) -> pd.DataFrame:
        """Return a row per entry; with a ``span``, deep images are scaled from it."""
        settings = self.reading.max_pixels, self.reading.background
        cache = Cache(self.cache_folder, key_of(inspection.__name__, FACTS, *settings, span), FACTS)
        cpu_seconds = SECONDS_PER_FILE if self.workers > 1 else None
        inspector = Inspector(self.source, *settings, cache.write_known(), span, cpu_seconds)
        seen: list[pa.RecordBatch] = []
        try:
            for files, facts in _inspected(inspector, entries, self.workers):
                seen.append(pa.RecordBatch.from_pylist(files, SEEN))
                cache.add(pa.RecordBatch.from_pylist(facts, FACTS))
                self.decoded += sum(span is not None or not self._comes_again(row) for row in facts)
        finally:
            cache.flush()
        return _joined(entries, pa.Table.from_batches(seen, SEEN), cache.table)

    def _comes_again(self, row: Row) -> bool:
        return bool(row.get("numbers")) or (self.reading.slices and row.get("frames", 1) > 1)

    def with_slices(self, table: pd.DataFrame, entries: list[Entry]) -> tuple[pd.DataFrame, list[Entry]]:
        """Return the table and the entries with a row per slice in place of each stack."""
        stacked = (table["code"] == "") & (table["frames"] > 1) & table["format"].isin(stacks.FORMATS)
        pages = dict(zip(table["file"][stacked], table["frames"][stacked].astype(int), strict=True))
        entries, known = sliced(entries, pages), {entry.name for entry in entries}
        new = [entry for entry in entries if entry.page or entry.name not in known]
        if not new:
            return table, entries
        kept = table[table["file"].isin({entry.name for entry in entries} - {entry.name for entry in new})]
        table = pd.concat([kept, self.table(new)]).sort_values("file", ignore_index=True)
        return table, entries


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
            detail = late if answer.out_of_time else CRASHED
            yield [{"sha256": "", "content": "", "code": "decode_error", "detail": detail}], []
        else:
            yield answer


def _joined(entries: list[Entry], seen: pa.Table, facts: pa.Table) -> pd.DataFrame:
    """Give each file the facts of its content; a fault of the content replaces one of the file's place (``stray``)."""
    files = pd.DataFrame(
        {
            "file": [entry.name for entry in entries],
            "page": [entry.page for entry in entries],
            "label": [entry.label for entry in entries],
            "given": [entry.split for entry in entries],
            "given_group": [entry.group for entry in entries],
            "mask": [entry.mask for entry in entries],
            "attributes": [entry.attributes for entry in entries],
        }
    )
    files = pd.concat([files, seen.to_pandas()], axis=1)
    facts = facts.to_pandas().drop_duplicates("content")
    table = files.merge(facts, on="content", how="left", suffixes=("", "_of_content"))
    of_content = table["code_of_content"].notna() & (table["code_of_content"] != "")
    of_content |= table["code"] == ""
    for name in FAULT.names:
        table.loc[of_content, name] = table.pop(f"{name}_of_content")[of_content]
    return table.fillna({"code": "", "detail": ""})
