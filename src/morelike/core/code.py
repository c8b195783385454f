"""Which code does a result depend on? The modules of this library that a module imports, at any distance."""

import ast
import hashlib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

PACKAGE = "morelike"
ROOT = Path(__file__).resolve().parents[1]


def digest(*modules: str) -> str:
    """Return the sha256 of the sources of modules and of all that they import of this library, in hex."""
    paths = sorted({path for module in modules for path in sources(module)})
    parts = [path.relative_to(ROOT).as_posix().encode() + b"\0" + path.read_bytes() for path in paths]
    return hashlib.sha256(b"\0".join(parts)).hexdigest()


def sources(module: str) -> set[Path]:
    """Return the file of a module and of every module of this library that it imports, at any distance.

    Imports inside functions count; what is imported by a name put together at run time, a model or a section, does
    not. A package's ``__init__.py`` counts if it holds code.

    >>> sorted(path.name for path in sources("morelike.core.files"))
    ['errors.py', 'files.py']
    """
    known: set[str] = set()
    waiting = [module]
    while waiting:
        name = waiting.pop()
        if name in known:
            continue
        known.add(name)
        waiting += [found for found in imported(file_of(name)) if found not in known] if file_of(name) else []
    return {path for name in known if (path := file_of(name)) and (path.name != "__init__.py" or holds_code(path))}


def file_of(module: str) -> Path | None:
    """Return the file of a dotted name, None if it names no module of this library."""
    first, *rest = module.split(".")
    path = ROOT.joinpath(*rest)
    if first != PACKAGE:
        return None
    candidates = [path / "__init__.py", path.with_suffix(".py")]
    return next((candidate for candidate in candidates if candidate.is_file()), None)


@cache
def imported(path: Path) -> tuple[str, ...]:
    """Return the modules of this library that a file imports itself, and the packages around them."""
    return tuple(sorted({part for name in _names(path) for part in _with_packages(name) if file_of(part)}))


def holds_code(init: Path) -> bool:
    """Tell whether a package's ``__init__.py`` has more than a docstring and constants such as ``__version__``."""
    body = ast.parse(init.read_text(encoding="utf-8")).body
    return any(not (isinstance(node, ast.Expr | ast.Assign) and isinstance(node.value, ast.Constant)) for node in body)


def _names(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)  # a module, or something in one


def _with_packages(name: str) -> Iterator[str]:
    parts = name.split(".")
    return (".".join(parts[:end]) for end in range(1, len(parts) + 1))
