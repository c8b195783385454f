"""Keep the library modules among the deps of dvc.yaml equal to those that each stage reaches.

``python -m tests.dvc_deps`` prints what differs; with ``--write`` it rewrites the lists, and nothing else, in dvc.yaml.
"""

import argparse
import re
import sys
import textwrap
from pathlib import Path

import yaml

from morelike.core import code
from morelike.models import registry

ROOT = Path(__file__).resolve().parent.parent
SOURCE = "src/morelike/"
MODELS = "src/morelike/models/"
WRAP = {"subsequent_indent": " " * 6, "break_long_words": False, "break_on_hyphens": False}
ITEM = MODELS + "${item.model}.py"


def reached(*paths: Path) -> set[str]:
    """Return the files of the library that files reach, at any distance, and those beside them that are not Python."""
    modules = {module for path in paths for module in code.imported(path)}
    files = {path for module in modules for path in code.sources(module)}
    data = {path for file in files for path in file.parent.glob("*.j2")}
    return {path.relative_to(ROOT).as_posix() for path in files | data}


def stage_file(stage: dict) -> Path:
    """Return the file that a stage of dvc.yaml runs."""
    name = re.search(r"python -m stages\.(\w+)", stage["cmd"])[1]
    return ROOT / "stages" / f"{name}.py"


def library_deps(stage: dict) -> list[str]:
    """Return the sorted library entries that the deps of one stage of dvc.yaml must have.

    A stage over ``matrix: model`` loads its model by name: it gets ``${item.model}.py`` and whatever models reach.
    """
    if "model" not in stage.get("matrix", {}):
        return sorted(reached(stage_file(stage)))
    models = [registry.FOLDER / f"{name}.py" for name in registry.names()]
    own = {path.relative_to(ROOT).as_posix() for path in models}
    return sorted(reached(stage_file(stage), *models) - own | {ITEM})


def load(path: Path) -> dict:
    """Return the stages of a dvc.yaml."""
    return yaml.safe_load(path.read_text(encoding="utf-8"))["stages"]


def differences(path: Path) -> dict[str, list[str]]:
    """Return the library entries that should stand, for each stage whose deps differ from them."""
    wrong = {}
    for name, stage in load(path).items():
        expected = library_deps(stage)
        if sorted(dep for dep in stage["deps"] if dep.startswith(SOURCE)) != expected:
            wrong[name] = expected
    return wrong


def rewrite(path: Path) -> None:
    """Give each stage of dvc.yaml the library entries that it should have; nothing but its deps is touched."""
    for name, expected in differences(path).items():
        text, stages = path.read_text(encoding="utf-8"), load(path)
        if "deps" not in _own(text, name):
            continue  # it takes them from another stage
        kept = [dep for dep in stages[name]["deps"] if not dep.startswith(SOURCE)]
        deps = ", ".join(f'"{dep}"' if "$" in dep else dep for dep in kept + expected)
        wrapped = textwrap.fill(f"deps: [{deps}]", 120, initial_indent=" " * 4, **WRAP)
        block = rf"(?ms)(^  {name}:[^\n]*\n(?:(?!^  \S).)*?)^    deps:.*?\n(?=    \S|  \S|\Z)"
        path.write_text(
            re.sub(block, lambda found, wrapped=wrapped: f"{found[1]}{wrapped}\n", text, count=1), encoding="utf-8"
        )


def explain(wrong: dict[str, list[str]]) -> str:
    """Return the entries to paste, stage by stage."""
    lines = [f"  {name}:\n    " + ",\n    ".join(entries) for name, entries in wrong.items()]
    return "dvc.yaml: the library deps differ from what the stages import; `make deps` writes these:\n" + "\n".join(
        lines
    )


def _own(text: str, name: str) -> set[str]:
    """Return the keys that a stage has itself, not by a YAML alias."""
    block = re.search(rf"(?ms)^  {name}:[^\n]*\n(.*?)(?=^  \S|\Z|^\S)", text)[1]
    return set(re.findall(r"(?m)^    (\w+):", block))


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
