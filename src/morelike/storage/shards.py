"""A dataset at rest: uint8 N×H×W×C ``.npy`` shards, memory-mapped, and a parquet index with a row per image.

Nothing here ever loads a whole dataset. A memory mapping is closed by the call that opened it: mapped pages count as
this process's memory, which would otherwise grow with the number of images.
"""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Self

import numpy as np
import pandas as pd

from morelike.core import compute, files
from morelike.core.errors import DamagedFile
from morelike.storage import tables
from morelike.storage.errors import StoreError

MAX_ROWS_PER_SHARD = 1024
MAX_SHARD_BYTES = 64 * 2**20
HASHED_BYTES = 2**20  # at once
ABOUT = ("count", "height_px", "width_px", "channels", "rows_per_shard")
REMEDY = "delete the folder and run `dvc repro`"


def check_fits(count: int, shape: tuple[int, ...], dtype: np.dtype, free_bytes: int | None = None) -> int:
    """Check that ``count`` images of ``shape`` fit into free memory as one array of ``dtype``.

    Returns:
        The size of that array in bytes.

    Raises:
        StoreError: if it would not fit; the message says what would.
    """
    size = int(count * np.prod(shape, dtype=np.int64) * np.dtype(dtype).itemsize)
    free_bytes = compute.free_memory_bytes() if free_bytes is None else free_bytes
    if size > free_bytes:
        as_levels = size // np.dtype(dtype).itemsize
        raise StoreError(
            f"does not fit in memory: {count} images of {'×'.join(map(str, shape))} as {np.dtype(dtype)} take "
            f"{size / 2**30:.1f} GiB, {free_bytes / 2**30:.1f} GiB are free; as uint8 they take "
            f"{as_levels / 2**30:.1f} GiB: keep them in the store and read batches (ShardStore.batches)"
        )
    return size


