"""Run what may end its process: one item after the other in a process of its own, each with a limit on its time."""

import contextlib
import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


@dataclass(frozen=True)
class Died:
    """What stands for the result of an item that ended its process.

    Attributes:
        out_of_time: whether it used more processor time than :func:`limited` allowed it.
    """

    out_of_time: bool


@contextlib.contextmanager
def limited(cpu_seconds: float | None) -> Iterator[None]:
    """End this process if what is done inside takes more than ``cpu_seconds`` of processor time; None: no limit.

    The system's own signal does it, so it holds for a C library that never returns to Python. Waiting does not count.
    """
    if cpu_seconds is None or not hasattr(signal, "ITIMER_PROF"):
        yield
        return
    signal.setitimer(signal.ITIMER_PROF, cpu_seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)


def map_surviving(function: Callable[[T], R], items: list[T]) -> Iterator[R | Died]:
    """Yield ``function(item)`` for every item, in order; :class:`Died` for one that ends the process it runs in.

    ``function`` and its items must pickle. What ``function`` raises is raised here as it is.
    """
    context = multiprocessing.get_context("forkserver" if os.name == "posix" else "spawn")
    left = list(items)
    while left:
        ours, theirs = context.Pipe(duplex=False)
        process = context.Process(target=_send_each, args=(theirs, function, left), daemon=True)
        process.start()
        theirs.close()
        done = 0
        try:
            while done < len(left):
                error, result = ours.recv()
                if error is not None:
                    raise error
                yield result
                done += 1
        except EOFError:
            process.join()
            yield Died(out_of_time=process.exitcode == -getattr(signal, "SIGPROF", 0))
            done += 1
        finally:
            process.kill()
            process.join()
            ours.close()
        left = left[done:]


def _send_each(connection: Connection, function: Callable[[T], R], items: list[T]) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides
    for item in items:
        try:
            answer = None, function(item)
        except Exception as error:  # noqa: BLE001 - raised again by the parent
            answer = error, None
        connection.send(answer)
