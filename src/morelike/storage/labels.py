"""Labels and given splits of raw images, from their paths alone."""

import posixpath
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import PurePosixPath

from morelike.images.headers import IMAGE_EXTENSIONS

SPLITS = {"train": "train", "val": "val", "valid": "val", "validation": "val", "test": "test"}
JUNK_FOLDERS = {"__macosx", ".ds_store", "@eadir", "$recycle.bin", "system volume information"}
JUNK_FILES = {"thumbs.db", "desktop.ini", "icon\r"}
SHARD_PREFIX = re.compile(rf"({'|'.join(SPLITS)})[-_.]", re.IGNORECASE)


@dataclass(frozen=True, order=True, slots=True)
class Entry:
    """A raw file: its path, its label, and the reason if it cannot be used.

    Attributes:
        name: posix path relative to the root; in a folder of shards ``shard.tar/member``. Unique.
        label: the class, "" if it has none.
        split: the given split (``train``, ``val`` or ``test``), "" if none was given.
        code: fault code of a file that must not be read, "" for any other.
        detail: the reason in words.
        group: what must not straddle splits, "" if nothing is known of it.
        page: which slice of a stack it is, from 1; 0 for a file of its own.
    """

    name: str
    label: str = ""
    split: str = ""
    code: str = ""
    detail: str = ""
    group: str = ""
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


def arrange(files: Iterable[Entry], flat_label: str, unwrap: bool) -> list[Entry]:
    """Give every file its label and split, by the folders it lies in; sorted by name.

    - The label is the first folder under the root, or under the split.
    - Without such folders all images are one class: ``flat_label``, or ``all`` if there are split folders.
    - ``train/`` is a split folder if it is beside ``val/`` or ``test/``, or the only folder.
    - A file beside the class folders or the split folders gets the code ``stray``.
    - A label that a file already has (WebDataset's ``.cls``) is kept.
    - ``unwrap`` ignores a single folder around everything, as archives often have.
    """
    files = sorted(files, key=lambda file: file.name)
    paths = {file.name: _folders(file.name) for file in files}
    images = [paths[file.name] for file in files if not file.code and has_image_extension(file.name)]
    wrapped = unwrap and bool(images) and all(len(p) > 1 and p[0] == images[0][0] for p in images)
    wrapper = images[0][:1] if wrapped and images[0][0].lower() not in SPLITS else ()
    images = [path[len(wrapper) :] for path in images]
    splits = _split_folders({path[0] for path in images if path})
    classes = any(len(path) > bool(splits) for path in images)
    flat_label = "all" if splits else flat_label
    return [_placed(file, paths[file.name], wrapper, splits, "" if classes else flat_label) for file in files]


def _placed(file: Entry, path: tuple[str, ...], wrapper: tuple[str, ...], splits: set[str], flat_label: str) -> Entry:
    """Give one file its label and split; ``path`` is its folders, ``flat_label`` is "" if there are class folders."""
    inside = path[: len(wrapper)] == wrapper
    path = path[len(wrapper) :] if inside else path
    split = file.split
    if splits:
        inside = inside and bool(path) and path[0] in splits
        split = SPLITS[path[0].lower()] if inside else ""
        path = path[1:] if inside else path
    label = file.label or flat_label or (path[0] if path else "")
    if not file.code and has_image_extension(file.name) and not (inside and label):
        beside = "the splits" if splits else "the class folders"
        return replace(file, code="stray", detail=f"lies beside {beside}, so its label or split is unknown")
    return replace(file, label=label if inside else file.label, split=split)


def _folders(name: str) -> tuple[str, ...]:
    """Return the folders of a name, without shards: ``("train", "cat")`` for ``train/0.tar/cat/1.jpg``."""
    parts = name.lstrip("/").split("/")[:-1]
    return tuple(part for part in parts if part not in ("", ".") and not part.lower().endswith(".tar"))


def _split_folders(tops: set[str]) -> set[str]:
    splits = {top for top in tops if top.lower() in SPLITS}
    meanings = {SPLITS[top.lower()] for top in splits}
    return splits if "train" in meanings and (len(meanings) > 1 or splits == tops) else set()


def shard_split(shard: str) -> str:
    """Return the split that a shard's file name begins with, "" if there is none.

    >>> shard_split("validation-00003.tar"), shard_split("00003.tar")
    ('val', '')
    """
    match = SHARD_PREFIX.match(PurePosixPath(shard).name)
    return SPLITS[match[1].lower()] if match else ""


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
