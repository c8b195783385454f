"""Which raw images belong together (a patient, a papyrus, a scene): the setting ``data.groups``."""

import json
import re
from collections.abc import Callable, Iterable
from dataclasses import replace

from morelike.storage.errors import SourceError
from morelike.storage.labels import Entry

COLUMN = "column:"


def check_rule(rule: str) -> str:
    """Return ``rule`` if it names a column or is a regular expression that names something.

    Raises:
        ValueError: it is neither.
    """
    if rule.startswith(COLUMN):
        if not rule.removeprefix(COLUMN):
            raise ValueError(f"the name of a column after {COLUMN}")
        return rule
    try:
        pattern = re.compile(rule)
    except re.error as error:
        raise ValueError(f"a regular expression: {error}") from error
    if pattern.fullmatch(""):
        raise ValueError("a regular expression that cannot match nothing")
    return rule


def grouped(entries: Iterable[Entry], rule: str | None) -> list[Entry]:
    """Give each file its group by ``rule``; one that the rule says nothing of keeps the group that it has.

    Args:
        entries: the raw files.
        rule: ``column:NAME`` is a column of the table of labels. Anything else is a regular expression that is looked
            for in the path: its group called ``group``, else its first group, else all that it matches, is the name.
            None leaves all as they are.

    Raises:
        SourceError: if no file gets a group.
    """
    entries = list(entries)
    if rule is None:
        return entries
    name_of = _by_column(rule.removeprefix(COLUMN)) if rule.startswith(COLUMN) else _by_path(re.compile(rule))
    names = {entry.name: name for entry in entries if (name := name_of(entry))}
    if entries and not names:
        raise SourceError(_nothing_named(rule, entries[0]))
    return [replace(entry, group=names.get(entry.name, entry.group)) for entry in entries]


def _by_path(pattern: re.Pattern) -> Callable[[Entry], str]:
    which = pattern.groupindex.get("group", min(pattern.groups, 1))

    def name_of(entry: Entry) -> str:
        match = pattern.search(entry.name)
        return (match[which] or "") if match else ""

    return name_of


def _by_column(column: str) -> Callable[[Entry], str]:
    return lambda entry: str(json.loads(entry.attributes).get(column, ""))


def _nothing_named(rule: str, first: Entry) -> str:
    if not rule.startswith(COLUMN):
        return f"data.groups {rule!r} matches no path: expected it in paths such as {first.name}; mend it, or set null"
    columns = ", ".join(json.loads(first.attributes)) or "none"
    return f"data.groups {rule!r}: no image has such a value; name one of the columns beside the labels: {columns}"
