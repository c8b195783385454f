"""Facts of audited contents, kept by their sha256, so that an unchanged file is not decoded again."""

import hashlib
import importlib.metadata
import uuid
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from morelike.core import code, files, progress
from morelike.core.errors import DamagedFile
from morelike.validate.known_digests import KnownDigests

DECODERS = ("pillow", "opencv-python-headless", "simplejpeg", "numpy", "pillow-heif", "pydicom")
ROWS_PER_PART = 20_000  # an interrupted audit loses at most these
MOST_PARTS = 8


class Cache:
    """Facts on disk under ``folder``, safe to delete.

    Args:
        folder: where the facts of all keys are.
        key: from :func:`key_of`; it names everything but the content that the facts depend on.
        schema: of the table of facts; it has a column ``content``, in hex.
    """

    def __init__(self, folder: Path, key: str, schema: pa.Schema):
        self.folder, self.schema = Path(folder) / key, schema
        self.fresh: list[pa.RecordBatch] = []
        self.table = self._load()

    def write_known(self) -> KnownDigests:
        """Write the known digests into a file for the workers, and return what looks them up there."""
        self.folder.mkdir(parents=True, exist_ok=True)
        digests = sorted(bytes.fromhex(content) for content in self.table["content"].to_pylist())
        data = b"".join(digests)
        path = self.folder / f"known-{hashlib.sha256(data).hexdigest()[:16]}.bin"
        if not path.is_file() or path.read_bytes() != data:
            for old in self.folder.glob("known-*.bin"):
                old.unlink()
            files.write_bytes(path, data)
        return KnownDigests(path)

    def add(self, facts: pa.RecordBatch) -> None:
        """Add new facts; they are written by the next :meth:`flush`, or as soon as there are many."""
        if facts.num_rows:
            self.fresh.append(facts)
        if sum(batch.num_rows for batch in self.fresh) >= ROWS_PER_PART:
            self.flush()

    def flush(self) -> None:
        """Write the facts that were added since the last call."""
        if not self.fresh:
            return
        new = pa.Table.from_batches(self.fresh, self.schema)
        self._write(new)
        self.table = pa.concat_tables([self.table, new])
        self.fresh = []

    def _load(self) -> pa.Table:
        parts = sorted(self.folder.glob("part-*.parquet"))
        known = [table for part in parts if (table := self._whole(part)) is not None]
        table = pa.concat_tables([self.schema.empty_table(), *known])
        if len(parts) > MOST_PARTS:
            self._write(table)
            for part in parts:
                part.unlink()
        return table

    def _whole(self, part: Path) -> pa.Table | None:
        """Return the facts in a file; None, and the file is removed, if it is damaged: they are found anew."""
        try:
            with files.readable(part, "facts of images"):
                table = pq.read_table(part)
                if not table.schema.equals(self.schema) or table["content"].null_count:
                    raise ValueError(f"columns {', '.join(table.column_names)}")
                table.validate(full=True)
                return table
        except DamagedFile:
            progress.say(f"{part}: damaged, its images are decoded again")
            part.unlink(missing_ok=True)
            return None

    def _write(self, table: pa.Table) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        sink = pa.BufferOutputStream()
        pq.write_table(table, sink)
        files.write_bytes(self.folder / f"part-{uuid.uuid4().hex}.parquet", sink.getvalue().to_pybytes())


def key_of(module: str, *settings: object) -> str:
    """Return a digest of what facts depend on: the code of a module and its imports, decoder versions, settings."""
    parts = [code.digest(module)]
    parts += [f"{name}=={_version(name)}" for name in DECODERS] + [repr(settings)]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return ""  # an optional one
