"""Look up which contents were audited before: their sorted sha256 digests, in a file that all workers map."""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np


@dataclass(frozen=True)
class KnownDigests:
    """The sha256 digests of known contents; pickles as the path of their file, which is mapped at the first look-up."""

    path: Path

    def __contains__(self, sha256: str) -> bool:
        digests = _digests(self.path)
        if not len(digests):
            return False
        wanted = np.bytes_(bytes.fromhex(sha256).rstrip(b"\0"))  # NumPy drops trailing zero bytes
        place = int(np.searchsorted(digests, wanted))
        return place < len(digests) and digests[place] == wanted


@lru_cache(maxsize=4)
def _digests(path: Path) -> np.ndarray:
    if not path.is_file() or not path.stat().st_size:
        return np.empty(0, "S32")
    return np.memmap(path, "S32", "r")
