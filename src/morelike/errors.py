"""One family of errors. Each says what was expected, what was got, where, and what to do; each keeps its values."""

import math


class MorelikeError(Exception):
    """Base of every error that a user can meet; the edge prints it as one line and exits with 1.

    It pickles with its values, so that it comes out of a worker process as it was raised.
    """

    def __reduce__(self):
        return _rebuilt, (type(self), self.args, vars(self))


class ParamsError(MorelikeError):
    """A key or a value in ``params.yaml`` that cannot be."""

    def __init__(self, path: str, key: str, got: object, expected: str):
        self.path, self.key, self.got, self.expected = path, key, got, expected
        super().__init__(f"{path}: {key}: expected {expected}, got {got!r}")


class SourceError(MorelikeError):
    """The raw images cannot be found or listed at all."""


class ImageError(MorelikeError):
    """One file that is not a usable image.

    ``code`` is the reason under which it is quarantined; ``value`` was measured against ``limit``, or is NaN.
    """

    def __init__(self, code: str, detail: str, value: float = math.nan, limit: float = math.nan):
        self.code, self.detail, self.value, self.limit = code, detail, value, limit
        super().__init__(f"{code}: {detail}")


class ValidationError(MorelikeError):
    """A limit on the raw set was breached: names the rule, the count and the first files."""

    def __init__(self, rule: str, count: int, limit: str, files: list[str], advice: str):
        self.rule, self.count, self.limit, self.files, self.advice = rule, count, limit, files, advice
        shown = ", ".join(files[:5]) + (f" and {len(files) - 5} more" if len(files) > 5 else "")
        super().__init__(f"{rule}: {count} found, limit {limit}: {shown}. {advice}")


class NormalisationError(MorelikeError):
    """The arrays that a model would read are not what it expects (NaN, range, shape, channel order)."""


class StoreError(MorelikeError):
    """A shard store that is missing, damaged or of another shape than expected."""


class TrainingError(MorelikeError):
    """Training has gone wrong, or would: names the term, the step, the files and what usually mends it."""


class TrainingFault(TrainingError):
    """A check that a training run did not pass; ``check`` is its name, ``value`` what was measured."""

    def __init__(self, check: str, value: float, where: str, cause: str, mend: str, files: list[str]):
        self.check, self.value, self.where, self.cause, self.mend = check, value, where, cause, mend
        self.files = sorted(set(files))
        shown = ", ".join(self.files[:5]) + (f" and {len(self.files) - 5} more" if len(self.files) > 5 else "")
        end = mend[0].upper() + mend[1:] + "."
        super().__init__(f"{check}: at {where}: {cause}. {end}" + (f" Files in the batch: {shown}" if files else ""))


class ModelError(MorelikeError):
    """A saved model that is missing, damaged, or does not fit what is asked of it."""


class SynthesisError(MorelikeError):
    """New images that cannot be made as asked."""


class ExportError(MorelikeError):
    """New images that must not be let into the augmented dataset as they are."""


class ComputeError(MorelikeError):
    """A worker process that died, most often for want of memory."""


def _rebuilt(kind: type[MorelikeError], args: tuple, values: dict) -> MorelikeError:
    error = kind.__new__(kind, *args)
    vars(error).update(values)
    return error