class ShardWriter:
    """Append images in batches; one shard at a time is held in memory.

    Call :meth:`close` with the index when all are in. Write into a folder from
    :func:`morelike.core.files.written_aside`, so that a half-written store is never seen.
    """

    def __init__(self, folder: Path, height: int, width: int, channels: int):
        self.folder, self.shape = Path(folder), (height, width, channels)
        self.folder.mkdir(parents=True, exist_ok=True)
        self._rows_per_shard = max(1, min(MAX_ROWS_PER_SHARD, MAX_SHARD_BYTES // (height * width * channels)))
        self._buffer = np.empty((self._rows_per_shard, *self.shape), np.uint8)
        self._filled = self._shards = self.count = 0
        self._sha256 = hashlib.sha256()

    def append(self, images: np.ndarray) -> None:
        """Append uint8 N×H×W×C images.

        Raises:
            StoreError: if they are not uint8 or not of the store's shape.
        """
        if images.dtype != np.uint8 or images.shape[1:] != self.shape:
            raise StoreError(
                f"{self.folder}: expected uint8 N×{'×'.join(map(str, self.shape))}, got {images.dtype} {images.shape}"
            )
        while len(images):
            room = self._rows_per_shard - self._filled
            part, images = images[:room], images[room:]
            self._buffer[self._filled : self._filled + len(part)] = part
            self._filled += len(part)
            self.count += len(part)
            if self._filled == self._rows_per_shard:
                self._flush()

    def close(self, index: pd.DataFrame) -> None:
        """Write the last shard and the index, whose rows are in the order of the images.

        Raises:
            StoreError: if ``index`` does not have a row per image.
        """
        if len(index) != self.count:
            raise StoreError(f"{self.folder}: {self.count} images but {len(index)} index rows")
        if self._filled:
            self._flush()
        index.reset_index(drop=True).to_parquet(self.folder / "index.parquet")
        height, width, channels = self.shape
        about = {"count": self.count, "height_px": height, "width_px": width, "channels": channels}
        about |= {"rows_per_shard": self._rows_per_shard, "pixels_sha256": self._sha256.hexdigest()}
        files.write_json(self.folder / "store.json", about)

    def _flush(self) -> None:
        path, images = self.folder / f"shard-{self._shards:05d}.npy", self._buffer[: self._filled]
        with files.naming(path), path.open("wb") as file:
            np.lib.format.write_array_header_1_0(file, np.lib.format.header_data_from_array_1_0(images))
            file.write(images)  # NumPy's own write does not say that a disk is full
        self._sha256.update(images)
        self._shards += 1
        self._filled = 0


class ShardStore:
    """Read a store; shards are memory-mapped.

    Attributes:
        index: a row per image, in order.
        shape: (height, width, channels).
    """

    def __init__(self, folder: Path):
        self.folder = Path(folder)
        about = self._about()
        self.index = tables.read(self.folder / "index.parquet")
        self.shape = (about["height_px"], about["width_px"], about["channels"])
        self._rows_per_shard, self._pixels_sha256 = about["rows_per_shard"], about["pixels_sha256"]
        self._shards = [self._whole(path) for path in sorted(self.folder.glob("shard-*.npy"))]
        found = sum(rows for _, _, rows in self._shards)
        if not found == len(self.index) == about["count"]:
            raise StoreError(
                f"{self.folder}: store.json says {about['count']} images, the index has {len(self.index)}, "
                f"the shards {found}; {REMEDY}"
            )

    @classmethod
    def checked(cls, folder: Path) -> Self:
        """Open a store, and compare all its pixels with the checksum that they were written with.

        That reads them once, at 1 to 2 GB/s: a stage opens what it reads like this, its workers need not do it again.

        Raises:
            StoreError: they are other ones, or the store is damaged in another way.
            DamagedFile: its index or description cannot be read, or does not say the label and split of each image.
        """
        store = cls(folder)
        if missing := {"label", "split"} - set(store.index.columns):
            raise DamagedFile(store.folder / "index.parquet", f"the column {min(missing)}", "none of it", REMEDY)
        digest = hashlib.sha256()
        for path, offset, _ in store._shards:
            with path.open("rb") as shard:
                shard.seek(offset)
                while part := shard.read(HASHED_BYTES):
                    digest.update(part)
        if digest.hexdigest() != store._pixels_sha256:
            raise StoreError(
                f"{store.folder}: its pixels are damaged: expected sha256 {store._pixels_sha256}, "
                f"got {digest.hexdigest()}; {REMEDY}"
            )
        return store

    def __len__(self) -> int:
        return len(self.index)

    def digest(self) -> str:
        """Return a sha256 of all that the store holds: the pixels as they were written, and the index."""
        digest = hashlib.sha256(self._pixels_sha256.encode())
        digest.update((self.folder / "index.parquet").read_bytes())
        return digest.hexdigest()

    def read(self, rows: np.ndarray | list[int]) -> np.ndarray:
        """Return the images at ``rows``, in that order, as a new uint8 N×H×W×C array."""
        rows = np.asarray(rows, dtype=np.int64)
        if len(rows) and not 0 <= rows.min() <= rows.max() < len(self):
            raise StoreError(f"{self.folder}: rows {rows.min()} to {rows.max()} asked of {len(self)} images")
        check_fits(len(rows), self.shape, np.uint8)
        images = np.empty((len(rows), *self.shape), np.uint8)
        shards = rows // self._rows_per_shard
        for shard in np.unique(shards):
            here = shards == shard
            path, offset, count = self._shards[shard]
            pixels = np.memmap(path, np.uint8, "r", offset, (count, *self.shape))
            images[here] = pixels[rows[here] % self._rows_per_shard]
        return images

    def _whole(self, path: Path) -> tuple[Path, int, int]:
        """Return a shard's path, the offset of its pixels and the number of its images."""
        try:
            shard = np.lib.format.open_memmap(path, mode="r")
        except (ValueError, SyntaxError) as error:
            raise StoreError(f"{path}: a damaged shard ({error}); {REMEDY}") from error
        if shard.dtype != np.uint8 or shard.shape[1:] != self.shape or not shard.flags.c_contiguous:
            raise StoreError(f"{path}: expected uint8 N×{self.shape}, got {shard.dtype} {shard.shape}; {REMEDY}")
        return path, shard.offset, len(shard)

    def _about(self) -> dict:
        path = self.folder / "store.json"
        try:
            about = files.read_json(path, *ABOUT, "pixels_sha256")
        except FileNotFoundError as error:
            raise StoreError(f"{self.folder}: no store here (store.json is missing); run `dvc repro`") from error
        for key in ABOUT:
            if type(about[key]) is not int or about[key] < (key != "count"):
                raise DamagedFile(path, f"a whole number as {key}", about[key], REMEDY)
        return about

    def batches(self, rows: np.ndarray | list[int] | None = None, size: int = 256) -> Iterator[np.ndarray]:
        """Yield the images at ``rows`` (all if None), in order, ``size`` at a time."""
        rows = np.arange(len(self)) if rows is None else np.asarray(rows)
        for start in range(0, len(rows), size):
            yield self.read(rows[start : start + size])

    def rows(self, split: str, label: str | None = None) -> np.ndarray:
        """Return the row numbers of a split, and of one label if given."""
        here = self.index["split"].to_numpy() == split
        if label is not None:
            here &= self.index["label"].to_numpy() == label
        return np.flatnonzero(here)
