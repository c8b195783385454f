"""The tables of the site that are made from the code: ``<!-- table: NAME -->`` in a page becomes the table NAME.

A setting, a fault or a check is explained where it is defined, and nowhere else.
"""

import ast
import json
import re
from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path
from typing import Any, get_args

import yaml
from mkdocs.exceptions import PluginError

from flows.tuning import settings as search
from morelike.core import settings
from morelike.core.settings import Section
from morelike.export import admission, filters
from morelike.images import noise
from morelike.models import base, registry
from morelike.train.checks import CHECKS
from morelike.validate.codes import CODES
from morelike.validate.settings import FaultRule

ROOT = Path(__file__).resolve().parent.parent
MARK = re.compile(r"^<!-- table: (\w+) -->$", re.MULTILINE)
ABSENT = object()
Row = tuple[str, str, str]  # of a setting: key, allowed values, meaning


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Put the tables into a page; mkdocs calls this for each."""
    return MARK.sub(lambda found: _table_named(found[1]), markdown)


def _table_named(name: str) -> str:
    if name not in TABLES:
        raise PluginError(f"no table named {name!r}: expected one of {', '.join(TABLES)}")
    return TABLES[name]()


def setting_tables() -> str:
    """Return a heading and a table per section of ``params.yaml``, in its order."""
    values = settings.read(ROOT / "params.yaml").values
    owned = settings.owned() | registry.sections() | search.SECTIONS
    sections = [("seed", "", [("seed", "a whole number from 0", words(settings.Params.seed.__doc__))])]
    for key, kind in sorted(owned.items(), key=lambda one: list(values).index(one[0].split(".")[0])):
        sections += _of_section(key, kind)
    parts = []
    for section, about, rows in sections:
        lines = [[f"`{key}`", _default(values, key), *cells] for key, *cells in rows]
        parts += [f"## `{section}`", about, table(["key", "default", "values", "meaning"], lines)]
    return "\n\n".join(parts)


def field_table(kind: type[Section]) -> str:
    """Return a table of the fields of a section that stands in many places."""
    return table(["key", "values", "meaning"], [[f"`{key}`", *cells] for key, *cells in _fields(kind)])


def _of_section(key: str, kind: type[Section]) -> list[tuple[str, str, list[Row]]]:
    """Return dotted key, meaning and rows of a section, and of those within it."""
    found = [(key, words(kind.__doc__), _fields(kind, f"{key}."))]
    for name, field in kind.model_fields.items():
        if _is_section(field.annotation):
            found += _of_section(f"{key}.{name}", field.annotation)
    return [section for section in found if section[2]]


def _fields(kind: type[Section], prefix: str = "") -> list[Row]:
    """Return key, allowed values and meaning of each field that is no section; one of a single value is a mere tag."""
    schema, rows = kind.model_json_schema()["properties"], []
    for name, field in kind.model_fields.items():
        if _is_section(field.annotation) or "const" in schema[name]:
            continue
        if not field.description:
            raise PluginError(f"{kind.__module__}.{kind.__name__}.{name} has no description")
        rows.append((f"{prefix}{name}", allowed(schema[name]), field.description))
    return rows


def _is_section(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, Section)


def allowed(schema: dict[str, Any]) -> str:
    """Say in words which values a JSON schema allows.

    >>> allowed({"type": "number", "exclusiveMinimum": 0, "maximum": 1})
    'a number above 0, at most 1'
    """
    if "anyOf" in schema:
        said = list(dict.fromkeys(allowed(one) for one in schema["anyOf"]))
        return " or ".join(one for one in said if one.replace("whole ", "") not in set(said) - {one})
    if "enum" in schema or "const" in schema:
        return ", ".join(f"`{value}`" for value in schema.get("enum", [schema.get("const")]))
    said = KINDS[schema.get("type", "object")]
    for key, phrase in BOUNDS.items():
        if key in schema:
            value = schema[key]
            said += phrase.format(f"{value:g}" if isinstance(value, float) else value)
    return said


def faults() -> str:
    """Return a table per group of the audit's codes, with what ``params.yaml`` says of each."""
    rules = settings.read(ROOT / "params.yaml").value("validate.codes")
    parts = []
    for group in dict.fromkeys(code.group for code in CODES.values()):
        rows = []
        for name, code in ((name, code) for name, code in CODES.items() if code.group == group):
            rule = rules[name]
            others = ", ".join(one for one in code.policies if one != rule["policy"])
            limit = f"{rule['limit']}: {code.limit}" if code.limit else ""
            at_most = str(rule.get("at_most", ""))
            rows.append([f"`{name}`", rule["policy"], others, limit, at_most, code.about, code.advice])
        heads = ["code", "policy", "or", "limit", "at most", "it means", "what to do"]
        parts.append(f"### {group}\n\n" + table(heads, rows))
    return "\n\n".join(parts)


def noises() -> str:
    """Return a table of the kinds of noise and their settings."""
    rows = []
    for kind in get_args(get_args(noise.NoiseStep)[0]):
        name = get_args(kind.model_fields["kind"].annotation)[0]
        chosen = [f"`{key}`: {about}; {values}" for key, values, about in _fields(kind)]
        rows.append([f"`{name}`", "<br>".join(chosen), words(kind.__doc__)])
    return table(["kind", "settings", "what it does"], rows)


