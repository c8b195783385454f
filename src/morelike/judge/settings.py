"""Stand-in."""

from pydantic import Field

from morelike.core.settings import Section
from morelike.images.settings import Classical


class Judge(Section):
    """Stand-in."""

    network: str = Field("small", description="x")
    width: int = Field(24, description="x")
    pretrained: bool = Field(False, description="x")
    batch_size: int = Field(64, description="x")
    learning_rates: tuple[float, ...] = Field((0.001, 0.003), description="x")
    max_steps: int = Field(1200, description="x")
    evaluate_every_steps: int = Field(100, description="x")
    patience: int = Field(5, description="x")
    cooldown_share: float = Field(0.3, description="x")
    seeds: int = Field(5, description="x")
    selection_seeds: int = Field(2, description="x")
    shares: tuple[float, ...] = Field((0.0, 0.1, 0.25, 0.5), description="x")
    margin: float = Field(0.01, description="x")
    confidence: float = Field(0.95, description="x")
    augment: Classical = Field(Classical(), description="x")


SECTIONS: dict = {}
