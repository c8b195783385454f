"""The errors that the audit raises."""

from morelike.core.errors import MorelikeError


class ValidationError(MorelikeError):
    """A limit on the raw set was breached: names the rule, the count and the first files."""

    def __init__(self, rule: str, count: int, limit: str, files: list[str], advice: str):
        self.rule, self.count, self.limit, self.files, self.advice = rule, count, limit, files, advice
        shown = ", ".join(files[:5]) + (f" and {len(files) - 5} more" if len(files) > 5 else "")
        super().__init__(f"{rule}: {count} found, limit {limit}: {shown}. {advice}")
