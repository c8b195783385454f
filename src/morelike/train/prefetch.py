"""Reads images from the stores and brings them to the device, so that training never waits for them."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np
import torch
from torch import Tensor

from morelike.storage.shards import ShardStore

RESIDENT_SHARE = 0.3  # of a GPU's free memory, for a whole store
T = TypeVar("T")


@dataclass
class Rows:
    """Rows, and their images as uint8 N×H×W×C; None where these lie on the device already."""

    rows: np.ndarray
    images: Tensor | None


class Reader:
    """Reads rows of a store and brings them to the device.

    On a GPU a store that fits lies there whole, as uint8, and a batch is gathered there. Elsewhere rows come from the
    memory-mapped shards, by pinned memory to a GPU, so that the copy runs beside the computation.

    Args:
        store: the images.
        device: where they are wanted.
        room_bytes: for the whole store; None asks the device.
        memory_format: of the images on the device.
    """

    def __init__(
        self,
        store: ShardStore,
        device: torch.device,
        room_bytes: int | None = None,
        memory_format: torch.memory_format = torch.contiguous_format,
    ):
        self.store, self.device, self._format = store, device, memory_format
        size = len(store) * int(np.prod(store.shape))
        fits = size <= (resident_bytes(device) if room_bytes is None else room_bytes)
        self._whole = _on_device(store, device) if fits else None

    def read(self, rows: np.ndarray) -> Rows:
        """Do what needs no device: read the rows, unless they lie on the device."""
        if self._whole is not None:
            return Rows(rows, None)
        return self.of(rows, self.store.read(rows))

    def of(self, rows: np.ndarray, images: np.ndarray) -> Rows:
        """Return rows with images made of them, uint8 N×H×W×C, ready to be brought to the device."""
        tensor = torch.from_numpy(images)
        return Rows(rows, tensor.pin_memory() if self.device.type == "cuda" else tensor)

    def on_device(self, drawn: Rows) -> Tensor:
        """Return the images on the device, as :func:`morelike.images.pixels.to_float` makes them."""
        if drawn.images is None:
            images = self._whole[torch.from_numpy(drawn.rows).to(self.device)]
        else:
            images = drawn.images.to(self.device, non_blocking=True)
        return images.permute(0, 3, 1, 2).to(torch.float32, memory_format=self._format).div_(255)


class Prefetch(Generic[T]):
    """Prefetches: calls a pure function of the step in a thread, one step before its result is wanted."""

    def __init__(self, work: Callable[[int], T]):
        self._work = work
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="prefetch")
        self._coming: dict[int, Future] = {}

    def __call__(self, step: int) -> T:
        """Return the result of ``step`` and begin the next."""
        asked = self._coming.pop(step, None) or self._thread.submit(self._work, step)
        self._coming = {step + 1: self._thread.submit(self._work, step + 1)}
        return asked.result()

    def close(self) -> None:
        """End the thread."""
        self._thread.shutdown(cancel_futures=True)


def resident_bytes(device: torch.device) -> int:
    """Return how much of a device's own memory a whole store may take; 0 on a CPU, which has the mapped shards."""
    return int(RESIDENT_SHARE * torch.cuda.mem_get_info(device)[0]) if device.type == "cuda" else 0


def _on_device(store: ShardStore, device: torch.device) -> Tensor:
    whole = torch.empty((len(store), *store.shape), dtype=torch.uint8, device=device)
    first = 0
    for images in store.batches():
        whole[first : first + len(images)] = torch.from_numpy(images)
        first += len(images)
    return whole
