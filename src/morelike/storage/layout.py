"""What the folders of a raw set mean: one around everything, splits, classes. Where they do not tell, it asks."""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path, PurePosixPath

from morelike.storage.errors import SourceError
from morelike.storage.labels import (
    Entry,
    composed,
    has_image_extension,
    is_archive,
    label_fault,
    without_archive_suffix,
)

SPLIT_WORDS = {
    "train": ("train", "training"),
    "val": ("val", "valid", "validation", "dev"),
    "test": ("test", "testing", "eval", "evaluation", "holdout"),
}
SPLITS = {word: split for split, words in SPLIT_WORDS.items() for word in words}
SPLIT_NAME = re.compile(rf"({'|'.join(SPLITS)})([ _-]?(set|split|data|images))?", re.IGNORECASE)
SHARD_NAME = re.compile(rf"({'|'.join(SPLITS)})[-_.]", re.IGNORECASE)
FOLDERS = "folders"  # the value of data.labels that says: the top folders are the classes
IF_CLASSES = f"if they are classes, set data.labels: {FOLDERS}"
ARCHIVE_INSIDE = "an archive among the images; unpack it, or set data.raw to it"
NAMED = 5  # folders that an error names
Folders = tuple[str, ...]  # that a file lies in


@lru_cache(maxsize=4096)
def split_of(word: str) -> str:
    """Return the split that a folder's name means, "" if none.

    The words are those of Hugging Face's imagefolder, and ``holdout``.

    >>> split_of("Training"), split_of("test_images"), split_of("dev"), split_of("bus")
    ('train', 'test', 'val', '')
    """
    match = SPLIT_NAME.fullmatch(word)
    return SPLITS[match[1].lower()] if match else ""


def shard_split(shard: str) -> str:
    """Return the split that a shard's file name begins with, "" if there is none.

    >>> shard_split("validation-00003.tar"), shard_split("00003.tar")
    ('val', '')
    """
    match = SHARD_NAME.match(PurePosixPath(shard).name)
    return SPLITS[match[1].lower()] if match else ""


@dataclass(frozen=True)
class Layout:
    """What the folders mean.

    Attributes:
        wrapper: the folders around everything.
        splits: the names of the split folders; none if the files are not split.
        class_first: ``class/split/1.png`` instead of ``split/class/1.png``.
        flat_label: the one class if there are no class folders, else "".
    """

    wrapper: Folders = ()
    splits: frozenset[str] = frozenset()
    class_first: bool = False
    flat_label: str = ""

    def place(self, folders: Folders) -> tuple[str, str]:
        """Return the label and the split of the files in ``folders``; "" for what cannot be told."""
        if folders[: len(self.wrapper)] != self.wrapper:
            return "", ""
        folders, split = folders[len(self.wrapper) :], ""
        if self.splits:
            at = int(self.class_first)
            if len(folders) <= at or folders[at] not in self.splits:
                return "", ""
            split, folders = split_of(folders[at]), folders[:at] + folders[at + 1 :]
        return self.flat_label or (composed(folders[0]) if folders else ""), split


def arrange(files: Iterable[Entry], root: Path, unwrap: bool, labels: str = "auto") -> list[Entry]:
    """Give every file its label and split, by the folders it lies in; sorted by name.

    - The label is the first folder under the root, or under the split. Both Unicode forms of a name are one class.
    - Without such folders all images are one class: the name of ``root``, or ``all`` if there are split folders.
    - ``train/`` is a split folder if it is beside ``val/`` or ``test/``, or the only folder. Splits are also found
      below folders around everything, and below every class.
    - An image beside the class folders or the split folders gets the code ``stray``.
    - A label and a split that a file already has are kept; then there is no class of all others.

    Args:
        files: the files.
        root: the folder or archive; it names a flat set, and is named in errors.
        unwrap: ignore a single folder around everything, as archives often have.
        labels: ``folders`` takes the top folders for classes: it looks for no split, and asks nothing.

    Raises:
        SourceError: if the folders could be splits or classes.
    """
    files = sorted(files, key=lambda file: file.name)
    paths = [_path(file.name) for file in files]
    usable = [not file.code and has_image_extension(file.name) for file in files]
    places = {path for path, use in zip(paths, usable, strict=True) if use}
    layout = _layout(places, root, unwrap, splits=labels != FOLDERS)
    if labels != FOLDERS and not layout.splits:
        unlabelled = {path for path, file, use in zip(paths, files, usable, strict=True) if use and not file.label}
        _ask(root, layout, _subfolders(places, layout), _subfolders(unlabelled, layout))
        if not unwrap:
            _ask_for_wrapper(root, unlabelled)
    if any(use and file.label for use, file in zip(usable, files, strict=True)):
        layout = replace(layout, flat_label="")
    known = {path: _checked(*layout.place(path)) for path in set(paths)}
    return [_placed(file, *known[path], use, layout) for file, path, use in zip(files, paths, usable, strict=True)]


def _checked(label: str, split: str) -> tuple[str, str, str]:
    """Return the label, or "" if it cannot be one; the split; and what is wrong with the label."""
    fault = label_fault(label) if label else ""
    return "" if fault else label, split, fault


def _placed(file: Entry, label: str, split: str, fault: str, usable: bool, layout: Layout) -> Entry:
    label, split = file.label or label, file.split or split
    if file.code == "no_label":
        return replace(file, label="", split=split)
    if usable and fault and not label:
        return replace(file, split=split, code="no_label", detail=f"its folder: {fault}")
    if usable and not (label and (split or not layout.splits)):
        lies = "the class folders, so its label" if split or not layout.splits else "the splits, so its split"
        return replace(file, code="stray", detail=f"lies beside {lies} is unknown")
    if not usable and not file.code and is_archive(file.name):
        return replace(file, label=label, split=split, code="not_an_image", detail=ARCHIVE_INSIDE)
    return replace(file, label=label, split=split)


