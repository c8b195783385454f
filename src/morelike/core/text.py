"""Text from outside, such as names of files, made safe to show."""


def printable(text: str) -> str:
    r"""Return ``text`` with every character that does not print written as an escape.

    >>> printable("a\x1b[31m\n")
    'a\\x1b[31m\\n'
    """
    shown = (char if char.isprintable() else char.encode("unicode_escape").decode("ascii") for char in text)
    return "".join(shown)
