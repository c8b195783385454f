"""How often a test split was opened: the more questions it has answered, the more each further answer must show.

The level of the test is divided by the number of openings (Bonferroni): of many verdicts on one test split, one that
is wrong by chance is then no likelier than for a single one. The same question, asked again, is no new opening.
"""

import contextlib
import fcntl
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from morelike.core import files
from morelike.core.errors import DamagedFile

REMEDY = "put back a copy of it; without it nobody knows how often the test split was opened"


@dataclass(frozen=True)
class Opening:
    """One question that a test split was opened for.

    Attributes:
        number: 1 for the first question that this test split answers, 2 for the next.
        first: was it asked for the first time just now?
    """

    number: int
    first: bool

    def confidence(self, confidence: float) -> float:
        """Return the confidence that the intervals need so that the level is divided by the number of openings.

        >>> round(Opening(2, first=True).confidence(0.95), 3)
        0.975
        """
        return 1 - (1 - confidence) / self.number


def split_digest(images: Iterable[tuple[str, str]]) -> str:
    """Return the digest of a test split, from the sha256 and the label of each image, in any order."""
    return files.fingerprint(sorted(map(list, images)))


def open_test(path: Path, test_digest: str, question: str) -> Opening:
    """Write down that the test split is opened for a question, and return its number. Call it before predicting.

    Processes that open at once wait for each other. The ledger holds no time and no name.

    Args:
        path: the ledger, a JSON file; made if it is not there. Keep it with the project, not with what a stage writes.
        test_digest: of the test split, :func:`split_digest`.
        question: digest of all that decides the answer: the exported dataset, the settings, the seed.

    Raises:
        DamagedFile: the ledger cannot be read; it is left as it is.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with _alone(path):
        openings = _read(path)
        asked = openings.setdefault(test_digest, [])
        first = question not in asked
        if first:
            asked.append(question)
            files.write_json(path, openings)
    return Opening(asked.index(question) + 1, first)


def _read(path: Path) -> dict[str, list[str]]:
    if not path.exists():
        return {}
    try:
        openings = files.read_json(path)
    except DamagedFile as error:
        raise DamagedFile(path, error.expected, error.got, REMEDY) from error
    whole = isinstance(openings, dict) and all(
        isinstance(asked, list) and all(isinstance(one, str) for one in asked) and len(set(asked)) == len(asked)
        for asked in openings.values()
    )
    if not whole:
        raise DamagedFile(path, "a list of different questions per test split", openings, REMEDY)
    return openings


@contextlib.contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Wait until no other process writes the ledger; the system lifts the lock of one that was killed."""
    with path.with_name(f".{path.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
