"""Which folder a class gets: its label where that names one on every system, else the nearest name that does."""

import re
import unicodedata
from collections.abc import Iterable

from morelike.core.files import is_formula

NOT_IN_A_NAME = re.compile(r'[<>:"/\\|?*]|[. ]+$')
DEVICE = re.compile(r"(con|prn|aux|nul|conin\$|conout\$|(com|lpt)[0-9¹²³])(?= *\.|$)", re.IGNORECASE)  # of Windows
HIDDEN_FROM_LOADERS = re.compile(r"^(\.|__)[._]*")  # folders whose names start so
UNSEEN = {"Cc", "Cf", "Cn", "Cs", "Zl", "Zp"}  # Unicode's controls, direction marks and letters that are none
MAX_BYTES = 200


def names(labels: Iterable[str]) -> dict[str, str]:
    """Return a folder name per label, no two of them equal, not even where case or accents count as one.

    >>> names(["Alpha", "a/b", "a?b", "CON", "gnp\\u202e"])
    {'Alpha': 'Alpha', 'a/b': 'a_b', 'a?b': 'a_b-2', 'CON': '_CON', 'gnp\\u202e': 'gnp_'}
    """
    found, taken = {}, set()
    for label in labels:
        plain = _plain(label)
        name, count = plain, 1
        while _folded(name) in taken:
            count += 1
            name = f"{plain}-{count}"
        taken.add(_folded(name))
        found[label] = name
    return found


def _plain(label: str) -> str:
    short = label.encode("utf-8", "replace")[:MAX_BYTES].decode(errors="ignore")
    seen = "".join("_" if unicodedata.category(letter) in UNSEEN else letter for letter in short)
    name = HIDDEN_FROM_LOADERS.sub("_", NOT_IN_A_NAME.sub("_", seen)) or "_"
    return f"_{name}" if DEVICE.match(name) or is_formula(name) else name


def _folded(name: str) -> str:
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())
