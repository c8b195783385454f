"""YAML as DVC reads it: the plain values of YAML 1.2 (yaml.org/spec/1.2.2, ch. 10.3). Odd documents are refused.

PyYAML alone follows YAML 1.1: ``010`` is 8 there, ``1:30`` is 90, ``no`` is False; and of two equal keys the last wins.
"""

import re
from typing import Any, ClassVar

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode

MOST_DEEP = 50
MOST_VALUES = 100_000  # with every alias written out


def load(text: str) -> Any:
    """Return the values of a document: mappings, lists, text, numbers, booleans and None.

    Raises:
        yaml.YAMLError: it is no valid YAML, names a key twice, is nested deeper than :data:`MOST_DEEP`, or would be
            larger than :data:`MOST_VALUES` with its aliases written out.

    >>> load("[010, 1:30, no, 1e-05, 0x10, 1_000]")
    [10, '1:30', 'no', 1e-05, 16, 1000]
    """
    loader = _Loader(text)
    try:
        node = loader.get_single_node()
        if node is None:
            return None
        _size(node, {}, 1)
        return loader.construct_document(node)
    except RecursionError as error:
        raise yaml.YAMLError(f"nested deeper than {MOST_DEEP} levels") from error
    except ValueError as error:  # such as a number of a million digits
        raise yaml.YAMLError(str(error)) from error
    finally:
        loader.dispose()


def _size(node: Node, known: dict[int, int], depth: int) -> int:
    """Count the values under a node, those of an alias each time; a node that holds itself has no end."""
    if depth > MOST_DEEP:
        raise yaml.YAMLError(f"line {node.start_mark.line + 1}: nested deeper than {MOST_DEEP} levels")
    if isinstance(node, ScalarNode):
        return 1
    if id(node) not in known:
        if isinstance(node, MappingNode):
            _refuse_twice([key for key, _ in node.value])
        inner = [part for pair in node.value for part in pair] if isinstance(node, MappingNode) else node.value
        known[id(node)] = 1 + sum(_size(part, known, depth + 1) for part in inner)
    if known[id(node)] > MOST_VALUES:
        line = node.start_mark.line + 1
        raise yaml.YAMLError(f"line {line}: more than {MOST_VALUES:,} values with its aliases written out")
    return known[id(node)]


def _refuse_twice(keys: list[Node]) -> None:
    lines: dict[tuple[str, str], int] = {}
    for key in keys:
        if not isinstance(key, ScalarNode):
            continue
        name, line = (key.tag, key.value), key.start_mark.line + 1
        if name in lines:
            raise yaml.YAMLError(
                f"line {line}: the key {key.value!r} is already in line {lines[name]}; keep one of them"
            )
        lines[name] = line


class _Loader(yaml.SafeLoader):
    """Reads plain scalars by the core schema of YAML 1.2."""

    yaml_implicit_resolvers: ClassVar[dict[str, list]] = {}

    def construct_whole(self, node: ScalarNode) -> int:
        """Return a whole number, decimal unless it begins with 0x, 0o or 0b."""
        text = self.construct_scalar(node).replace("_", "").lower()
        based = text.lstrip("+-")[:2] in ("0x", "0o", "0b")
        return int(text, 0 if based else 10)


_Loader.add_constructor("tag:yaml.org,2002:int", _Loader.construct_whole)
for _kind, _pattern, _first in [
    ("bool", r"true|True|TRUE|false|False|FALSE", "tTfF"),
    ("int", r"[-+]?(0b[01_]+|0o[0-7_]+|0x[0-9a-fA-F_]+|[0-9][0-9_]*)", "-+0123456789"),
    (
        "float",
        r"[-+]?(\.[0-9_]+|[0-9][0-9_]*(\.[0-9_]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)",
        "-+0123456789.",
    ),
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("merge", r"<<", "<"),
]:
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_kind}", re.compile(rf"^(?:{_pattern})$"), list(_first))
