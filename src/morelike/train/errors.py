"""What can go wrong in training."""

from morelike.core.errors import MorelikeError


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
