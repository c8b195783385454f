"""Every random draw comes from (seed, purpose, row), never from a global state.

So results depend neither on the number of workers nor on the order in which rows are visited.
"""

import hashlib

import numpy as np


def derived_seed(seed: int, *purpose: str | int) -> int:
    """Return a 63-bit seed that is a pure function of ``seed`` and ``purpose``.

    >>> derived_seed(0, "corrupt", 17) == derived_seed(0, "corrupt", 17) != derived_seed(0, "corrupt", 18)
    True
    """
    text = "\x1f".join(str(part) for part in (seed, *purpose))
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big") >> 1


def generator(seed: int, *purpose: str | int) -> np.random.Generator:
    """Return NumPy's Philox generator for ``(seed, *purpose)``."""
    return np.random.Generator(np.random.Philox(derived_seed(seed, *purpose)))
