"""Which contents were audited before: their digests, sorted, in a file that all workers map."""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np


@dataclass(frozen=True)
class Known:
    """Tells whether a content is known; pickles as a path, and maps the sorted digests when it is first asked."""

    path: Path

    def __contains__(self, sha256: str) -> bool:
        digests = _digests(self.path)
        if not len(digests):
            return False
        wanted = np.bytes_(bytes.fromhex(sha256).rstrip(b"\0"))  # as NumPy has it
        place = int(np.searchsorted(digests, wanted))
        return place < len(digests) and digests[place] == wanted


@lru_cache(maxsize=4)
def _digests(path: Path) -> np.ndarray:
    if not path.is_file() or not path.stat().st_size:
        return np.empty(0, "S32")
    return np.memmap(path, "S32", "r")
