"""Progress of long work: a bar on a terminal, a plain line now and then elsewhere."""

import sys
import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

T = TypeVar("T")
SECONDS_BETWEEN_LINES = 10.0


def say(line: str) -> None:
    """Print one plain line at once, also into a pipe."""
    print(line, flush=True)


def track(items: Iterable[T], total: int, what: str) -> Iterator[T]:
    """Yield ``items`` while showing how many of ``total`` are done."""
    if sys.stdout.isatty():
        from rich.progress import track as rich_track

        yield from rich_track(items, description=what, total=total)
        return
    last = time.monotonic()
    for done, item in enumerate(items, 1):
        yield item
        if time.monotonic() - last > SECONDS_BETWEEN_LINES:
            say(f"{what}: {done} of {total}")
            last = time.monotonic()
