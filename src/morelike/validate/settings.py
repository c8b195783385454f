"""Limits on the raw images: the section ``validate``."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from morelike.core.settings import CountOrZero, Section, Share, sum_to_one


class Split(Section):
    """Shares of train, val and test."""

    train: Share = Field(description="share of each class for training")
    val: Share = Field(description="share of each class for picking settings")
    test: Share = Field(description="share of each class for the verdict alone")

    @model_validator(mode="after")
    def _sums_to_one(self) -> "Split":
        if not sum_to_one([self.train, self.val, self.test]):
            raise ValueError(f"the shares must sum to 1, not {self.train + self.val + self.test:g}")
        return self


class FaultRule(Section):
    """What becomes of files with one fault, its limit, and how many of them a run may have."""

    policy: Literal["fail", "quarantine", "fix", "warn", "ignore"] = Field(description="what becomes of the file")
    limit: float | None = Field(None, description="where the fault begins")
    at_most: CountOrZero | Annotated[str, Field(pattern=r"^\d+(\.\d+)?%$", examples=["5%"])] | None = Field(
        None, description="a count or a share of all files (at least one); more than it fails the run"
    )


class Validate(Section):
    """Limits on the raw set."""

    split: Split = Field(description="shares of train, val and test for classes that come without a split")
    max_quarantined_share: Share = Field(description="share of the files, at least one; more than this fails the run")
    codes: dict[str, FaultRule] = Field(description="what becomes of each fault, and how many a run may hold")


SECTIONS = {"validate": Validate}