def checks() -> str:
    """Return a table of what is watched while a model trains."""
    limits = settings.read(ROOT / "params.yaml").value("train.checks")
    rows = []
    for name, check in CHECKS.items():
        limit = f"at {'least' if check.from_below else 'most'} {limits[name]}"
        when = "the first image" if check.early else "`train.checks.after_images`"
        rows.append([f"`{name}`", limit, when, check.meaning, check.mend])
    return table(["check", "limit", "watched from", "what is measured", "what mends it"], rows)


def reasons() -> str:
    """Return a table of what keeps a new image out of the dataset."""
    rows = [[f"`{name}`", words(check.__doc__), admission.ADVICE[name]] for name, check in filters.FILTERS.items()]
    return table(["reason", "what it does", "if it is many"], rows)


def stages() -> str:
    """Return a table of the stages: what each does, says its file; what it reads and writes, says ``dvc.yaml``."""
    rows: dict[str, list[set[str] | str]] = {}
    for stage in yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["stages"].values():
        name = re.search(r"python -m stages\.(\w+)", stage["cmd"])[1]
        about = ast.get_docstring(ast.parse((ROOT / "stages" / f"{name}.py").read_text(encoding="utf-8")))
        row = rows.setdefault(name, [words(about.removeprefix(f"{name}: ")), set(), set()])
        row[1] |= {dep for dep in stage["deps"] if not dep.startswith(("src/", "stages/"))}
        row[2] |= {*stage["outs"], *stage.get("metrics", [])}
    heads = ["stage", "what it does", "reads", "writes"]
    return table(
        heads, [[f"`{name}`", about, _paths(deps), _paths(outs)] for name, (about, deps, outs) in rows.items()]
    )


def targets() -> str:
    """Return a table of the targets of the Makefile."""
    text = (ROOT / "Makefile").read_text(encoding="utf-8")
    rows = [[f"`make {name}`", about] for name, about in re.findall(r"^([a-z-]+):.*?## (.*)$", text, re.MULTILINE)]
    return table(["command", "what it does"], rows)


def abilities() -> str:
    """Return a table of what a model may be able to do, and which of them can."""
    names = registry.names()
    rows = []
    for protocol in vars(base).values():
        if getattr(protocol, "_is_protocol", False) and protocol.__module__ == base.__name__:
            method = next(name for name, value in vars(protocol).items() if callable(value) and name[0] != "_")
            can = ["yes" if hasattr(registry.module_of(name).Model, method) else "–" for name in names]
            rows.append([f"`{method}`", words(protocol.__doc__), *can])
    return table(["method", "what a model with it can do", *(f"`{name}`" for name in names)], rows)


def models() -> str:
    """Return a table of the models there are, by the first line of each file."""
    rows = [[f"`{name}`", words(registry.module_of(name).__doc__)] for name in registry.names()]
    return table(["model", "what it is"], rows)


def table(heads: list[str], rows: Iterable[list[str]]) -> str:
    """Return a table in markdown."""
    lines = [heads, ["---"] * len(heads), *([_escaped(cell) for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _escaped(cell: str) -> str:
    """Keep ``|`` from ending a cell, and ``*`` outside of code from being emphasis."""
    plain = re.sub(r"(`[^`]*`)|\*", lambda found: found[1] or r"\*", " ".join(cell.split()))
    return plain.replace("|", r"\|")


def words(docstring: str) -> str:
    """Return the first line of a docstring as markdown.

    >>> words("Add ``std``, see :func:`apply`.")
    'Add `std`, see `apply`.'
    """
    first = docstring.strip().split("\n")[0]
    return re.sub(r":\w+:`~?([^`]*)`", r"`\1`", first.replace("``", "`"))


def _default(values: dict[str, Any], key: str) -> str:
    value: Any = values
    for part in key.split("."):
        value = value.get(part, ABSENT) if isinstance(value, dict) else ABSENT
    if value is ABSENT:
        raise PluginError(f"params.yaml has no {key}")
    if isinstance(value, dict):
        return ", ".join(f"`{name}`" for name in value) if len(value) < LONG else f"{len(value)} entries"
    return f"`{json.dumps(value, ensure_ascii=False)}`".replace('"', "")


def _paths(paths: Iterable[str]) -> str:
    plain = (re.sub(r"\$\{(?:item|train)\.(\w+)\}", lambda found: found[1].upper(), path) for path in paths)
    return "<br>".join(f"`{path}`" for path in sorted(plain)).replace("${data.raw}", "data.raw")


LONG = 10  # a mapping of more is only counted
KINDS = {
    "integer": "a whole number",
    "number": "a number",
    "string": "text",
    "boolean": "`true`, `false`",
    "array": "a list",
    "object": "a mapping",
    "null": "`null`",
}
BOUNDS = {
    "minimum": " from {}",
    "exclusiveMinimum": " above {}",
    "maximum": ", at most {}",
    "exclusiveMaximum": ", below {}",
    "multipleOf": ", a multiple of {}",
    "examples": " such as `{0[0]}`",
}
TABLES: dict[str, Callable[[], str]] = {
    name: cache(make)
    for name, make in {
        "settings": setting_tables,
        "faults": faults,
        "fault_rule": lambda: field_table(FaultRule),
        "candidates": lambda: field_table(search.Candidates),
        "noises": noises,
        "checks": checks,
        "reasons": reasons,
        "stages": stages,
        "targets": targets,
        "abilities": abilities,
        "models": models,
    }.items()
}
