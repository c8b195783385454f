"""Pair images with the masks beside them: ``x.jpg`` and ``x_mask.png``, ``images/x.jpg`` and ``masks/x.png``."""

import posixpath
import re
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

from morelike.storage.labels import Entry, has_image_extension

CALLED = "masks?|seg|segmentations?|labels?|annotations?|gt"
ENDING = re.compile(rf"(?P<stem>.+)(?P<ending>[-_.]({CALLED}))", re.IGNORECASE)
MASK_FOLDER = re.compile(rf"{CALLED}|__masks__|segmentationclass|ground_truth", re.IGNORECASE)
WORDS = ("mask", "seg", "label", "annotation", "gt", "ground")  # far faster to look for than what follows
SIGN = re.compile(rf"[-_.]({CALLED})\.[^./\n]+$|(^|/)({MASK_FOLDER.pattern})/", re.MULTILINE)
IMAGE_FOLDERS = {"image", "images", "img", "imgs", "jpegimages"}
FEWEST_WITH_IMAGE = 0.5  # share of the files of a folder within a folder of images, from which it holds masks
Place = tuple[str, str]  # folder, and name without extension


@dataclass(frozen=True)
class Convention:
    """A way to call masks: by an ending in one folder, or by a folder of masks beside or within one of images.

    Attributes:
        folder: of the masks.
        ending: of their names, "" for a folder of masks.
        images: the folder of the images; for a folder of masks, the one beside or around it.
    """

    folder: str
    ending: str
    images: str

    @property
    def beside(self) -> bool:
        """Whether a folder merely tells images from masks, so that its name is no label."""
        return not self.ending and posixpath.basename(self.images).lower() in IMAGE_FOLDERS


@dataclass
class Paired:
    """Raw files, once masks are told from images.

    Attributes:
        files: all files but the masks; an image has the name of its mask.
        alone: the masks without an image.
        image_folders: folders whose names are no labels, as they merely tell images from masks.
    """

    files: list[Entry]
    alone: list[Entry] = field(default_factory=list)
    image_folders: set[str] = field(default_factory=set)

    def arranged(self, arrange: Callable[[list[Entry]], list[Entry]]) -> list[Entry]:
        """Return all entries, sorted by name; ``arrange`` labels them as if there were no folders of images."""
        if not self.image_folders:
            labelled = arrange(self.files)
            return sorted(labelled + self.alone, key=lambda entry: entry.name) if self.alone else labelled
        full, taken = {}, {file.name for file in self.files}
        for file in self.files:
            short = self._without_image_folder(file.name)
            short = file.name if short in taken else short
            taken.add(short)
            full[short] = file
        labelled = arrange([replace(file, name=short) for short, file in full.items()])
        restored = [replace(entry, name=full[entry.name].name) for entry in labelled]
        return sorted(restored + self.alone, key=lambda entry: entry.name)

    def _without_image_folder(self, name: str) -> str:
        for folder in _parents(name):
            if folder in self.image_folders:
                return posixpath.join(posixpath.dirname(folder), name[len(folder) + 1 :])
        return name


def paired(files: list[Entry]) -> Paired:
    """Tell masks from images by their names, and give each image its mask.

    A file is a mask only if its image is there: of the same name but for an ending such as ``_mask``, in the same
    folder, or of the same name in a folder such as ``images`` beside a folder such as ``masks``, or around it. So a
    class that is named ``mask`` stays a class. Where some images have a mask, files that are called like the others'
    masks and have no image are masks alone. A second mask of an image is alone too.
    """
    everything = "\n".join([file.name for file in files]).lower()
    if not any(word in everything for word in WORDS) or not SIGN.search(everything):
        return Paired(files)
    names = [file.name for file in files if not file.code and has_image_extension(file.name)]
    called_so = _called_so(names)
    image_of: dict[str, str] = {}
    for images in called_so.values():
        image_of |= {mask: image for mask, image in images.items() if image and mask not in image_of}
    masks = {mask for images in called_so.values() for mask in images} - set(image_of.values())
    mask_of = {image: mask for mask, image in sorted(image_of.items(), reverse=True)}
    result = Paired([], [], {one.images for one in called_so if one.beside})
    for file in files:
        image = image_of.get(file.name, "")
        if file.name not in masks:
            result.files.append(replace(file, mask=mask_of.get(file.name, "")))
        elif mask_of.get(image) != file.name:
            detail = f"{image} has another mask" if image else "called as masks are, but its image is not there"
            result.alone.append(Entry(file.name, code="mask_alone", detail=detail))
    return result


def _called_so(names: list[str]) -> dict[Convention, dict[str, str]]:
    """Return for each convention that is in use the files that are called by it, each with its image or ""."""
    places = {_place(name): name for name in reversed(names)}
    folders = {folder for name in names for folder in _parents(name)}
    images_in: dict[str, list[str]] = defaultdict(list)
    for folder in sorted(folders):
        around, last = posixpath.split(folder)
        if last.lower() in IMAGE_FOLDERS:
            images_in[around].append(folder)
    found: dict[Convention, dict[str, str]] = defaultdict(dict)
    for name in names:
        for convention, place in _guesses(name, images_in):
            image = places.get(place, "")
            found[convention][name] = found[convention].get(name) or ("" if image == name else image)
    return {convention: images for convention, images in found.items() if _in_use(convention, images)}


def _in_use(convention: Convention, images: dict[str, str]) -> bool:
    """Tell whether a convention is used: any image is found, or most where the folder could also be a class."""
    share = sum(map(bool, images.values())) / len(images)
    return share >= FEWEST_WITH_IMAGE if not (convention.ending or convention.beside) else share > 0


def _guesses(name: str, images_in: dict[str, list[str]]) -> Iterator[tuple[Convention, Place]]:
    """Yield the ways in which a file may be called a mask, each with the place where its image would be."""
    folder, stem = _place(name)
    ending = ENDING.fullmatch(stem)
    if ending:
        yield Convention(folder, ending["ending"], folder), (folder, ending["stem"])
    for parent in _parents(name):
        around, last = posixpath.split(parent)
        if MASK_FOLDER.fullmatch(last):
            for images in (*images_in[around], around):
                there = posixpath.join(images, folder[len(parent) + 1 :]).rstrip("/")
                for one in (stem, *([ending["stem"]] if ending else [])):
                    yield Convention(parent, "", images), (there, one)


def _place(name: str) -> Place:
    folder, base = posixpath.split(name)
    return folder, posixpath.splitext(base)[0]


def _parents(name: str) -> Iterator[str]:
    """Yield the folders that a name lies in, the outermost first."""
    for end, letter in enumerate(name):
        if letter == "/":
            yield name[:end]
