"""What is let into the augmented dataset: the section ``export``."""

from pydantic import Field, model_validator

from morelike.core.settings import NotNegative, Positive, Section, Share, sum_to_one


class Export(Section):
    """What is let into the augmented dataset."""

    mix: dict[str, Share] = Field(
        description="share of each model in the new images of a class; they sum to 1, or are all 0: no new image"
    )
    max_filtered_share: Share = Field(description="share of a model's images; more filtered than this fails the run")
    blank_std: NotNegative = Field(description="standard deviation of pixels in [0, 1]; less is blank")
    palette_distance: Positive = Field(
        description="pixels in [0, 1]; a mean colour further than this from every real one is off-palette"
    )
    copy_distance: NotNegative = Field(
        description="rms of pixels in [0, 1]; closer than this to a real train image is a copy"
    )

    @model_validator(mode="after")
    def _sums_to_one_or_none(self) -> "Export":
        shares = list(self.mix.values())
        if any(shares) and not sum_to_one(shares):
            raise ValueError(f"the shares of mix must sum to 1, or all be 0, not {sum(shares):g}")
        return self


SECTIONS = {"export": Export}
