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
    for name, safe in _unlike(table).items():
        table = table.assign(**{name: [safe.get(value, value) for value in table[name]]})
    files.write_text(path, table.to_csv(index=False, lineterminator="\n"))


def is_for_people(table: pd.DataFrame) -> bool:
    """Tell whether :func:`write_csv` leaves all texts of a table as they are."""
    return not _unlike(table)


def _unlike(table: pd.DataFrame) -> dict[str, dict[str, str]]:
    """Return for each column the texts that are not written as they are, and what is written; no column without one."""
    found = {}
    for name in table.select_dtypes(exclude=["number", "bool"]):
        texts = [text for text in table[name].unique().tolist() if isinstance(text, str) and not _is_safe(text)]
        safe = {text: files.spreadsheet_safe(printable(text)) for text in texts}
        found[name] = {text: written for text, written in safe.items() if written != text}
    return {name: texts for name, texts in found.items() if texts}


def _is_safe(text: str) -> bool:
    return text.isprintable() and not files.is_formula(text)
