"""What ``python -m flows.search`` tries, and how trials are judged: the section ``search``."""

import re
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from morelike.core.settings import Count, CountOrZero, Positive, Section


class Candidates(Section):
    """The values that a search may give a parameter: ``choices``, or all from ``low`` to ``high``."""

    choices: Annotated[list[bool | int | float | str | None], Field(min_length=1)] | None = Field(
        None, description="the values, one by one"
    )
    low: int | float | None = Field(None, description="least value of a range")
    high: int | float | None = Field(None, description="greatest value of a range")
    step: Annotated[int, Field(gt=0)] | Positive | None = Field(None, description="distance between two values")
    log: bool = Field(False, description="spread evenly over the orders of magnitude")

    @model_validator(mode="after")
    def _is_one_of_the_two(self) -> "Candidates":
        if (self.choices is None) == (self.low is None or self.high is None):
            raise ValueError("either choices, or low and high")
        if self.choices is not None and (self.log or {self.low, self.high, self.step} != {None}):
            raise ValueError("choices alone, or low and high with step or log")
        if self.choices is None and self.low >= self.high:
            raise ValueError("low below high")
        if self.log and (self.low <= 0 or self.step):
            raise ValueError("with log, a low above 0 and no step")
        return self


class Search(Section):
    """What a search tries, and how trials are judged."""

    method: Literal["grid", "random", "tpe"] = Field(description="tpe: Bayesian; its first 10 trials are random")
    trials: Count = Field(description="at most; a grid ends with its last cell")
    workers: Count = Field(description="trials at once")
    metric: str = Field(description="FILE:KEY, a file of metrics that a `train` stage writes, and a key in it")
    direction: Literal["minimize", "maximize"] = Field(description="which way the metric gets better")
    pruner: Literal["median", "halving", "none"] = Field(
        description="`median` stops a trial that is worse than the median; `halving`: than the best quarter at 1, 4, "
        "16, ... times the first evaluations"
    )
    prune_after_trials: CountOrZero = Field(description="completed trials, before any is stopped")
    prune_after_evaluations: CountOrZero = Field(description="evaluations of a trial that are too early to stop it")
    space: Annotated[dict[str, Candidates], Field(min_length=1)] = Field(
        description="for each parameter `choices`, or `low` and `high` with `step` or `log`"
    )

    @field_validator("metric")
    @classmethod
    def _names_file_and_key(cls, value: str) -> str:
        if not re.fullmatch(r"[^:]+:[\w.]+", value):
            raise ValueError("FILE:KEY, a file of metrics that a train stage writes, and a key in it")
        return value

    @property
    def metric_file(self) -> str:
        """The file of the metric."""
        return self.metric.partition(":")[0]

    @property
    def metric_key(self) -> str:
        """The key in that file."""
        return self.metric.partition(":")[2]


SECTIONS = {"search": Search}
