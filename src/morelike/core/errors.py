"""The base of all errors. Each says what was expected, what was got, where, and what to do; each keeps its values.

A kind of error stands in the room that raises it.
"""

import errno
import reprlib
import unicodedata
from pathlib import Path

MOST_SHOWN = 80  # characters of a value
UNSEEN = {"Cc", "Cf", "Cs", "Zl", "Zp"}  # Unicode's controls, direction marks, halves of pairs, separators of lines
ADVICE = {
    errno.ENOSPC: "free some space on the disk, and run it again",
    errno.EDQUOT: "free some space of your quota, and run it again",
    errno.EFBIG: "allow larger files (`ulimit -f`), and run it again",
    errno.EROFS: "use a folder that can be written to",
    errno.EACCES: "give this user the right to it (`ls -ld` shows whose it is)",
    errno.EPERM: "give this user the right to it (`ls -ld` shows whose it is)",
    errno.ENOENT: "`dvc repro` makes what a stage writes",
    errno.EMFILE: "allow more open files (`ulimit -n`), and run it again",
    errno.EIO: "the disk does not answer: look at its health, and copy the project to another",
}
OF_THE_DISK = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO}


class MorelikeError(Exception):
    """Base of every error that a user can meet; the command line prints it as one line and exits with 1.

    It pickles with its values, so that it comes out of a worker process as it was raised.
    """

    def __reduce__(self):
        return _rebuilt, (type(self), self.args, vars(self))


class ParamsError(MorelikeError):
    """A key or a value in ``params.yaml`` that cannot be."""

    def __init__(self, path: str, key: str, got: object, expected: str):
        self.path, self.key, self.got, self.expected = path, key, got, expected
        super().__init__(f"{path}: {key}: expected {expected}, got {shown(got)}")


class DamagedFile(MorelikeError):
    """A file that this project wrote and that cannot be read any more."""

    def __init__(self, path: Path | str, expected: str, got: object, remedy: str = "delete it and run `dvc repro`"):
        self.path, self.expected, self.got, self.remedy = str(path), expected, str(got), remedy
        super().__init__(f"{path} is damaged: expected {expected}, got {shortened(str(got), 3 * MOST_SHOWN)}; {remedy}")


def one_line(error: BaseException) -> str:
    """Return in one printable line what an error says and what to do; the text of an unforeseen one begins so.

    >>> one_line(OSError(errno.ENOSPC, "No space left on device", "a.png"))
    'a.png: No space left on device: free some space on the disk, and run it again'
    >>> one_line(KeyError("row"))
    "unexpected KeyError: 'row'; this is a bug: `--debug` shows where"
    """
    if isinstance(error, MorelikeError):
        said = str(error)
    elif isinstance(error, OSError):
        name = error.filename if error.filename2 is None else error.filename2  # of two, what it was to become
        where = f"{name}: " if name is not None else ""
        advice = f": {ADVICE[error.errno]}" if error.errno in ADVICE else ""
        said = f"{where}{error.strerror or error or type(error).__name__}{advice}"
    elif isinstance(error, MemoryError) or "allocate" in str(error):  # PyTorch has an error of its own
        why = f" ({shortened(str(error), MOST_SHOWN)})" if str(error) else ""
        said = f"memory ran out{why}: free some, or lower batch sizes, widths or the size of the images"
    else:
        said = f"unexpected {type(error).__name__}: {shortened(str(error), 3 * MOST_SHOWN)}; this is a bug: `--debug` "
        said += "shows where"
    return printable(said)


def printable(text: str) -> str:
    r"""Write out what a terminal would obey or hide: control characters, direction marks, halves of pairs.

    >>> printable("a\x1b[2Jb\u202egnp.\nä")
    'a\\x1b[2Jb\\u202egnp.\\nä'
    """
    if text.isprintable():
        return text
    hidden = (unicodedata.category(letter) in UNSEEN for letter in text)
    return "".join(ascii(letter)[1:-1] if is_hidden else letter for letter, is_hidden in zip(text, hidden, strict=True))


def shown(value: object) -> str:
    """Return a value as Python writes it, of at most :data:`MOST_SHOWN` characters, however large it is.

    >>> len(shown([["lol"] * 9] * 9)) <= MOST_SHOWN
    True
    """
    short = reprlib.Repr()
    short.maxstring = short.maxother = short.maxlong = MOST_SHOWN
    return shortened(short.repr(value), MOST_SHOWN)


def shortened(text: str, most: int) -> str:
    """Return a text of at most ``most`` characters.

    >>> shortened("a long tale", 6)
    'a l...'
    """
    return text if len(text) <= most else text[: most - 3] + "..."


def _rebuilt(kind: type[MorelikeError], args: tuple, values: dict) -> MorelikeError:
    error = kind.__new__(kind, *args)
    vars(error).update(values)
    return error
