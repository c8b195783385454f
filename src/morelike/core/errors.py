"""The base of all errors. Each says what was expected, what was got, where, and what to do; each keeps its values.

A kind of error stands in the room that raises it.
"""


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
        super().__init__(f"{path}: {key}: expected {expected}, got {got!r}")


def _rebuilt(kind: type[MorelikeError], args: tuple, values: dict) -> MorelikeError:
    error = kind.__new__(kind, *args)
    vars(error).update(values)
    return error
