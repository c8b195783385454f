"""Raw images from a folder, a ``.zip``, a ``.tar`` or a folder of ``.tar`` shards: listed once, read on demand."""

import lzma
import os
import stat
import tarfile
import zipfile
import zlib
from collections import Counter
from dataclasses import replace
from functools import lru_cache
from pathlib import Path, PurePosixPath, PureWindowsPath

from morelike.images.errors import ImageError
from morelike.storage import masks
from morelike.storage.errors import SourceError
from morelike.storage.labels import Entry, arrange, has_image_extension, is_junk, shard_split, unique

MAX_FILE_BYTES = 256 * 2**20  # a larger file is not read into memory
MAX_LABEL_BYTES = 256
UNREADABLE = (OSError, KeyError, RuntimeError, EOFError, ValueError, zipfile.BadZipFile, zlib.error, lzma.LZMAError)
LINK = "a link; links out of the raw data are not followed"
ESCAPES = "the path leads out of the archive"
ZIP_ENCRYPTED = 0x1
READ_WITHOUT_WAITING = os.O_RDONLY | getattr(
    os, "O_NONBLOCK", 0
)  # opening a pipe that has no writer would never return
READ_NO_LINK = READ_WITHOUT_WAITING | getattr(os, "O_NOFOLLOW", 0)


class Source:
    """Raw images under one root. It pickles as its path, so a worker opens the files itself when it first reads.

    Attributes:
        root: the folder or archive.
    """

    def __init__(self, root: Path):
        self.root = Path(root)

    def entries(self, pair_masks: bool = True) -> list[Entry]:
        """List every file except junk, sorted by name, each with its label and split.

        With ``pair_masks`` a mask is no entry of its own but that of its image, see :mod:`morelike.storage.masks`.
        """
        files, _ = self._listed()
        found = masks.paired(files) if pair_masks else masks.Paired(files)
        flat_label, unwrap = self.root.resolve().stem or "all", not self.root.is_dir()
        return found.arranged(lambda files: arrange(files, flat_label, unwrap))

    def skipped(self) -> dict[str, int]:
        """Count what :meth:`entries` leaves out: ``junk`` (hidden or system files) and ``annotation`` (in tars)."""
        return dict(sorted(self._listed()[1].items()))

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

    def _listed(self) -> tuple[list[Entry], Counter]:
        raise NotImplementedError

    def _bytes(self, name: str) -> bytes:
        raise NotImplementedError


def open_source(path: Path | str) -> Source:
    """Open raw images.

    Raises:
        SourceError: if there is nothing at ``path``, or neither a folder nor a ``.zip`` nor a ``.tar``.
    """
    path = Path(path)
    if path.is_dir():
        return Shards(path) if _is_folder_of_shards(path) else Folder(path)
    if not path.exists():
        raise SourceError(f"{path}: expected raw images, found nothing; set data.raw to a folder, .zip or .tar")
    if zipfile.is_zipfile(path):
        return Zip(path)
    if path.suffix == ".tar":
        return Tar(path)
    raise SourceError(f"{path}: expected a folder, a .zip or an uncompressed .tar of images; unpack it first")


class Folder(Source):
    """A folder and all below it. Links to files inside the root are read, links out of it are refused."""

    def _listed(self) -> tuple[list[Entry], Counter]:
        files, skipped = [], Counter()
        folders = [""]
        while folders:
            below = folders.pop()
            for found in _scanned(self.root / below):
                name = f"{below}/{found.name}" if below else found.name
                if found.is_dir(follow_symlinks=False):
                    folders.append(name)
                elif is_junk(name):
                    skipped["junk"] += 1
                else:
                    files.append(self._checked(name, found.is_file(follow_symlinks=False)))
        return files, skipped

    def _checked(self, name: str, plain: bool) -> Entry:
        if plain and _is_utf8(name):
            return Entry(name)
        path = self.root / name
        if not _is_utf8(name):
            printable = os.fsencode(name).decode("utf-8", "backslashreplace")
            return Entry(printable, code="unreadable", detail="the file's name is not UTF-8")
        if path.is_symlink() and not (path.is_file() and path.resolve().is_relative_to(self.root.resolve())):
            there = path.exists()
            return Entry(name, code="link_out" if there else "missing", detail=LINK if there else "a link to nothing")
        if not path.is_file():
            return Entry(name, code="unreadable", detail="not a regular file")
        return Entry(name)

    def _bytes(self, name: str) -> bytes:
        path = os.path.join(self.root, name)
        if not _lies_in(os.path.dirname(path), str(self.root)):
            raise ImageError("link_out", LINK)
        try:
            number = os.open(path, READ_NO_LINK)
        except OSError as error:
            if not os.path.islink(path):
                raise error
            if not Path(path).resolve().is_relative_to(self.root.resolve()):
                raise ImageError("link_out", LINK) from error
            number = os.open(path, READ_WITHOUT_WAITING)
        with open(number, "rb", buffering=0) as file:
            status = os.fstat(number)
            if not stat.S_ISREG(status.st_mode):
                raise ImageError("unreadable", "not a regular file")
            return _read_bounded(file, status.st_size)


class Zip(Source):
    """A ``.zip``."""

    def _listed(self) -> tuple[list[Entry], Counter]:
        members = [member for member in _zip(*_identity(self.root)).infolist() if not member.is_dir()]
        kept = [member for member in members if not is_junk(member.filename)]
        skipped = Counter({"junk": len(members) - len(kept)}) if len(members) > len(kept) else Counter()
        return unique(_zip_entry(member) for member in kept), skipped

    def _bytes(self, name: str) -> bytes:
        archive = _zip(*_identity(self.root))
        members = archive.getinfo(name)
        with archive.open(members) as file:
            return _read_bounded(file, members.file_size)


