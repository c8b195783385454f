"""Raw images from a folder, an archive or a folder of ``.tar`` shards: listed once, read on demand."""

import lzma
import os
import re
import shutil
import stat
import tempfile
import weakref
import zipfile
import zlib
from collections import Counter
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from pathlib import Path

from morelike.images.errors import ImageError
from morelike.storage import archives, labelling, masks
from morelike.storage.errors import SourceError
from morelike.storage.labelling import AUTO
from morelike.storage.labels import Entry, has_image_extension, is_junk, is_utf8, without_archive_suffix
from morelike.storage.layout import arrange, in_two_forms, shard_split

MAX_FILE_BYTES = 256 * 2**20  # a larger file is not read into memory
UNREADABLE = (OSError, KeyError, RuntimeError, EOFError, ValueError, zipfile.BadZipFile, zlib.error, lzma.LZMAError)
LINK_TO_FOLDER = "a link to a folder; they are not followed"
READ_WITHOUT_WAITING = os.O_RDONLY | getattr(
    os, "O_NONBLOCK", 0
)  # opening a pipe that has no writer would never return
READ_NO_LINK = READ_WITHOUT_WAITING | getattr(os, "O_NOFOLLOW", 0)


@dataclass(frozen=True)
class Listing:
    """What raw data holds.

    Attributes:
        entries: every file except those of ``skipped``, sorted by name, each with its label and split.
        skipped: how many are left out: ``junk`` (hidden or system files), ``annotation`` (in tars), ``table`` (of
            labels) and ``empty folder``.
        notes: what people should know: labels that are not from folders, folders that are one class.
    """

    entries: list[Entry]
    skipped: dict[str, int]
    notes: list[str]


class Source:
    """Raw images under one root. It pickles as its path, so a worker opens the files itself when it first reads.

    Attributes:
        root: the folder or archive.
    """

    def __init__(self, root: Path):
        self.root = Path(root)

    def listing(self, labels: str = AUTO, pair_masks: bool = True) -> Listing:
        """List all files.

        With ``pair_masks`` a mask is no entry of its own but that of its image, see :mod:`morelike.storage.masks`;
        ``labels`` is the setting ``data.labels``.

        Raises:
            SourceError: if they cannot be listed, or it is not clear what is a label or a split.
        """
        files, skipped = self._listed()
        found = masks.paired(files) if pair_masks else masks.Paired(files)
        labelled = labelling.from_tables(found.files, labels, self._table, str(self.root))
        if labelled.tables:
            skipped["table"] += labelled.tables
        entries = replace(found, files=labelled.files).arranged(
            lambda files: arrange(files, self.root, not self.root.is_dir(), labels)
        )
        twins = [f"both Unicode forms of {label} are one class" for label in in_two_forms(entries)]
        return Listing(entries, dict(sorted(skipped.items())), [*filter(None, [labelled.note]), *twins])

    def entries(self) -> list[Entry]:
        """Return the entries of :meth:`listing`."""
        return self.listing().entries

    def skipped(self) -> dict[str, int]:
        """Return what :meth:`listing` leaves out."""
        return self.listing().skipped

    def read(self, name: str) -> bytes:
        """Return the bytes of the entry ``name``.

        Raises:
            ImageError: with code ``missing``, ``no_permission``, ``link_out``, ``unreadable`` (not a regular file, or
                in a damaged archive) or ``bomb`` (more than ``MAX_FILE_BYTES``).
        """
        try:
            return self._bytes(name)
        except UNREADABLE as error:
            raise ImageError(_code_of(error), _without_root(error, self.root)) from error

    def _table(self, name: str) -> bytes:
        try:
            return self.read(name)
        except ImageError as error:
            raise SourceError(f"{self.root}/{name}: a table of labels that cannot be read: {error}") from error

    def _listed(self) -> tuple[list[Entry], Counter]:
        raise NotImplementedError

    def _bytes(self, name: str) -> bytes:
        raise NotImplementedError


def open_source(path: Path | str) -> Source:
    """Open raw images.

    Raises:
        SourceError: if there is nothing at ``path``, or neither a folder nor an archive that can be read.
    """
    path = Path(path)
    if path.is_dir():
        return Shards(path) if _is_folder_of_shards(path) else Folder(path)
    if not path.exists():
        raise SourceError(f"{path}: expected raw images, found nothing; set data.raw to a folder, .zip or .tar")
    kind = archives.kind_of(path)
    return {"zip": Zip, "tar": Tar}.get(kind, partial(CompressedTar, kind))(path)


class Folder(Source):
    """A folder and all below it. Links to files inside the root are read, links out of it are refused."""

    def _listed(self) -> tuple[list[Entry], Counter]:
        files, skipped = [], Counter()
        folders = [""]
        while folders:
            below = folders.pop()
            within = _scanned(self.root / below)
            if below and not within and not is_junk(below):
                skipped["empty folder"] += 1
            for found in within:
                name = f"{below}/{found.name}" if below else found.name
                if found.is_dir(follow_symlinks=False):
                    folders.append(name)
                elif is_junk(name):
                    skipped["junk"] += 1
                else:
                    files.append(self._checked(name, found.is_file(follow_symlinks=False)))
        return files, skipped

    def _checked(self, name: str, plain: bool) -> Entry:
        if plain and is_utf8(name):
            return Entry(name)
        path = self.root / name
        if not is_utf8(name):
            printable = os.fsencode(name).decode("utf-8", "backslashreplace")
            return Entry(printable, code="unreadable", detail=archives.NOT_UTF8)
        if path.is_symlink() and not (path.is_file() and path.resolve().is_relative_to(self.root.resolve())):
            if not path.exists():
                return Entry(name, code="missing", detail="a link to nothing")
            return Entry(name, code="link_out", detail=LINK_TO_FOLDER if path.is_dir() else archives.LINK)
        if not path.is_file():
            return Entry(name, code="unreadable", detail="not a regular file")
        return Entry(name)

    def _bytes(self, name: str) -> bytes:
        path = os.path.join(self.root, name)
        if not _lies_in(os.path.dirname(path), str(self.root)):
            raise ImageError("link_out", archives.LINK)
        try:
            number = os.open(path, READ_NO_LINK)
        except OSError as error:
            if not os.path.islink(path):
                raise error
            if not Path(path).resolve().is_relative_to(self.root.resolve()):
                raise ImageError("link_out", archives.LINK) from error
            number = os.open(path, READ_WITHOUT_WAITING)
        with open(number, "rb", buffering=0) as file:
            status = os.fstat(number)
            if not stat.S_ISREG(status.st_mode):
                raise ImageError("unreadable", "not a regular file")
            return _read_bounded(file, status.st_size)


