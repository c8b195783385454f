"""Tables at rest: parquet for the stages, CSV for people."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from morelike.core import files
from morelike.core.errors import printable


def read(path: Path, columns: Sequence[str] | None = None) -> pd.DataFrame:
    """Read a parquet file that a stage wrote: ``columns``, all if None.

    Raises:
        DamagedFile: it is no parquet, or lacks a column.
        OSError: it cannot be read.
    """
    expected = "a table in parquet" + (f" with {', '.join(columns)}" if columns else "")
    with files.readable(path, expected), Path(path).open("rb") as file:
        return pd.read_parquet(file, columns=None if columns is None else list(columns))


def read_csv(path: Path) -> pd.DataFrame:
    """Read a CSV file that a stage wrote.

    Raises:
        DamagedFile: it is no CSV.
        OSError: it cannot be read.
    """
    with files.readable(path, "a table in CSV"):
        return pd.read_csv(path)


def write_csv(path: Path, table: pd.DataFrame) -> None:
    """Write a table for people to open, whole or not at all: no formulas, no hidden characters in its texts."""
    safe = table.assign(**{name: [_safe(value) for value in table[name]] for name in _texts(table)})
    files.write_text(path, safe.to_csv(index=False, lineterminator="\n"))


def is_for_people(table: pd.DataFrame) -> bool:
    """Tell whether :func:`write_csv` leaves all texts of a table as they are."""
    return all(_safe(value) == value for name in _texts(table) for value in table[name])


def _texts(table: pd.DataFrame) -> list[str]:
    return list(table.select_dtypes(exclude=["number", "bool"]).columns)


def _safe(value: object) -> object:
    return files.spreadsheet_safe(printable(value)) if isinstance(value, str) else value
