"""WebDataset's form of a tar: the files of a sample share a key; ``.cls`` and ``.json`` tell of its image."""

import json
from dataclasses import dataclass, replace
from tarfile import TarInfo
from typing import BinaryIO

from morelike.storage.label_tables import LABEL_COLUMNS, as_attributes, as_text
from morelike.storage.labels import MAX_LABEL_BYTES, NO_ATTRIBUTES, Entry, composed, has_image_extension, label_fault

MAX_JSON_BYTES = 2**20
UNLABELLED = "it has no .cls or .json with a label, others in its tar have"


@dataclass(frozen=True)
class Annotation:
    """What the files beside an image tell of it.

    Attributes:
        label: the class, "" if none is told.
        fault: why the label that is told cannot be one, else "".
        attributes: as those of an :class:`~morelike.storage.labels.Entry`.
    """

    label: str = ""
    fault: str = ""
    attributes: str = NO_ATTRIBUTES


NOTHING = Annotation()


def annotated(path: str, members: list[TarInfo]) -> list[tuple[TarInfo, Entry]]:
    """Return an entry for each member of the tar at ``path``, but for those that annotate an image.

    The label is what the image's ``.cls`` holds, or ``label``, ``class`` or ``cls`` in its ``.json``; what else is in
    that becomes attributes. If any image of a tar has a label, one without gets the code ``no_label``.
    """
    images = {_key(member.name) for member in members if has_image_extension(member.name)}
    shown = [member for member in members if has_image_extension(member.name) or _key(member.name) not in images]
    told = _annotations(path, [member for member in members if member.isreg() and _key(member.name) in images])
    labelled = any(one.label or one.fault for one in told.values())
    return [(member, _entry(member.name, told.get(_key(member.name), NOTHING), labelled)) for member in shown]


def _entry(name: str, told: Annotation, labelled: bool) -> Entry:
    if told.label or not labelled or not has_image_extension(name):
        return Entry(name, told.label, attributes=told.attributes)
    return Entry(name, code="no_label", detail=told.fault or UNLABELLED, attributes=told.attributes)


def _annotations(path: str, members: list[TarInfo]) -> dict[str, Annotation]:
    told: dict[str, Annotation] = {}
    with open(path, "rb") as file:
        for member in members:
            if member.name.endswith(".json"):
                from_json, key = _from_json(_text(file, member, MAX_JSON_BYTES)), _key(member.name)
                before = told.get(key)  # a .cls
                told[key] = replace(before, attributes=from_json.attributes) if before else from_json
            elif member.name.endswith(".cls"):
                label, key = _text(file, member, MAX_LABEL_BYTES + len("\r\n")), _key(member.name)
                told[key] = _labelled(label, ".cls", told.get(key, NOTHING).attributes)
    return told


def _labelled(label: str | None, source: str, attributes: str) -> Annotation:
    if label is None:
        return Annotation(fault=f"its {source} is too large, or not UTF-8", attributes=attributes)
    fault = label_fault(label := composed(label.strip()))
    return Annotation("" if fault else label, f"its {source}: {fault}" if fault else "", attributes)


def _from_json(text: str | None) -> Annotation:
    if text is None:
        return Annotation(fault="its .json is too large, or not UTF-8")
    try:
        values = json.loads(text)
    except (ValueError, RecursionError):
        return Annotation(fault="its .json cannot be read")
    if not isinstance(values, dict):
        return NOTHING
    attributes = as_attributes({name: as_text(value) for name, value in values.items() if name not in LABEL_COLUMNS})
    name = next((name for name in LABEL_COLUMNS if name in values), "")
    if not name:
        return Annotation(attributes=attributes)
    if isinstance(values[name], (list, dict)):
        return Annotation(fault=f"its .json: {name} is not one label", attributes=attributes)
    return _labelled(as_text(values[name]), ".json", attributes)


def _text(file: BinaryIO, member: TarInfo, limit: int) -> str | None:
    """Return the text that a member holds, None if it is longer than ``limit`` bytes or not UTF-8."""
    if member.size > limit:
        return None
    file.seek(member.offset_data)
    try:
        return file.read(member.size).decode("utf-8")
    except UnicodeDecodeError:
        return None


def _key(name: str) -> str:
    """Return WebDataset's key: the path up to the first dot of the file's name."""
    folder, slash, base = name.rpartition("/")
    return folder + slash + base.partition(".")[0]
