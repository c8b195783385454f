"""Reads images from the stores and brings them to the device, so that training never waits for them."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from morelike.storage.shards import ShardStore

RESIDENT_SHARE = 0.3  # of a GPU's free memory, for all stores together


@dataclass
class Rows:
    """Rows, and their images of each store as uint8 N×H×W×C; None where these lie on the device already."""

    rows: np.ndarray
    images: list[Tensor] | None


class Reader:
    """Reads rows of stores of one length and brings them to the device.

    On a GPU stores that fit lie there whole, as uint8, and a batch is gathered there. Elsewhere rows come from the
    memory-mapped shards, by pinned memory to a GPU, so that the copy runs beside the computation.

    Args:
        stores: of the same rows.
        device: where the images are wanted.
        room_bytes: for whole stores; None asks the device.
        memory_format: of the images on the device.
    """

    def __init__(
        self,
        stores: tuple[ShardStore, ...],
        device: torch.device,
        room_bytes: int | None = None,
        memory_format: torch.memory_format = torch.contiguous_format,
    ):
        self.stores, self.device, self._format = stores, device, memory_format
        size = sum(len(store) * int(np.prod(store.shape)) for store in stores)
        fits = size <= (resident_bytes(device) if room_bytes is None else room_bytes)
        self._whole = [_on_device(store, device) for store in stores] if fits else None

    def read(self, rows: np.ndarray) -> Rows:
        """Do what needs no device: read the rows, unless they lie on the device."""
        if self._whole is not None:
            return Rows(rows, None)
        images = [torch.from_numpy(store.read(rows)) for store in self.stores]
        return Rows(rows, [one.pin_memory() for one in images] if self.device.type == "cuda" else images)

    def on_device(self, drawn: Rows) -> list[Tensor]:
        """Return the images of each store on the device, as :func:`morelike.images.pixels.to_float` makes them."""
        if drawn.images is None:
            rows = torch.from_numpy(drawn.rows).to(self.device)
            images = [whole[rows] for whole in self._whole]
        else:
            images = [one.to(self.device, non_blocking=True) for one in drawn.images]
        return [one.permute(0, 3, 1, 2).to(torch.float32, memory_format=self._format).div_(255) for one in images]


class Prefetch:
    """Prefetches: calls a pure function of the step in a thread, one step before its result is wanted."""

    def __init__(self, work: Callable[[int], Rows]):
        self._work = work
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="prefetch")
        self._coming: dict[int, Future] = {}

    def __call__(self, step: int) -> Rows:
        """Return the result of ``step`` and begin the next."""
        asked = self._coming.pop(step, None) or self._thread.submit(self._work, step)
        self._coming = {step + 1: self._thread.submit(self._work, step + 1)}
        return asked.result()

    def close(self) -> None:
        """End the thread."""
        self._thread.shutdown(cancel_futures=True)


def resident_bytes(device: torch.device) -> int:
    """Return how much of a device's own memory whole stores may take; 0 on a CPU, which has the mapped shards."""
    return int(RESIDENT_SHARE * torch.cuda.mem_get_info(device)[0]) if device.type == "cuda" else 0


def _on_device(store: ShardStore, device: torch.device) -> Tensor:
    whole = torch.empty((len(store), *store.shape), dtype=torch.uint8, device=device)
    first = 0
    for images in store.batches():
        whole[first : first + len(images)] = torch.from_numpy(images)
        first += len(images)
    return whole
