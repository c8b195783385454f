"""Tables of labels, read row by row: CSV (also with ; or tabs), JSON Lines and Parquet. Every value is a text."""

import csv
import io
import json
import math
import posixpath
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

from morelike.storage.errors import SourceError
from morelike.storage.labels import NO_ATTRIBUTES

FILE_COLUMNS = ("file_name", "filename", "file", "path", "filepath", "image", "image_id", "id")
LABEL_COLUMNS = ("label", "class", "cls")
SPLIT_COLUMN = "split"
TABLE_ENDS = (".csv", ".tsv", ".jsonl", ".parquet")
TABLE_NAME = re.compile(r"(labels|metadata|provenance)\.\w+", re.IGNORECASE)
BYTE_ORDER_MARKS = {b"\xef\xbb\xbf": "utf-8-sig", b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}
ROWS_PER_BATCH = 10_000
Cells = tuple[int, list[str]]  # the line of a row, and its values


@dataclass(frozen=True, slots=True)
class Row:
    """What a table says of one file.

    Attributes:
        number: its line in the table; of a Parquet file its row, the names being 1.
        file: the file's path, as it is written there.
        label: the class, "" if it is empty.
        split: as it is written there, "" if it is empty.
        attributes: its further columns: a JSON object of strings, its keys sorted.
    """

    number: int
    file: str
    label: str
    split: str
    attributes: str = NO_ATTRIBUTES


@dataclass(frozen=True)
class Table:
    """A table of labels.

    Attributes:
        name: its path in the raw data.
        labelled: whether it has a column of labels.
        rows: its rows; they can be read once.
    """

    name: str
    labelled: bool
    rows: Iterator[Row]


def is_table(name: str) -> bool:
    """Tell whether a path is named as a table of labels: ``labels.csv``, ``metadata.jsonl``, ...

    >>> is_table("train/metadata.csv"), is_table("prices.csv")
    (True, False)
    """
    return name.lower().endswith(TABLE_ENDS) and bool(TABLE_NAME.fullmatch(posixpath.basename(name)))


def read_table(name: str, data: bytes, where: str) -> Table:
    """Read a table of labels.

    Args:
        name: its path in the raw data; its extension says what it is.
        data: its bytes.
        where: its path for errors.

    Raises:
        SourceError: if it is damaged, not UTF-8 or UTF-16, or no column names the files; while the rows are read, if
            one of them is damaged.
    """
    readers = {".jsonl": _json_lines, ".parquet": _parquet}
    columns, cells = readers.get(posixpath.splitext(name)[1].lower(), _separated)(data, where)
    plain = [column.strip().lower() for column in columns]
    file = _place(plain, FILE_COLUMNS)
    if file is None:
        got = ", ".join(repr(column[:40]) for column in columns[:10]) or "nothing"
        raise SourceError(
            f"{where}: expected a column file_name (or {', '.join(FILE_COLUMNS[1:])}), got {got}; rename a column; "
            "if it is no table of labels, rename it, or set data.labels: folders"
        )
    label, split = _place(plain, LABEL_COLUMNS), _place(plain, (SPLIT_COLUMN,))
    rows = _rows(columns, (file, label, split), cells)
    return Table(name, label is not None, rows)


def _place(columns: list[str], names: tuple[str, ...]) -> int | None:
    return next((columns.index(name) for name in names if name in columns), None)


def _rows(columns: list[str], places: tuple[int, int | None, int | None], cells: Iterator[Cells]) -> Iterator[Row]:
    others = [(name, at) for at, name in sorted(enumerate(columns), key=lambda c: c[1]) if name and at not in places]
    file, label, split = places
    for number, values in cells:
        attributes = as_attributes({name: values[at] for name, at in others}) if others else NO_ATTRIBUTES
        given = ("" if at is None else values[at].strip() for at in (label, split))
        yield Row(number, values[file], *given, attributes)


def as_attributes(values: dict[str, str]) -> str:
    """Return texts by name as an entry's attributes."""
    return json.dumps(values, sort_keys=True)


