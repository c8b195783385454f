"""Keep the library modules among the deps of dvc.yaml equal to those that each stage reaches.

``python -m tests.dvc_deps`` prints what differs; with ``--write`` it rewrites the lists, and nothing else, in dvc.yaml.
"""

import argparse
import ast
import re
import sys
import textwrap
from collections.abc import Iterable
from pathlib import Path

import grimp
import yaml

ROOT = Path(__file__).resolve().parent.parent
SOURCE = "src/morelike/"
MODELS = "src/morelike/models/"
WRAP = {"subsequent_indent": " " * 6, "break_long_words": False, "break_on_hyphens": False}
ITEM = MODELS + "${item.model}.py"


def build_graph() -> grimp.ImportGraph:
    """Return who imports whom among the stages and the library, imports inside functions included."""
    return grimp.build_graph("stages", "morelike", cache_dir=None, exclude_type_checking_imports=True)


def module_file(module: str) -> str | None:
    """Return the file of a library module from the repository's root, or None for a package that holds no code."""
    path = ROOT / "src" / Path(*module.split("."))
    if path.with_suffix(".py").is_file():
        return path.with_suffix(".py").relative_to(ROOT).as_posix()
    init = path / "__init__.py"
    if not init.is_file():
        return None
    return init.relative_to(ROOT).as_posix() if holds_code(init) else None


def data_files(package: str) -> list[str]:
    """Return the files of a package that are not Python, such as templates."""
    folder = ROOT / "src" / Path(*package.split("."))
    files = [path for path in folder.glob("*") if path.is_file() and path.suffix not in (".py", ".pyc")]
    return [path.relative_to(ROOT).as_posix() for path in files]


def holds_code(init: Path) -> bool:
    """Tell whether a package's ``__init__.py`` has more than a docstring and constants such as ``__version__``."""
    body = ast.parse(init.read_text(encoding="utf-8")).body
    return any(not (isinstance(node, ast.Expr | ast.Assign) and isinstance(node.value, ast.Constant)) for node in body)


def with_parents(modules: Iterable[str]) -> set[str]:
    """Add the packages around each module: importing a module runs them first."""
    names = set()
    for module in modules:
        parts = module.split(".")
        names |= {".".join(parts[:end]) for end in range(1, len(parts) + 1)}
    return names


def reached(graph: grimp.ImportGraph, module: str) -> set[str]:
    """Return the files of the library modules that ``module`` reaches, at any distance."""
    library = {name for name in graph.find_upstream_modules(module) if name.split(".")[0] == "morelike"}
    names = with_parents(library)
    return {path for name in names if (path := module_file(name))} | {
        path for name in names for path in data_files(name)
    }


def stage_module(stage: dict) -> str:
    """Return the module that a stage of dvc.yaml runs."""
    return re.search(r"python -m (stages\.\w+)", stage["cmd"])[1]


def library_deps(graph: grimp.ImportGraph, stage: dict) -> list[str]:
    """Return the sorted library entries that the deps of one stage of dvc.yaml must have.

    A stage over ``matrix: model`` loads its model by name: it gets ``${item.model}.py`` and whatever the models reach.
    """
    paths = reached(graph, stage_module(stage))
    models = stage.get("matrix", {}).get("model", [])
    for model in models:
        if f"morelike.models.{model}" in graph.modules:
            paths |= reached(graph, f"morelike.models.{model}")
    named = {f"{MODELS}{model}.py" for model in models}
    if models:
        paths |= named if paths & named else {ITEM}
    return sorted(paths)


def load(path: Path) -> dict:
    """Return the stages of a dvc.yaml."""
    return yaml.safe_load(path.read_text(encoding="utf-8"))["stages"]


def differences(path: Path) -> dict[str, list[str]]:
    """Return the library entries that should stand, for each stage whose deps differ from them."""
    graph = build_graph()
    wrong = {}
    for name, stage in load(path).items():
        if not _is_written(stage):
            continue
        expected = library_deps(graph, stage)
        if sorted(dep for dep in stage["deps"] if dep.startswith(SOURCE)) != expected:
            wrong[name] = expected
    return wrong


def rewrite(path: Path) -> None:
    """Give each stage of dvc.yaml the library entries that it should have; nothing but its deps is touched."""
    text, stages = path.read_text(encoding="utf-8"), load(path)
    for name, expected in differences(path).items():
        kept = [dep for dep in stages[name]["deps"] if not dep.startswith(SOURCE)]
        deps = ", ".join(f'"{dep}"' if "$" in dep else dep for dep in kept + expected)
        wrapped = textwrap.fill(f"deps: [{deps}]", 120, initial_indent=" " * 4, **WRAP)
        block = rf"(?ms)(^  {name}:\n.*?)^    deps:.*?\n(?=    \S|  \S|\Z)"
        text = re.sub(block, lambda found, wrapped=wrapped: f"{found[1]}{wrapped}\n", text, count=1)
    path.write_text(text, encoding="utf-8")


def explain(wrong: dict[str, list[str]]) -> str:
    """Return the entries to paste, stage by stage."""
    lines = [f"  {name}:\n    " + ",\n    ".join(entries) for name, entries in wrong.items()]
    return "dvc.yaml: the library deps differ from what the stages import; `make deps` writes these:\n" + "\n".join(
        lines
    )


def _is_written(stage: dict) -> bool:
    return (ROOT / "stages" / f"{stage_module(stage).removeprefix('stages.')}.py").is_file()


def main() -> None:
    """Print the differences, or write them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help="rewrite dvc.yaml")
    path = ROOT / "dvc.yaml"
    if parser.parse_args().write:
        rewrite(path)
    wrong = differences(path)
    sys.exit(explain(wrong) if wrong else 0)


if __name__ == "__main__":
    main()
