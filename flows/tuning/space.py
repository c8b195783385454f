"""The space of a search: which values each parameter may take, and whether they are valid in ``params.yaml``."""

import itertools
import math
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution

from flows import pipeline
from flows.pipeline import Target
from flows.tuning.settings import Candidates, Search
from morelike.core import settings
from morelike.core.errors import ParamsError
from morelike.core.settings import Params

PATH = "params.yaml"
JUDGED_ON_VAL = "train"  # the stages whose names begin so
WITHIN = 0.37  # place in a range without steps: a value that is neither end
MOST_CHECKED = 1000  # candidates per parameter
MOST_CELLS = 100_000
BUDGETS = ("budget_images", "train.evaluate_every_images")  # must be the same in trials that are compared half-way


def check(text: str, target: Target | None) -> tuple[Params, Search, dict[str, BaseDistribution]]:
    """Check that the search of a params file can run.

    Args:
        text: of the params file.
        target: the stage that writes the metric; None if the file has no ``search``.

    Returns:
        The values of the file, its section ``search``, and Optuna's distribution of each parameter.

    Raises:
        ParamsError: names the key, what was expected, and what was got.
    """
    params = settings.parse(text, PATH)
    settings.check(params, models=True)
    values = params.values
    if "search" not in values or target is None:
        raise ParamsError(PATH, "search", None, "a section that says what to search; docs/tune.md has one")
    search = params.section("search", Search)
    if not target.stage.startswith(JUDGED_ON_VAL):
        expected = f"a metric of the val split, which a stage {JUDGED_ON_VAL} writes and {target.stage} does not"
        raise ParamsError(PATH, "search.metric", search.metric, f"{expected} (a search must never see the test split)")
    for key in search.space:
        _refuse_unknown(values, key, target.params)
    drawn = {key: distribution(pipeline.value_of(values, key), one) for key, one in search.space.items()}
    for key, one in drawn.items():
        if search.method == "grid" and not is_finite(one):
            raise ParamsError(PATH, f"search.space.{key}", "a range without", "a step, or choices, for a grid")
        if search.pruner != "none" and key.endswith(BUDGETS):
            expected = "pruner none where trials have unequal budgets: half-way they do not compare"
            raise ParamsError(PATH, "search.pruner", search.pruner, f"{expected} ({key})")
        for candidate in itertools.islice(candidates(one), MOST_CHECKED):
            _refuse_candidate(values, key, candidate)
    cells = math.prod(len(values) for values in grid(drawn).values()) if search.method == "grid" else 0
    if cells > MOST_CELLS:
        raise ParamsError(PATH, "search.space", f"{cells:,}", f"a grid of at most {MOST_CELLS:,} cells")
    return params, search, drawn


def distribution(now: Any, one: Candidates) -> BaseDistribution:
    """Return Optuna's distribution of a parameter: whole numbers if its value ``now`` and the ends of the range are.

    >>> distribution(64, Candidates(low=8, high=64, step=8))
    IntDistribution(high=64, log=False, low=8, step=8)
    >>> distribution(1.0, Candidates(low=1, high=4, log=True))
    FloatDistribution(high=4.0, log=True, low=1.0, step=None)
    """
    if one.choices is not None:
        return CategoricalDistribution(one.choices)
    whole = all(isinstance(end, int) for end in (one.low, one.high, one.step or 1))
    if whole and not isinstance(now, float):
        return IntDistribution(one.low, _last(one.low, one.high, one.step or 1), log=one.log, step=one.step or 1)
    high = _last(one.low, one.high, one.step) if one.step else one.high
    return FloatDistribution(float(one.low), float(high), log=one.log, step=one.step and float(one.step))


def is_finite(one: BaseDistribution) -> bool:
    """Tell whether a parameter has a finite number of values, as a grid needs."""
    return not isinstance(one, FloatDistribution) or one.step is not None


def candidates(one: BaseDistribution) -> Iterator[Any]:
    """Yield every value of a parameter; of a range without steps, both ends and one value between.

    >>> list(candidates(FloatDistribution(0.0, 0.3, step=0.1)))
    [0.0, 0.1, 0.2, 0.3]
    """
    if isinstance(one, CategoricalDistribution):
        yield from one.choices
    elif isinstance(one, IntDistribution):
        yield from range(one.low, one.high + 1, one.step)
    elif one.step is None:
        yield from (one.low, one.low + WITHIN * (one.high - one.low), one.high)
    else:
        low, step = Decimal(str(one.low)), Decimal(str(one.step))
        count = math.floor((Decimal(str(one.high)) - low) / step) + 1
        yield from (float(low + step * number) for number in range(count))


def grid(drawn: Mapping[str, BaseDistribution]) -> dict[str, list[Any]]:
    """Return the values of each parameter; a grid is every combination of them."""
    return {key: list(candidates(one)) for key, one in drawn.items()}


def _last(low: float, high: float, step: float) -> Any:
    """Return the last value of a stepped range: Optuna warns if no step leads to ``high``."""
    exact = [Decimal(str(number)) for number in (low, high, step)]
    last = exact[0] + (exact[1] - exact[0]) // exact[2] * exact[2]
    return int(last) if isinstance(high, int) and isinstance(step, int) else float(last)


def _refuse_unknown(values: Any, key: str, reached: list[str]) -> None:
    try:
        pipeline.value_of(values, key)
    except KeyError as error:
        raise ParamsError(PATH, f"search.space.{key}", key, "a parameter of params.yaml") from error
    if not any(name in (key, "") or key.startswith(f"{name}.") for name in reached):
        expected = f"a parameter that decides the metric: one of {', '.join(reached)}"
        raise ParamsError(PATH, f"search.space.{key}", key, expected)


def _refuse_candidate(values: Any, key: str, candidate: Any) -> None:
    try:
        settings.check(Params(pipeline.replaced(values, {key: candidate}), PATH), models=True)
    except ParamsError as error:
        raise ParamsError(PATH, f"search.space.{key}", candidate, error.expected) from error
