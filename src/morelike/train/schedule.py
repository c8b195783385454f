"""The learning rate and the moving average, as pure functions of the step."""

from dataclasses import dataclass
from math import ceil, sqrt


@dataclass(frozen=True)
class Schedule:
    """Warm-up, a constant learning rate, then a cool-down to 0 (Hägele et al. 2024, section 3: 1 − sqrt).

    Nothing before the cool-down depends on the budget, so a run with more budget takes the very same steps up to there.

    Attributes:
        steps: of the whole run.
        warm_up: steps in which the rate rises in a line.
        cool_down: the first step of the cool-down.
    """

    steps: int
    warm_up: int
    cool_down: int

    def __call__(self, step: int) -> float:
        """Return the share of the peak learning rate at ``step``.

        >>> schedule = Schedule(steps=100, warm_up=10, cool_down=75)
        >>> [round(schedule(step), 2) for step in (0, 9, 74, 75, 99)]
        [0.1, 1.0, 1.0, 1.0, 0.02]
        """
        if step >= self.cool_down:
            return 1 - sqrt((step - self.cool_down) / (self.steps - self.cool_down))
        return min(1.0, (step + 1) / self.warm_up)


def schedule(budget_images: int, batch_size: int, warm_up_images: int, cool_down_share: float) -> Schedule:
    """Return the schedule of a budget.

    >>> schedule(6400, 64, 640, 0.25)
    Schedule(steps=100, warm_up=10, cool_down=75)
    """
    steps = ceil(budget_images / batch_size)
    return Schedule(steps, max(1, warm_up_images // batch_size), steps - round(cool_down_share * steps))


def ema_decay(halflife_images: float, seen: int, batch_size: int) -> float:
    """Return the decay of one step; the half-life is at most 5% of the images seen so far (Karras et al. 2022, F.2).

    >>> ema_decay(64, 10**6, 64)
    0.5
    """
    halflife = min(halflife_images, 0.05 * seen)
    return 0.5 ** (batch_size / halflife) if halflife > 0 else 0.0
