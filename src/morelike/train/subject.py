"""What the trainer asks of the data that a network learns from."""

from collections.abc import Iterable, Sequence
from typing import Any, Protocol, TypeVar

from lightning_fabric import Fabric
from torch import Tensor, nn

from morelike.models.base import Outcome
from morelike.train.loggers import Loggers

B = TypeVar("B")


class Subject(Protocol[B]):
    """What is learned from. A batch is anything that has a length; rows are whatever names the examples in it.

    Attributes:
        name: of what is trained; every random draw depends on it.
        seed: of every random draw.
        epoch: examples in one.
    """

    name: str
    seed: int
    epoch: int

    def training(self, step: int) -> tuple[B, Any]:
        """Return the batch of a step, a pure function of seed and step, and its rows."""

    def validation(self) -> Iterable[B]:
        """Yield the val split in batches, always the same."""

    def in_parts(self, batch: B, processes: int, rank: int) -> Sequence[B]:
        """Return this process's share of a batch, in parts that go through the network one by one."""

    def measured(self, part: B, outcome: Outcome, network: nn.Module) -> dict[str, Tensor]:
        """Return what else is watched, 0-dim tensors; the largest of the batch for ``largest_...``, else means."""

    def unusable(self, batch: B) -> list[int]:
        """Return the places in a batch whose values are not finite."""

    def files(self, rows: Any) -> list[str]:
        """Return the files that rows came from."""

    def show(self, average: nn.Module, fabric: Fabric, loggers: Loggers, seen: int) -> None:
        """Log what the network makes of a few examples."""
