"""What is known of a raw file before it is read: its label, its split, and the reason if it cannot be used."""

import posixpath
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import PurePosixPath, PureWindowsPath
from unicodedata import category, normalize

from morelike.images.headers import IMAGE_EXTENSIONS

JUNK_FOLDERS = {"__macosx", ".ds_store", "@eadir", "$recycle.bin", "system volume information"}
JUNK_FILES = {"thumbs.db", "desktop.ini", "icon\r"}
ARCHIVE_SUFFIXES = (
    *(".tar.gz", ".tar.xz", ".tar.bz2", ".tar.zst", ".tgz", ".txz", ".tbz2"),
    *(".zip", ".tar", ".7z", ".rar"),
)
MAX_LABEL_BYTES = 256
UNWRITABLE = ("Cc", "Cs", "Zl", "Zp")  # Unicode's categories of control signs, surrogates and ends of lines
NO_ATTRIBUTES = "{}"
OF_PLACE = ("stray", "no_label")  # codes of where a file lies: what it holds is looked at all the same


@dataclass(frozen=True, order=True, slots=True)
class Entry:
    """A raw file: its path, its label, and the reason if it cannot be used.

    Attributes:
        name: posix path relative to the root; in a folder of shards ``shard.tar/member``. Unique.
        label: the class, "" if it has none.
        split: the given split (``train``, ``val`` or ``test``), "" if none was given.
        code: fault code of a file that must not be used, "" for any other.
        detail: the reason in words.
        attributes: further columns of a table of labels, a JSON object of strings, its keys sorted.
        group: what it belongs to and must share a split with (a patient, a scene), "" if to nothing.
        mask: name of the file with its mask, "" if it has none.
        page: which slice of a stack it is, from 1; 0 for a file of its own.
    """

    name: str
    label: str = ""
    split: str = ""
    code: str = ""
    detail: str = ""
    attributes: str = NO_ATTRIBUTES
    group: str = ""
    mask: str = ""
    page: int = 0

    @property
    def path(self) -> str:
        """The name of the file, which the slices of a stack share."""
        return path_of(self.name, self.page)


def path_of(name: str, page: int) -> str:
    """Return the name of the file that an entry is, or is a slice of.

    >>> path_of("cat/scan.tif#0003", 3), path_of("cat/1.png", 0)
    ('cat/scan.tif', 'cat/1.png')
    """
    return name.rpartition("#")[0] if page else name


def sliced(entries: Iterable[Entry], pages: Mapping[str, int]) -> list[Entry]:
    """Replace each stack by its slices, named ``scan.tif#0001`` and so on; sorted by name.

    The slices of a stack have its label and split, and are one group: its own, or that of its name. A file that has
    the name of a slice is renamed, and marked as unreadable.

    Args:
        entries: the files.
        pages: how many slices each stack has, by its name.
    """
    whole = [entry for entry in entries if entry.name not in pages]
    slices = [
        replace(entry, name=f"{entry.name}#{page:04d}", group=entry.group or entry.name, page=page)
        for entry in entries
        for page in range(1, pages.get(entry.name, 0) + 1)
    ]
    taken = {entry.name for entry in slices}
    detail = "its name is that of a slice of a stack"
    kept = [
        Entry(f"{entry.name} #2", code="unreadable", detail=detail) if entry.name in taken else entry for entry in whole
    ]
    return sorted(kept + slices)


def is_junk(name: str) -> bool:
    """Tell whether a path is hidden or left by an operating system (``__MACOSX``, ``Thumbs.db``, ...).

    >>> is_junk("cat/.DS_Store"), is_junk("cat/1.jpg")
    (True, False)
    """
    parts = name.replace("\\", "/").lower().split("/")
    hidden = any(part.startswith(".") and part not in (".", "..") for part in parts)
    return hidden or not JUNK_FOLDERS.isdisjoint(parts) or parts[-1] in JUNK_FILES


def has_image_extension(name: str) -> bool:
    """Tell whether a name has the extension of an image format."""
    return posixpath.splitext(name)[1].lower() in IMAGE_EXTENSIONS


def is_archive(name: str) -> bool:
    """Tell whether a name ends as that of an archive.

    >>> is_archive("1.tar.GZ"), is_archive("1.jpg")
    (True, False)
    """
    return name.lower().endswith(ARCHIVE_SUFFIXES)


def without_archive_suffix(name: str) -> str:
    """Return a name without the end that makes it an archive's.

    >>> without_archive_suffix("moths.v2.tar.gz"), without_archive_suffix("moths.v2")
    ('moths.v2', 'moths.v2')
    """
    suffix = next((suffix for suffix in ARCHIVE_SUFFIXES if name.lower().endswith(suffix)), "")
    return name[: len(name) - len(suffix)]


@lru_cache(maxsize=4096)
def composed(text: str) -> str:
    """Return a text in Unicode's form NFC: file systems store one name in two forms, and readers see one.

    >>> composed("Cafe\\u0301") == composed("Caf\\u00e9")
    True
    """
    return normalize("NFC", text)


@lru_cache(maxsize=4096)
def label_fault(label: str) -> str:
    """Return why a text cannot be a label, "" if it can.

    >>> label_fault("../x"), label_fault("007")
    ("'../x' cannot name a folder", '')
    """
    if not label:
        return "it is empty"
    if "\ufffd" in label:
        return f"{label[:40]!r} is not UTF-8"
    if label in (".", "..") or set(label) & set("/\\") or any(category(sign) in UNWRITABLE for sign in label):
        return f"{label[:40]!r} cannot name a folder"
    size = len(label.encode())
    return f"it has {size} bytes, limit {MAX_LABEL_BYTES}" if size > MAX_LABEL_BYTES else ""


def escapes(name: str) -> bool:
    """Tell whether a path is absolute or climbs.

    >>> escapes("a/../b"), escapes("C:/a"), escapes("a/b")
    (True, True, False)
    """
    parts = PurePosixPath(name).parts + PureWindowsPath(name).parts
    return ".." in parts or PurePosixPath(name).is_absolute() or bool(PureWindowsPath(name).anchor)


def is_utf8(name: str) -> bool:
    """Tell whether a name is text: file systems hold any bytes, and Python hides those that are none in surrogates."""
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def unique(files: Iterable[Entry]) -> list[Entry]:
    """Rename the second and later files of the same name, and mark them as unreadable."""
    seen: Counter[str] = Counter()
    result = []
    for file in files:
        seen[file.name] += 1
        name = f"{file.name} #{seen[file.name]}"
        detail = f"the archive holds {file.name} more than once; the first is kept"
        result.append(file if seen[file.name] == 1 else Entry(name, code="unreadable", detail=detail))
    return result
