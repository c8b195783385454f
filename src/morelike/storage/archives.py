"""Archives: what kind a file is by its first bytes, where a tar's members lie, and a compressed tar unpacked."""

import bz2
import errno
import gzip
import lzma
import stat
import tarfile
import zipfile
import zlib
from collections import Counter
from functools import lru_cache
from pathlib import Path

from morelike.storage import webdataset
from morelike.storage.errors import SourceError
from morelike.storage.labels import OF_PLACE, Entry, escapes, is_junk, is_utf8, unique

LINK = "a link; links out of the raw data are not followed"
ESCAPES = "the path leads out of the archive"
NOT_UTF8 = "the file's name is not UTF-8"
ZIP_ENCRYPTED = 0x1
BLOCK = tarfile.BLOCKSIZE
SIGNATURES = {
    b"PK\x03\x04": "zip",
    b"PK\x05\x06": "zip",  # without members
    b"\x1f\x8b": "gzip",
    b"BZh": "bzip2",
    b"\xfd7zXZ\x00": "xz",
    b"\x28\xb5\x2f\xfd": "zstd",
    b"7z\xbc\xaf\x27\x1c": "7z",
    b"Rar!\x1a\x07": "rar",
}
OPENERS = {"gzip": gzip.open, "bzip2": bz2.open, "xz": lzma.open}
UNPACKED_BY = {"zstd": "tar --zstd -xf", "7z": "7z x", "rar": "unrar x"}
DAMAGED = (OSError, EOFError, zlib.error, lzma.LZMAError)
COPY_BYTES = 2**20
FREELY_UNPACKED_BYTES = 2**30
MAX_EXPANSION = 100  # images hardly shrink; an archive that grows by more than this fills disks


def kind_of(path: Path) -> str:
    """Return ``zip``, ``tar``, or the compression: ``gzip``, ``bzip2`` or ``xz``.

    The first bytes decide: a tar whose last member is a zip also ends as a zip. A zip may have a program before it.

    Raises:
        SourceError: if it is none of these; says how to unpack it if it is another archive.
    """
    try:
        with path.open("rb") as file:
            head = file.read(BLOCK)
    except OSError as error:
        raise SourceError(f"{path}: cannot be read: {error.strerror}") from error
    kind = next((kind for signature, kind in SIGNATURES.items() if head.startswith(signature)), "")
    if kind in UNPACKED_BY:
        raise SourceError(
            f"{path}: expected a folder, .zip or .tar, got a {kind} archive; unpack it with `{UNPACKED_BY[kind]}`, "
            "and set data.raw to the folder"
        )
    if kind:
        return kind
    if _begins_as_tar(head) or path.suffix.lower() == ".tar":
        return "tar"
    if zipfile.is_zipfile(path):
        return "zip"
    raise SourceError(
        f"{path}: expected a folder, .zip or .tar (or .tar.gz, .tar.bz2, .tar.xz) of images, got another file; "
        "set data.raw to where the images are"
    )


def _begins_as_tar(head: bytes) -> bool:
    try:
        tarfile.TarInfo.frombuf(head, "utf-8", "surrogateescape")
    except tarfile.HeaderError:
        return False
    return True


@lru_cache(maxsize=1)
def opened_zip(path: str, _size: int, _mtime_ns: int) -> zipfile.ZipFile:
    """Return an open zip; its size and time of change tell whether it is still the same.

    Raises:
        SourceError: if it is damaged.
    """
    try:
        return zipfile.ZipFile(path)
    except (zipfile.BadZipFile, OSError, NotImplementedError) as error:
        raise SourceError(f"{path}: expected a whole .zip: {error}; pack it anew") from error


def zip_entries(archive: zipfile.ZipFile) -> tuple[list[Entry], Counter]:
    """List a zip: the entries, and what is skipped."""
    members = [member for member in archive.infolist() if not member.is_dir()]
    kept = [member for member in members if not is_junk(member.filename)]
    return unique(_zip_entry(member) for member in kept), _counted(junk=len(members) - len(kept))


def _zip_entry(member: zipfile.ZipInfo) -> Entry:
    name = member.filename
    if escapes(name):
        return Entry(name, code="member_escapes", detail=ESCAPES)
    if stat.S_ISLNK(member.external_attr >> 16):
        return Entry(name, code="link_out", detail=LINK)
    if member.flag_bits & ZIP_ENCRYPTED:
        return Entry(name, code="unreadable", detail="encrypted")
    return Entry(name)