def in_two_forms(entries: Iterable[Entry]) -> list[str]:
    """Return the labels whose folders are written in both of Unicode's forms, sorted."""
    written = {(part, file.label) for file in entries if not file.label.isascii() for part in _path(file.name)}
    counts = Counter(label for part, label in written if composed(part) == label)
    return sorted(label for label, count in counts.items() if count > 1)


def _path(name: str) -> Folders:
    return folders_of(_folder(name))


def _folder(name: str) -> str:
    """Return the folder that a file lies in; some programs for Windows pack archives with backslashes."""
    return name.replace("\\", "/").rpartition("/")[0]


@lru_cache(maxsize=4096)
def folders_of(folder: str) -> Folders:
    """Return the folders on the way to ``folder``, without shards.

    >>> folders_of("train/0.tar/cat")
    ('train', 'cat')
    """
    return tuple(part for part in folder.split("/") if part not in ("", ".") and not part.lower().endswith(".tar"))


def _layout(places: set[Folders], root: Path, unwrap: bool, splits: bool) -> Layout:
    """Return the layout of images that lie in ``places``; ``splits``: look for split folders."""
    around = _common(places)
    for depth in range(len(around) + 1) if splits else ():
        inner = {place[depth:] for place in places}
        if found := _split_folders({place[0] for place in inner if place}):
            return Layout(around[:depth], found, flat_label="" if any(len(place) > 1 for place in inner) else "all")
    if splits and {len(place) for place in places} == {len(around) + 2}:
        below = {place[-1] for place in places}
        if len(below) > 1 and _split_folders(below) == below:
            return Layout(around, frozenset(below), class_first=True)
    wrapper = _wrapper(around, places, splits) if unwrap else ()
    classes = any(len(place) > len(wrapper) for place in places)
    return Layout(wrapper, flat_label="" if classes else composed(without_archive_suffix(root.resolve().name)) or "all")


def _common(places: set[Folders]) -> Folders:
    """Return the folders around all of ``places``."""
    first, last = min(places, default=()), max(places, default=())
    same = [a == b for a, b in zip(first, last, strict=False)]
    return first[: same.index(False) if False in same else len(same)]


def _wrapper(around: Folders, places: set[Folders], splits: bool) -> Folders:
    """Return the folders around all classes: those around all images, but for one that holds them or names a split."""
    wrapper = around[:-1] if around in places else around
    named = [bool(splits and split_of(name)) for name in wrapper]
    return wrapper[: named.index(True) if True in named else len(wrapper)]


def _split_folders(names: set[str]) -> frozenset[str]:
    splits = frozenset(name for name in names if split_of(name))
    meanings = {split_of(name) for name in splits}
    return splits if "train" in meanings and (len(meanings) > 1 or splits == names) else frozenset()


def _subfolders(places: set[Folders], layout: Layout) -> dict[str, set[str]]:
    """Return the folders in each top folder that holds images; "" stands for images that lie in it directly."""
    inside = defaultdict(set)
    for place in places:
        if below := place[len(layout.wrapper) :]:
            inside[below[0]].add(below[1] if len(below) > 1 else "")
    return inside


def _ask(root: Path, layout: Layout, tops: dict[str, set[str]], unlabelled: dict[str, set[str]]) -> None:
    """Raise SourceError if top folders that would be classes could be splits, or parts of the set.

    Args:
        root: named in the error.
        layout: what the folders mean; it knows no splits.
        tops: the subfolders of each top folder.
        unlabelled: the same, of the images whose label the folders decide.
    """
    at = "/".join([str(root), *layout.wrapper])
    if tops and all(map(split_of, tops)):
        raise SourceError(
            f"{at}: expected train/ beside {_named(tops)}, found none; name the folder of the training images train/, "
            f"or set data.raw to a folder of classes; {IF_CLASSES}"
        )
    for top in sorted(filter(split_of, unlabelled)):
        if len(unlabelled[top]) > 1 and "" not in unlabelled[top]:
            raise SourceError(
                f"{at}: is {top}/ a split or a class? It holds folders, {_named(unlabelled[top])}, but beside it is "
                f"{_named(set(unlabelled) - {top})}; name the splits train/, val/ and test/, and move out what is "
                f"none; {IF_CLASSES}"
            )
    shared = set.intersection(*unlabelled.values()) if unlabelled else set()
    every = set().union(*unlabelled.values())
    if len(unlabelled) > 1 and "" not in every and len(shared) > 1 and 2 * len(shared) >= len(every):
        raise SourceError(
            f"{at}: splits or classes? {_named(unlabelled)} all hold the folders {_named(shared)}; if they are splits, "
            f"name them train/, val/ and test/; {IF_CLASSES}"
        )


def _ask_for_wrapper(root: Path, unlabelled: set[Folders]) -> None:
    """Raise SourceError if all images lie in the subfolders of one folder: is it the class, or are these?"""
    around = _common(unlabelled)
    if around and around not in unlabelled:
        inside = {place[len(around)] for place in unlabelled}
        raise SourceError(
            f"{root}: expected class folders, found one folder {'/'.join(around)}/ that holds {_named(inside)}; if "
            f"these are the classes, set data.raw to {root}/{'/'.join(around)}; if {around[0]}/ is the only class, "
            f"set data.labels: {FOLDERS}"
        )


def _named(names: Iterable[str]) -> str:
    shown = [f"{name}/" for name in sorted(names)]
    return ", ".join(shown[:NAMED]) + (" …" if shown[NAMED:] else "")
