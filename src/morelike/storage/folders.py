"""Which folder a class gets: its label where that names one on every system, else the nearest name that does."""

import re
from collections.abc import Iterable

NOT_IN_A_NAME = re.compile(r'[<>:"/\\|?*\x00-\x1f]|[. ]+$')
HIDDEN_FROM_LOADERS = re.compile(r"^(\.|__)[._]*")  # folders whose names start so
MAX_BYTES = 200


def names(labels: Iterable[str]) -> dict[str, str]:
    """Return a folder name per label, no two of them equal, not even where case counts as one.

    >>> names(["Alpha", "a/b", "a?b"])
    {'Alpha': 'Alpha', 'a/b': 'a_b', 'a?b': 'a_b-2'}
    """
    found, taken = {}, set()
    for label in labels:
        short = label.encode()[:MAX_BYTES].decode(errors="ignore")
        plain = HIDDEN_FROM_LOADERS.sub("_", NOT_IN_A_NAME.sub("_", short)) or "_"
        name, count = plain, 1
        while name.casefold() in taken:
            count += 1
            name = f"{plain}-{count}"
        taken.add(name.casefold())
        found[label] = name
    return found
