"""Silence what C libraries write straight to the standard error."""

import contextlib
import os
import sys
from collections.abc import Iterator

STDERR = 2


@contextlib.contextmanager
def muted() -> Iterator[None]:
    """Drop whatever this process writes to the standard error, as OpenCV's libpng and libjpeg do for odd files."""
    sys.stderr.flush()
    kept, nowhere = os.dup(STDERR), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, STDERR)
        yield
    finally:
        os.dup2(kept, STDERR)
        os.close(kept)
        os.close(nowhere)