class Tar(Source):
    """An uncompressed ``.tar``, of class folders or in WebDataset's form (``key.jpg`` + ``key.cls``)."""

    def _listed(self) -> tuple[list[Entry], Counter]:
        files, skipped, _ = _tar_index(*_identity(self.root))
        return list(files), skipped.copy()

    def _bytes(self, name: str) -> bytes:
        start, size = _tar_index(*_identity(self.root))[2][name]
        with self.root.open("rb") as file:
            file.seek(start)
            data = _read_bounded(file, size)
        if len(data) < size:
            raise ImageError("unreadable", f"the archive ends after {len(data)} of {size} bytes")
        return data


class Shards(Source):
    """A folder of ``.tar`` shards; entries are named ``shard.tar/member``."""

    def _listed(self) -> tuple[list[Entry], Counter]:
        outer, skipped = Folder(self.root)._listed()
        files = []
        for shard in sorted(outer):
            if shard.code or not shard.name.endswith(".tar"):
                files.append(shard)
                continue
            inner, inner_skipped = Tar(self.root / shard.name)._listed()
            skipped += inner_skipped
            split = shard_split(shard.name)
            files += [replace(file, name=f"{shard.name}/{file.name}", split=split) for file in inner]
        return files, skipped

    def _bytes(self, name: str) -> bytes:
        shard, _, member = name.partition(".tar/")
        return Tar(self.root / f"{shard}.tar")._bytes(member) if member else Folder(self.root)._bytes(name)


def _is_folder_of_shards(root: Path) -> bool:
    names = [name for _, _, names in os.walk(root) for name in names]
    if not any(name.endswith(".tar") and not is_junk(name) for name in names):
        return False
    return not any(has_image_extension(name) and not is_junk(name) for name in names)


def _identity(path: Path) -> tuple[str, int, int]:
    """Return what identifies an archive's content, so that a changed file is opened again."""
    status = path.stat()
    return str(path), status.st_size, status.st_mtime_ns


@lru_cache(maxsize=1)
def _zip(path: str, _size: int, _mtime_ns: int) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(path)
    except (zipfile.BadZipFile, OSError, NotImplementedError) as error:
        raise SourceError(f"{path}: expected a whole .zip: {error}") from error


def _zip_entry(member: zipfile.ZipInfo) -> Entry:
    name = member.filename
    if _escapes(name):
        return Entry(name, code="member_escapes", detail=ESCAPES)
    if stat.S_ISLNK(member.external_attr >> 16):
        return Entry(name, code="link_out", detail=LINK)
    if member.flag_bits & ZIP_ENCRYPTED:
        return Entry(name, code="unreadable", detail="encrypted")
    return Entry(name)


@lru_cache(maxsize=64)
def _tar_index(path: str, _size: int, _mtime_ns: int) -> tuple[list[Entry], Counter, dict[str, tuple[int, int]]]:
    """List a tar by its headers alone: the entries, what is skipped, and each member's offset and size in bytes."""
    try:
        with tarfile.open(path, "r:") as archive:
            members = [member for member in archive if not member.isdir()]
            end = archive.offset
    except (tarfile.TarError, OSError) as error:
        raise SourceError(f"{path}: expected a whole, uncompressed .tar: {error}") from error
    with open(path, "rb") as file:
        file.seek(end)
        if file.read(512).strip(b"\0"):  # tarfile mistakes a damaged header for the end
            raise SourceError(f"{path}: damaged after byte {end}: {len(members)} members before it, no header there")
        kept = [member for member in members if not is_junk(member.name)]
        labels = {_key(m.name): _label(file, m) for m in kept if m.name.endswith(".cls") and m.isreg()}
    images = {_key(member.name) for member in kept if has_image_extension(member.name)}
    shown = [m for m in kept if has_image_extension(m.name) or _key(m.name) not in images]
    skipped = {"junk": len(members) - len(kept), "annotation": len(kept) - len(shown)}
    files = unique(_tar_entry(member, labels.get(_key(member.name), "")) for member in shown)
    places = {e.name: (m.offset_data, m.size) for e, m in zip(files, shown, strict=True) if not e.code}
    return files, Counter({reason: count for reason, count in skipped.items() if count}), places


def _tar_entry(member: tarfile.TarInfo, label: str) -> Entry:
    name = member.name
    if not _is_utf8(name):
        printable = name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
        return Entry(printable, code="unreadable", detail="the file's name is not UTF-8")
    if _escapes(name):
        return Entry(name, code="member_escapes", detail=ESCAPES)
    if not member.isreg() or member.issparse():
        link = member.issym() or member.islnk()
        return Entry(name, code="link_out" if link else "unreadable", detail=LINK if link else "not a regular file")
    if label and (label in (".", "..") or set(label) & set("/\\\0") or not label.isprintable()):
        return Entry(name, code="stray", detail=f"its .cls holds {label!r}, which cannot name a folder")
    return Entry(name, label)


def _label(file, member: tarfile.TarInfo) -> str:
    file.seek(member.offset_data)
    return file.read(min(member.size, MAX_LABEL_BYTES)).decode("utf-8", "replace").strip()


def _key(name: str) -> str:
    """Return WebDataset's key: the path up to the first dot of the file's name."""
    folder, slash, base = name.rpartition("/")
    return folder + slash + base.partition(".")[0]


def _escapes(name: str) -> bool:
    parts = PurePosixPath(name).parts + PureWindowsPath(name).parts
    return ".." in parts or PurePosixPath(name).is_absolute() or bool(PureWindowsPath(name).anchor)


def _is_utf8(name: str) -> bool:
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


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