@lru_cache(maxsize=64)
def tar_index(path: str, _size: int, _mtime_ns: int) -> tuple[list[Entry], Counter, dict[str, tuple[int, int]]]:
    """List a tar by its headers alone: the entries, what is skipped, and each member's offset and size in bytes."""
    members, junk = _tar_members(path)
    annotated = webdataset.annotated(path, members)
    files = unique(_tar_entry(member, entry) for member, entry in annotated)
    pairs = zip(files, annotated, strict=True)
    places = {
        file.name: (member.offset_data, member.size) for file, (member, _) in pairs if file.code in ("", *OF_PLACE)
    }
    return files, _counted(junk=junk, annotation=len(members) - len(annotated)), places


def _tar_entry(member: tarfile.TarInfo, entry: Entry) -> Entry:
    name = member.name
    if not is_utf8(name):
        printable = name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
        return Entry(printable, code="unreadable", detail=NOT_UTF8)
    if escapes(name):
        return Entry(name, code="member_escapes", detail=ESCAPES)
    if not member.isreg() or member.issparse():
        link = member.issym() or member.islnk()
        return Entry(name, code="link_out" if link else "unreadable", detail=LINK if link else "not a regular file")
    return entry


def _tar_members(path: str) -> tuple[list[tarfile.TarInfo], int]:
    """List a tar by its headers alone, also if several were joined: the files but for junk, and the number of junk.

    Raises:
        SourceError: if it is damaged.
    """
    members, start = [], 0
    with open(path, "rb") as file:
        while start is not None:
            file.seek(start)
            try:
                with tarfile.open(fileobj=file, mode="r:") as archive:
                    members += [member for member in archive if not member.isdir()]
                    end = archive.offset
            except (tarfile.TarError, OSError) as error:
                raise SourceError(f"{path}: expected a whole .tar: {error}; pack it anew") from error
            start = _next_header(file, path, end, len(members))
    kept = [member for member in members if not is_junk(member.name)]
    return kept, len(members) - len(kept)


def _next_header(file, path: str, end: int, count: int) -> int | None:
    """Return where the next tar begins after the empty blocks at the end of one, None if nothing follows."""
    file.seek(end)
    place = end
    while data := file.read(COPY_BYTES):
        if rest := data.lstrip(b"\0"):
            place += (len(data) - len(rest)) // BLOCK * BLOCK
            file.seek(place)
            if place > end and _begins_as_tar(file.read(BLOCK)):
                return place
            # tarfile mistakes a damaged header for the end
            raise SourceError(f"{path}: damaged after byte {place}: {count} members before it, no header there")
        place += len(data)
    return None


def _counted(**counts: int) -> Counter:
    return Counter({reason: count for reason, count in counts.items() if count})


def unpack(path: Path, kind: str, into: Path) -> None:
    """Write the tar that a compressed one holds to ``into``, a block at a time.

    A compressed tar can be read from its beginning alone, and images are read in any order, by several processes.

    Raises:
        SourceError: if it is damaged, holds no tar, or does not fit.
    """
    limit = max(FREELY_UNPACKED_BYTES, MAX_EXPANSION * path.stat().st_size)
    try:
        with OPENERS[kind](path) as packed, into.open("wb") as tar:
            while data := packed.read(COPY_BYTES):
                if not tar.tell() and not _begins_as_tar(data[:BLOCK]):
                    raise SourceError(f"{path}: expected a compressed .tar, got {kind} of another file; unpack it")
                tar.write(data)
                if tar.tell() > limit:
                    raise SourceError(
                        f"{path}: unpacks to more than {limit} bytes, over {MAX_EXPANSION} times its size; if you "
                        "trust it, unpack it yourself, and set data.raw to the folder"
                    )
    except DAMAGED as error:
        if isinstance(error, OSError) and error.errno == errno.ENOSPC:
            advice = f"no room left in {into.parent}; set TMPDIR to a folder on a larger disk, or unpack it yourself"
        else:
            advice = f"{error}; fetch it again"
        raise SourceError(f"{path}: expected a whole, compressed .tar: {advice}") from error
