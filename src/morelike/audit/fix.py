"""Write the accepted images of an audit, each upright, in sRGB, with 8 bits per value, in a folder per class."""

import posixpath
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from morelike.audit.audited import Audited
from morelike.audit.errors import AuditError
from morelike.audit.places import check_free
from morelike.audit.reading import Reader, Stored, stored_in
from morelike.audit.workers import without_main
from morelike.core import compute, files, progress
from morelike.images import headers, pixels, stderr
from morelike.storage import folders as class_folders
from morelike.validate import inspection, policies, sets

FILES_PER_CHUNK = 64
COPIED = {"JPEG": ".jpg", "PNG": ".png", "WEBP": ".webp"}  # formats that every loader reads, with their usual ending


@dataclass(frozen=True, slots=True)
class Task:
    """One image to write.

    Attributes:
        stored: the raw file.
        path: of the new file, relative to the folder that is written.
        copied: whether the bytes are taken as they are; else the pixels are written as PNG.
        grey: whether it has no colour.
    """

    stored: Stored
    path: str
    copied: bool
    grey: bool


@dataclass(frozen=True)
class Writer:
    """Writes chunks of images into ``folder``; pickles, so it can be sent to worker processes."""

    reader: Reader
    folder: Path

    def __call__(self, tasks: list[Task]) -> list[str]:
        """Return the digest of each image's pixels, "" where the bytes were copied."""
        with stderr.muted():
            return [self._write(task) for task in tasks]

    def _write(self, task: Task) -> str:
        data, digest = self.reader.data(task.stored), ""
        if not task.copied:
            image = self.reader.pixels(task.stored, data)
            image = pixels.to_colour(image, 1) if task.grey else image
            data, digest = pixels.encode_png(image), inspection.pixel_digest(image)
        (self.folder / task.path).write_bytes(data)
        return digest


@without_main()
def write(audited: Audited, out: Path | str, workers: int | None = None) -> int:
    """Write ``out/CLASS/NAME``, or ``out/SPLIT/CLASS/NAME`` if splits were given; return how many images.

    A JPEG, PNG or WebP that needs no change keeps its bytes; of any other the pixels are written as PNG. Images that
    come to be the same by that are treated as the audit treats the same pixels.

    Raises:
        AuditError: if ``out`` is not empty, no image was accepted, or a file has changed since the audit.
        ImageError: if a file can no longer be read.
    """
    out = check_free(out)
    if audited.images.empty:
        raise AuditError(f"{out}: expected at least one accepted image to write, got none; see the findings")
    tasks = tasks_of(audited)
    with files.written_aside(out) as aside:
        for folder in sorted({posixpath.dirname(task.path) for task in tasks}):
            (aside / folder).mkdir(parents=True)
        digests = list(_written(tasks, Writer(audited.reader, aside), workers))
        again = _alike_now(audited, digests)
        for task in tasks:
            if task.stored.file in again:
                (aside / task.path).unlink()
        check_free(out)  # once more: it takes the place of what is there
    written = len(tasks) - len(again)
    progress.say(f"{written} images written to {out}")
    return written


def tasks_of(audited: Audited) -> list[Task]:
    """Return what to do with each accepted image. A name is that of the raw file, numbered where two would be alike."""
    images = audited.images
    folders = images["label"].map(class_folders.names(sorted(set(images["label"]))))
    if (images["split"] != "").any():
        folders = images["split"].replace("", "train") + "/" + folders
    stems = [posixpath.splitext(posixpath.basename(file))[0] for file in images["file"]]
    plain = class_folders.names(sorted(set(stems)))
    rows = images.assign(
        place=numbered(f"{folder}/{plain[stem]}" for folder, stem in zip(folders, stems, strict=True)),
        copied=images["format"].isin(COPIED) & (images["page"] == 0) & ~images["file"].isin(audited.converted),
        grey=images["colourfulness"] == 0,
    )
    return [
        Task(stored, f"{row.place}{_ending(row)}", row.copied, row.grey)
        for stored, row in zip(stored_in(images), rows.itertuples(), strict=True)
    ]


def numbered(paths: Iterable[str]) -> list[str]:
    """Number the second and later ones of the same path, whatever their case.

    >>> numbered(["a/1", "A/1", "a/2"])
    ['a/1', 'A/1-2', 'a/2']
    """
    found: list[str] = []
    taken: set[str] = set()
    numbers: dict[str, int] = {}  # the last one of each path: counting up from 1 would take quadratic time
    for path in paths:
        name, key = path, path.casefold()
        while name.casefold() in taken:
            numbers[key] = numbers.get(key, 1) + 1
            name = f"{path}-{numbers[key]}"
        taken.add(name.casefold())
        found.append(name)
    return found


def _ending(row) -> str:
    if not row.copied:
        return ".png"
    ending = posixpath.splitext(row.file)[1]
    return ending if ending.lower() in headers.EXTENSIONS[row.format] else COPIED[row.format]


def _written(tasks: list[Task], writer: Writer, workers: int | None) -> Iterator[str]:
    chunks = compute.chunks(tasks, FILES_PER_CHUNK)
    for digests in progress.track(compute.map_ordered(writer, chunks, workers), len(chunks), "write"):
        yield from digests


def _alike_now(audited: Audited, digests: list[str]) -> set[str]:
    """Return the files to leave out because their new pixels are those of another image."""
    now = [new or old for new, old in zip(digests, audited.images["pixel_sha256"], strict=True)]
    found = sets.same_pixels(audited.images.assign(pixel_sha256=now))
    return set(policies.quarantined(policies.noted(found, audited.fault_rules))["file"])
