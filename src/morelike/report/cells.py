"""Figures as tables show them."""

NOTHING = "–"  # what was not measured


def share(value: float | None) -> str:
    """Format a share of 1.

    >>> share(0.9666), share(None)
    ('96.7%', '–')
    """
    return NOTHING if value is None else f"{value:.1%}"


def decimal(value: float | None) -> str:
    """Format a number of about 1.

    >>> decimal(0.97123), decimal(None)
    ('0.971', '–')
    """
    return NOTHING if value is None else f"{value:z.3f}"


def shares(found: dict | None) -> str:
    """Format a share with its interval.

    >>> shares({"mean": 0.5, "low": 0.25, "high": 0.751})
    '50.0% (25.0 to 75.1)'
    """
    return _interval(found, "z.1f", 100, "%")


def points(found: dict | None) -> str:
    """Format a difference of shares with its interval, in points.

    >>> points({"mean": -0.0001, "low": -0.01, "high": 0.01})
    '+0.0 (-1.0 to +1.0)'
    """
    return _interval(found, "+z.1f", 100)


def changes(found: dict | None) -> str:
    """Format a difference of numbers with its interval.

    >>> changes({"mean": 0.25, "low": -0.125, "high": 0.5})
    '+0.250 (-0.125 to +0.500)'
    """
    return _interval(found, "+z.3f")


def _interval(found: dict | None, form: str, scale: float = 1, unit: str = "") -> str:
    if found is None:
        return NOTHING
    mean, low, high = (format(scale * found[key], form) for key in ("mean", "low", "high"))
    return f"{mean}{unit} ({low} to {high})"