class Zip(Source):
    """A ``.zip``."""

    def _listed(self) -> tuple[list[Entry], Counter]:
        return archives.zip_entries(self._archive())

    def _bytes(self, name: str) -> bytes:
        archive = self._archive()
        member = archive.getinfo(name)
        with archive.open(member) as file:
            return _read_bounded(file, member.file_size)

    def _archive(self) -> zipfile.ZipFile:
        return archives.opened_zip(*_identity(self.root))


class Tar(Source):
    """A ``.tar``, of class folders or in WebDataset's form (``key.jpg`` + ``key.cls`` or ``key.json``)."""

    @property
    def file(self) -> Path:
        """The uncompressed tar."""
        return self.root

    def _listed(self) -> tuple[list[Entry], Counter]:
        files, skipped, _ = archives.tar_index(*_identity(self.file))
        return list(files), skipped.copy()

    def _bytes(self, name: str) -> bytes:
        start, size = archives.tar_index(*_identity(self.file))[2][name]
        with self.file.open("rb") as file:
            file.seek(start)
            data = _read_bounded(file, size)
        if len(data) < size:
            raise ImageError("unreadable", f"the archive ends after {len(data)} of {size} bytes")
        return data


class CompressedTar(Tar):
    """A ``.tar.gz``, ``.tar.bz2`` or ``.tar.xz``: unpacked into a temporary file, which goes with the object.

    A copy in a worker process reads that file, and leaves it.
    """

    def __init__(self, kind: str, root: Path):
        super().__init__(root)
        folder = tempfile.mkdtemp(prefix="morelike-")
        self._remove = weakref.finalize(self, _remove_of, os.getpid(), folder)
        self._file = Path(folder) / f"{without_archive_suffix(self.root.name)}.tar"
        archives.unpack(self.root, kind, self._file)

    def __getstate__(self) -> dict[str, Path]:
        return {"root": self.root, "_file": self._file}

    @property
    def file(self) -> Path:
        """The unpacked tar."""
        return self._file


class Shards(Source):
    """A folder of ``.tar`` shards; entries are named ``shard.tar/member``."""

    def _listed(self) -> tuple[list[Entry], Counter]:
        outer, skipped = Folder(self.root)._listed()
        files = []
        for shard in sorted(outer):
            if shard.code or not shard.name.lower().endswith(".tar"):
                files.append(shard)
                continue
            inner, inner_skipped = Tar(self.root / shard.name)._listed()
            skipped += inner_skipped
            split = shard_split(shard.name)
            files += [replace(file, name=f"{shard.name}/{file.name}", split=split) for file in inner]
        return files, skipped

    def _bytes(self, name: str) -> bytes:
        inside = re.search(r"\.tar/", name, re.IGNORECASE)
        if not inside:
            return Folder(self.root)._bytes(name)
        return Tar(self.root / name[: inside.end() - 1])._bytes(name[inside.end() :])


def _is_folder_of_shards(root: Path) -> bool:
    names = [name for _, _, names in os.walk(root) for name in names]
    if not any(name.lower().endswith(".tar") and not is_junk(name) for name in names):
        return False
    return not any(has_image_extension(name) and not is_junk(name) for name in names)


def _identity(path: Path) -> tuple[str, int, int]:
    """Return what identifies an archive's content, so that a changed file is opened again."""
    status = path.stat()
    return str(path), status.st_size, status.st_mtime_ns


def _remove_of(owner: int, folder: str) -> None:
    if os.getpid() == owner:  # not a process forked from it
        shutil.rmtree(folder, ignore_errors=True)


def _read_bounded(file, size: int) -> bytes:
    if size > MAX_FILE_BYTES:
        raise ImageError("bomb", f"{size} bytes, limit {MAX_FILE_BYTES}", size, MAX_FILE_BYTES)
    return file.read(size)


@lru_cache(maxsize=4096)
def _lies_in(folder: str, root: str) -> bool:
    return Path(folder).resolve().is_relative_to(Path(root).resolve())


def _code_of(error: Exception) -> str:
    if isinstance(error, FileNotFoundError):
        return "missing"
    return "no_permission" if isinstance(error, PermissionError) else "unreadable"


def _without_root(error: Exception, root: Path) -> str:
    """Return an error's message without the root's path, so that it is the same on every machine."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return f"{type(error).__name__}: {error}".replace(str(root), root.name)


def _scanned(folder: Path) -> list[os.DirEntry]:
    try:
        with os.scandir(folder) as found:
            return list(found)
    except OSError as error:
        raise SourceError(f"{error.filename}: cannot be listed: {error.strerror}") from error
