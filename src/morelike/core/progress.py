"""Progress of long work: a bar on a terminal, a plain line now and then elsewhere."""

import sys
import time
from collections.abc import Iterable, Iterator
from datetime import timedelta
from types import TracebackType
from typing import Self, TypeVar

from morelike.core.errors import printable

T = TypeVar("T")
SECONDS_BETWEEN_LINES = 10.0
_muted = False


def mute() -> None:
    """Say and show nothing from here on: of several processes on one work, the first speaks for all."""
    global _muted
    _muted = True


def say(line: str) -> None:
    """Print one plain line at once, also into a pipe; names in it cannot steer a terminal."""
    if not _muted:
        print(printable(line), flush=True)


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


class Meter:
    """Shows images seen, images per second, the time left and some values: a bar on a terminal, lines elsewhere.

    Args:
        what: what is being done.
        total: how many images there are; ``done``: how many of them are done already.
    """

    def __init__(self, what: str, total: int, done: int = 0):
        self.what, self.total, self.done = what, total, done
        self._begun_with, self._begun, self._said = done, time.monotonic(), time.monotonic()
        self._bar = _bar() if sys.stdout.isatty() and not _muted else None

    def __enter__(self) -> Self:
        if self._bar:
            self._bar.start()
            self._task = self._bar.add_task(self.what, total=self.total, completed=self.done, speed=0.0, values="")
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._bar:
            self._bar.stop()

    def advance(self, images: int, values: dict[str, float]) -> None:
        """Count ``images`` more, and show ``values`` at the next chance."""
        self.done += images
        now = time.monotonic()
        speed = (self.done - self._begun_with) / max(now - self._begun, 1e-9)
        text = ", ".join(f"{name} {value:.4g}" for name, value in values.items())
        if self._bar:
            self._bar.update(self._task, completed=self.done, speed=speed, values=text)
        elif now - self._said > SECONDS_BETWEEN_LINES:
            left = timedelta(seconds=round((self.total - self.done) / speed))
            say(f"{self.what}: {self.done:,} of {self.total:,} images, {speed:.0f} images/s, {left} left, {text}")
            self._said = now


def _bar():
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = ("{task.description}", BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[speed]:.0f} images/s"))
    return Progress(*columns, TimeRemainingColumn(), TextColumn("{task.fields[values]}"))
