"""Names of folders and files that every file system and every loader can hold."""

import re
from collections import Counter
from collections.abc import Iterable

NOT_IN_A_NAME = re.compile(r'[<>:"/\\|?*\x00-\x1f]|[. ]+$')
HIDDEN_FROM_LOADERS = re.compile(r"^(\.|__)[._]*")  # folders whose names start so
MAX_BYTES = 200


def folder_names(labels: list[str]) -> dict[str, str]:
    """Return a folder name per label: the label itself, without what a file system or a loader cannot hold.

    >>> folder_names(["Alpha", "a/b", "a?b"])
    {'Alpha': 'Alpha', 'a/b': 'a_b', 'a?b': 'a_b-2'}
    """
    return dict(zip(labels, unlike(labels), strict=True))


def unlike(names: Iterable[str]) -> list[str]:
    """Return a name for each that a file system can hold; no two differ by case alone.

    >>> unlike(["one", "One", "two?"])
    ['one', 'One-2', 'two_']
    """
    found: list[str] = []
    taken: set[str] = set()
    counts: Counter[str] = Counter()  # of the doubles met so far: without it many would take quadratic time
    for wanted in names:
        short = wanted.encode()[:MAX_BYTES].decode(errors="ignore")
        plain = HIDDEN_FROM_LOADERS.sub("_", NOT_IN_A_NAME.sub("_", short)) or "_"
        name, key = plain, plain.casefold()
        while name.casefold() in taken:
            counts[key] += 1
            name = f"{plain}-{counts[key] + 1}"
        taken.add(name.casefold())
        found.append(name)
    return found
