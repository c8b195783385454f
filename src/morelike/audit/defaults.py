"""The rules of an audit: the project's ``params.yaml``, which the installed package carries, or changes to it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from morelike.core import settings
from morelike.core.errors import ParamsError
from morelike.core.settings import Params

PACKAGE = Path(__file__).resolve().parents[1]
PLACES = (PACKAGE / settings.PATH, PACKAGE.parents[1] / settings.PATH)  # of the installed package, of a checkout


def read(path: Path | str | None = None, policies: Mapping[str, str] | None = None) -> Params:
    """Return the default values, over them those of the file at ``path``, which may hold a few keys alone.

    ``policies`` are by fault code, and stand over both.

    Raises:
        ParamsError: if the file is not there, is no YAML, or has a section that is none.
    """
    values = _values(next((place for place in PLACES if place.is_file()), PLACES[0])).values
    changes = _values(Path(path)) if path else Params({})
    for key in changes.values:
        if key not in values:
            raise ParamsError(changes.path, str(key), changes.values[key], f"one of {', '.join(values)}")
    values = merged(values, changes.values)
    if policies:
        chosen = {code: {"policy": policy} for code, policy in policies.items()}
        values = merged(values, {"validate": {"codes": chosen}})
    return Params(values, changes.path)


def merged(values: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return ``values`` with ``changes`` over them, leaf by leaf.

    >>> merged({"a": {"b": 1, "c": 2}}, {"a": {"c": 3}})
    {'a': {'b': 1, 'c': 3}}
    """
    inner = {
        key: merged(values[key], change)
        for key, change in changes.items()
        if isinstance(change, Mapping) and isinstance(values.get(key), Mapping)
    }
    return {**values, **changes, **inner}


def _values(path: Path) -> Params:
    try:
        return settings.parse(path.read_text(encoding="utf-8"), path)
    except (OSError, UnicodeDecodeError) as error:
        got = getattr(error, "strerror", None) or str(error)
        raise ParamsError(str(path), "the file", got, "a readable params.yaml in UTF-8") from error
