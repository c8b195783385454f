"""Labels, splits and attributes of raw files from the tables among them."""

import json
import posixpath
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace

from morelike.storage.errors import SourceError
from morelike.storage.label_tables import Row, Table, as_attributes, is_table, read_table
from morelike.storage.labels import NO_ATTRIBUTES, Entry, composed, escapes, has_image_extension, label_fault
from morelike.storage.layout import FOLDERS, split_of

AUTO = "auto"
UNNAMED = "no table of labels names it"
NO_FILE = {"missing": "no such file", "member_escapes": "its path leads out of the raw data"}


@dataclass(frozen=True)
class Labelled:
    """Raw files as the tables among them name them.

    Attributes:
        files: every file but the tables, and one without bytes for each row that names no file.
        tables: the number of tables.
        note: what people should know, "" if there is no table.
    """

    files: list[Entry]
    tables: int = 0
    note: str = ""


def from_tables(files: list[Entry], labels: str, read: Callable[[str], bytes], root: str) -> Labelled:
    """Apply the tables among ``files``.

    A path in a table is relative to the table's folder, or else to the root, and may lack its ending. As soon as a
    table has a column of labels, no folder is a class, and a file to which no row gives a label gets the code
    ``no_label``. A row without a file becomes an entry with the code ``missing``, or ``member_escapes`` if its path
    leads out of the raw data.

    Args:
        files: all files.
        labels: ``auto`` for the tables that :func:`morelike.storage.label_tables.is_table` knows, ``folders`` for
            none, or the path of one of ``files``.
        read: returns the bytes of a file.
        root: the path of the raw data, for errors.

    Raises:
        SourceError: if a table is damaged, has no column of files, names no file that is there or an unknown split; if
            ``labels`` is none of ``files``.
    """
    chosen = _tables(files, labels, root)
    if not chosen:
        return Labelled(files)
    known = {_plain(file.name): file for file in files}
    known = _without_endings(known) | known
    tables = [read_table(name, read(name), f"{root}/{name}") for name in sorted(chosen)]
    given: dict[str, Entry] = {}
    for table in tables:
        _apply(table, known, given, f"{root}/{table.name}")
    labelled = any(table.labelled for table in tables)
    left = [file for file in files if file.name not in given and file.name not in chosen]
    if labelled:
        left = [file if file.code or file.label else replace(file, code="no_label", detail=UNNAMED) for file in left]
        given = {name: _checked(file) for name, file in given.items()}
    what = "labels, not the folders'," if labelled else "attributes"
    shown = min(chosen) if len(chosen) == 1 else f"{len(chosen)} tables ({min(chosen)}, …)"
    return Labelled([*left, *given.values()], len(chosen), f"{what} from {shown}")


def _tables(files: list[Entry], labels: str, root: str) -> set[str]:
    """Return the names of the tables that ``labels`` asks for; each must be readable."""
    if labels == FOLDERS:
        return set()
    if labels == AUTO:
        chosen = [file for file in files if is_table(file.name)]
    elif not (chosen := [file for file in files if _plain(file.name) == _plain(labels)]):
        raise SourceError(
            f"data.labels: expected {AUTO}, {FOLDERS} or the path of a table inside {root}, got {labels!r}, "
            "which is no file there"
        )
    for file in chosen:
        if file.code:
            raise SourceError(
                f"{root}/{file.name}: expected a table of labels, got a file with the fault {file.code} "
                f"({file.detail}); mend it, or set data.labels: {FOLDERS}"
            )
    return {file.name for file in chosen}


def _apply(table: Table, known: dict[str, Entry], given: dict[str, Entry], where: str) -> None:
    """Add to ``given`` what each row says of its file."""
    folder, rows, found, first = posixpath.dirname(table.name), 0, 0, ""
    for row in table.rows:
        rows += 1
        split = split_of(row.split)
        if row.split and not split:
            raise SourceError(
                f"{where}: line {row.number}: expected the split train, val or test, or nothing, got {row.split[:40]!r}"
            )
        file = _named(row.file, folder, known)
        if file.code in NO_FILE and not file.detail:
            file = replace(file, detail=f"{table.name}, line {row.number}: {NO_FILE[file.code]}")
        found += file.code not in NO_FILE
        given[file.name] = _joined(given.get(file.name), file, row, split, table.name)
        first = first or row.file
    if not found:
        example = next(filter(has_image_extension, known), "1.png")
        what = f"none of {rows} rows names one; the first says {first[:80]!r}" if rows else "no rows"
        raise SourceError(
            f"{where}: expected paths of files, relative to its folder or the root, such as {example!r}, got {what}; "
            f"mend the table, or set data.labels: {FOLDERS}"
        )


def _named(path: str, folder: str, known: dict[str, Entry]) -> Entry:
    """Return the file that a row names; if there is none, a new one with a code of :data:`NO_FILE`."""
    plain = _plain(f"{folder}/{path}" if folder else path)
    if file := known.get(plain):
        return file
    written = path.strip().replace("\\", "/")
    for base in (folder, ""):
        if file := known.get(_plain(posixpath.normpath(posixpath.join(base, written)))):
            return file
    name = posixpath.normpath(posixpath.join(folder, written))
    code = "member_escapes" if escapes(name) else "missing"
    return Entry(name.encode(errors="backslashreplace").decode(), code=code)


def _joined(before: Entry | None, file: Entry, row: Row, split: str, table: str) -> Entry:
    """Add what a row says of a file to what is known of it; ``before`` is what rows before said."""
    label = composed(row.label)
    if before is None:
        return replace(
            file,
            label=label or file.label,
            split=split or file.split,
            attributes=_merged(file.attributes, row.attributes),
        )
    for what, old, new in (("label", before.label, label), ("split", before.split, split)):
        if old and new and old != new and not before.code:
            detail = f"{table}, line {row.number}: {what} {new!r}, an earlier row says {old!r}"
            return replace(before, code="no_label", detail=detail)
    attributes = _merged(before.attributes, row.attributes)
    return replace(before, label=before.label or label, split=before.split or split, attributes=attributes)


def _merged(before: str, attributes: str) -> str:
    return attributes if before == NO_ATTRIBUTES else as_attributes(json.loads(before) | json.loads(attributes))


def _checked(file: Entry) -> Entry:
    fault = label_fault(file.label)
    return replace(file, label="", code="no_label", detail=f"its label: {fault}") if fault and not file.code else file


def _without_endings(known: dict[str, Entry]) -> dict[str, Entry]:
    """Return the images by their names without an ending, as tables of ids give them; no name that two images have."""
    images = [(posixpath.splitext(name)[0], file) for name, file in known.items() if has_image_extension(name)]
    counts = Counter(name for name, _ in images)
    return {name: file for name, file in images if counts[name] == 1}


def _plain(name: str) -> str:
    name = name.removeprefix("./")
    return name if name.isascii() else composed(name)
