"""What C libraries write straight to the standard error: kept off the screen, and noticed."""

import contextlib
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from typing import BinaryIO

STDERR = 2


@contextlib.contextmanager
def stderr_kept() -> Iterator[Callable[[], bool]]:
    """Keep what is written to the standard error; yields what tells whether there was any since it was last asked."""
    sys.stderr.flush()
    kept = os.dup(STDERR)
    try:
        with _file() as file:
            os.dup2(file.fileno(), STDERR)
            yield partial(_anything_written, file.fileno())
    finally:
        os.dup2(kept, STDERR)
        os.close(kept)


def _file() -> BinaryIO:
    """Open a file without a name, in memory where the system has such: a full disk would swallow what is written."""
    return os.fdopen(os.memfd_create("stderr"), "w+b") if hasattr(os, "memfd_create") else tempfile.TemporaryFile()


def _anything_written(number: int) -> bool:
    if os.lseek(number, 0, os.SEEK_CUR) == 0:  # the place is shared with all that write to it
        return False
    os.ftruncate(number, 0)
    os.lseek(number, 0, os.SEEK_SET)
    return True