def as_text(value: object) -> str:
    """Return a JSON or Parquet value as a text: nothing as "", whole numbers without a point, nested ones as JSON.

    >>> as_text(3.0), as_text("007"), as_text(None), as_text([1])
    ('3', '007', '', '[1]')
    """
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return json.dumps(value, sort_keys=True, default=str) if isinstance(value, (dict, list)) else str(value)


def _separated(data: bytes, where: str) -> tuple[list[str], Iterator[Cells]]:
    """Read CSV; the sign between its columns is the one that makes a name of :data:`FILE_COLUMNS` appear."""
    opened = partial(_text, data, where, "")
    try:
        first = next(iter(opened()), "")
        for sign in ",;\t|":
            columns = next(csv.reader([first], delimiter=sign), [])
            if _place([column.strip().lower() for column in columns], FILE_COLUMNS) is not None:
                return columns, _separated_rows(opened(), sign, len(columns), where)
        return next(csv.reader([first]), []), iter(())
    except (csv.Error, UnicodeError) as error:
        raise _damaged(where, 1, error) from error


def _separated_rows(lines: io.TextIOWrapper, sign: str, columns: int, where: str) -> Iterator[Cells]:
    reader = csv.reader(lines, delimiter=sign, strict=True)
    try:
        next(reader)
        for values in filter(None, reader):
            if len(values) != columns:
                raise SourceError(
                    f"{where}: line {reader.line_num}: expected {columns} values, got {len(values)}; put quotes around "
                    f"a value that holds {sign!r}"
                )
            yield reader.line_num, values
    except (csv.Error, UnicodeError) as error:
        raise _damaged(where, reader.line_num + 1, error) from error


def _json_lines(data: bytes, where: str) -> tuple[list[str], Iterator[Cells]]:
    columns = dict.fromkeys(name for _, values in _json_rows(data, where) for name in values)
    rows = ((number, [as_text(row.get(name)) for name in columns]) for number, row in _json_rows(data, where))
    return list(columns), rows


def _json_rows(data: bytes, where: str) -> Iterator[tuple[int, dict]]:
    number = 0
    try:
        for number, line in enumerate(_text(data, where, None), 1):
            if line.strip():
                row = json.loads(line)
                if not isinstance(row, dict):
                    raise SourceError(f"{where}: line {number}: expected a JSON object, got {line.strip()[:40]!r}")
                yield number, row
    except UnicodeError as error:
        raise _damaged(where, number + 1, error) from error
    except (ValueError, RecursionError) as error:
        raise _damaged(where, number, error) from error


def _parquet(data: bytes, where: str) -> tuple[list[str], Iterator[Cells]]:
    import pyarrow as pa  # not above: workers load this module too, and need little to start fast
    from pyarrow import parquet

    try:
        file = parquet.ParquetFile(io.BytesIO(data))
    except (pa.ArrowException, OSError, ValueError, OverflowError) as error:
        raise _damaged(where, 1, error) from error
    schema = file.schema_arrow
    plain = [name for name in schema.names if not pa.types.is_struct(schema.field(name).type)]

    def cells() -> Iterator[Cells]:
        number = 1
        try:
            for batch in file.iter_batches(ROWS_PER_BATCH, columns=plain):
                for row in zip(*(column.to_pylist() for column in batch.columns), strict=True):
                    number += 1
                    yield number, [as_text(value) for value in row]
        except (pa.ArrowException, OSError, ValueError, OverflowError) as error:
            raise _damaged(where, number + 1, error) from error

    return plain, cells()


def _text(data: bytes, where: str, newline: str | None) -> io.TextIOWrapper:
    """Return UTF-8 or (with a byte order mark) UTF-16 as lines. No other encoding can be told from its bytes."""
    encoding = next((name for mark, name in BYTE_ORDER_MARKS.items() if data.startswith(mark)), "utf-8")
    return io.TextIOWrapper(io.BytesIO(data), encoding, newline=newline)


def _damaged(where: str, line: int, error: Exception) -> SourceError:
    advice = "save it as UTF-8" if isinstance(error, UnicodeError) else "write it anew"
    said = " ".join(str(getattr(error, "msg", error)).split())
    return SourceError(f"{where}: line {line}: cannot be read: {said}; {advice}")
