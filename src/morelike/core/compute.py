"""Map a pure function over chunks of work, on as many processes as there are cores, in order, in flat memory."""

import itertools
import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Self, TypeVar

from morelike.core.errors import MorelikeError

PRELOADED = ["__main__", "morelike.images.pixels"]  # imported once, not by every worker; nothing that starts threads
T = TypeVar("T")
R = TypeVar("R")


class ComputeError(MorelikeError):
    """A worker process that died, most often for want of memory."""


def cores() -> int:
    """Return the number of cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def free_memory_bytes() -> int:
    """Return the memory that is free for a new array; what the system would have to swap out is not."""
    try:
        return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") + _cached_bytes()
    except (ValueError, OSError, AttributeError):
        return 2**63  # not known on this system


def _cached_bytes() -> int:
    """Return what the system keeps of files and gives up when it is asked to."""
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("Cached:")), 0)


def chunks(items: list[T], size: int) -> list[list[T]]:
    """Cut ``items`` into consecutive lists of at most ``size``.

    >>> chunks([1, 2, 3], 2)
    [[1, 2], [3]]
    """
    return [items[start : start + size] for start in range(0, len(items), size)]


def map_ordered(function: Callable[[T], R], items: Iterable[T], workers: int | None = None) -> Iterator[R]:
    """Yield ``function(item)`` for every item, in order.

    ``function`` and its items must pickle. At most two items per worker are in flight, so memory does
    not grow with their number. ``workers`` is the number of processes, all cores if None; with 1, or a single
    item, the work is done here. Workers end with the process that started them, however it ends.

    Raises:
        ComputeError: if a worker is killed; what ``function`` raises is raised here as it is.
    """
    items = iter(items)
    first = list(_take(items, 2))
    workers = workers or cores()
    if workers == 1 or len(first) < 2:
        yield from map(function, first)
        yield from map(function, items)
        return
    with Workers(workers) as pool:
        yield from pool.map_ordered(function, itertools.chain(first, items))


class Workers:
    """Processes that stay for more than one :func:`map_ordered`: what they have imported, they have."""

    def __init__(self, count: int):
        context = multiprocessing.get_context("forkserver" if os.name == "posix" else "spawn")
        if os.name == "posix":
            context.set_forkserver_preload(PRELOADED)
        self._count, self._pool = count, ProcessPoolExecutor(count, mp_context=context, initializer=_start_worker)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown(cancel_futures=True)

    def map_ordered(self, function: Callable[[T], R], items: Iterable[T]) -> Iterator[R]:
        """Yield as the function :func:`map_ordered` does."""
        items = iter(items)
        try:
            pending = deque(self._pool.submit(function, item) for item in _take(items, 2 * self._count))
            while pending:
                result = pending.popleft().result()
                pending.extend(self._pool.submit(function, item) for item in _take(items, 1))
                yield result
        except BrokenProcessPool as error:
            raise ComputeError(
                f"one of {self._count} worker processes died, most often because memory ran out: free some, or allow "
                "fewer cores (`taskset -c 0 dvc repro`)"
            ) from error


def _take(items: Iterator[T], count: int) -> Iterator[T]:
    for _, item in zip(range(count), items, strict=False):
        yield item


def _start_worker() -> None:
    import cv2

    cv2.setNumThreads(1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    multiprocessing.parent_process().join()  # returns when the parent is gone, even if it was killed
    os._exit(1)
