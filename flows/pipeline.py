"""What DVC knows of the pipeline: its stages in order, what they write, and where its images are.

``python -m flows.pipeline`` is what ``make`` calls: ``check``, ``use-images FOLDER`` and ``remove-outs``.
"""

import argparse
import copy
import dataclasses
import io
import os
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from morelike.core import files, settings
from morelike.core.errors import MorelikeError, one_line, printable


def order(root: Path | str = ".") -> list[str]:
    """Return the names of the stages of ``dvc.yaml``, each after the ones it depends on; ``train@vae`` for a matrix.

    Stages that do not wait for each other keep the order of ``dvc.yaml``.
    """
    import networkx
    from dvc.repo import Repo

    with Repo(str(root)) as repo:
        graph = repo.index.graph.reverse()  # DVC's edges lead from a stage to what it needs
        place = {stage: number for number, stage in enumerate(repo.index.stages)}
        stages = networkx.lexicographical_topological_sort(graph, key=place.__getitem__)
        return [stage.addressing for stage in stages if stage.cmd]


def outs(root: Path | str = ".") -> list[Path]:
    """Return every path that a stage of ``dvc.yaml`` writes, and none that was put there by ``dvc add``."""
    return [path for path, _ in _outs(root)]


def metrics(root: Path | str = ".") -> list[Path]:
    """Return every file of metrics that a stage of ``dvc.yaml`` writes."""
    return [path for path, is_metric in _outs(root) if is_metric]


def _outs(root: Path | str) -> list[tuple[Path, bool]]:
    """Return every path that a stage writes, and whether it is a file of metrics; sorted."""
    from dvc.repo import Repo

    with Repo(str(root)) as repo:
        written = [out for stage in repo.index.stages if stage.cmd for out in stage.outs]
        return sorted((Path(out.fs_path), bool(out.metric)) for out in written)


@dataclasses.dataclass(frozen=True)
class Target:
    """A stage and all that it comes from.

    Attributes:
        stage: its name, such as ``train@dae``.
        parents: the stages whose outputs it reads.
        commands: what it and each stage before it runs.
        sources: the paths that it and each stage before it reads and no stage writes.
        params: the names of the settings that it and the stages before it read.
        outs: the paths that it writes.
        kept: every path that DVC keeps: outputs of all stages, and what was put there by ``dvc add``.
        cache: the folder of DVC's cache.
    """

    stage: str
    parents: list[str]
    commands: dict[str, str]
    sources: dict[str, list[str]]
    params: list[str]
    outs: list[str]
    kept: list[str]
    cache: str


def target(out: str, root: Path | str = ".") -> Target:
    """Return the stage that writes ``out``.

    Raises:
        FileNotFoundError: no stage does.
    """
    import networkx
    from dvc.dependency import ParamsDependency
    from dvc.repo import Repo

    with Repo(str(root)) as repo:
        writers = {str(one): stage for stage in repo.index.stages for one in stage.outs}
        if out not in writers or not writers[out].cmd:
            raise FileNotFoundError(f"{out}: no stage of dvc.yaml writes it")
        stage = writers[out]
        graph = repo.index.graph
        before = [stage, *networkx.descendants(graph, stage)]
        read = {one: [dep for dep in one.deps if not isinstance(dep, ParamsDependency)] for one in before}
        return Target(
            stage=stage.addressing,
            parents=sorted(one.addressing for one in graph.successors(stage)),
            commands={one.addressing: one.cmd for one in before if one.cmd},
            sources={one.addressing: [str(dep) for dep in read[one] if str(dep) not in writers] for one in before},
            params=sorted({name for one in before for dep in one.params for name in dep.params}),
            outs=[str(one) for one in stage.outs],
            kept=sorted(writers),
            cache=str(repo.cache.local_cache_dir),
        )


def check(root: Path | str = ".") -> None:
    """Check ``params.yaml`` before DVC reads it: DVC takes paths from there, and clears them before a stage runs.

    Raises:
        MorelikeError: names the key, what was expected, and what was got.
    """
    settings.read(Path(root) / settings.PATH)


def use_images(raw: str, root: Path | str = ".") -> str:
    """Set ``data.raw`` in ``params.yaml``, whose comments stay, and return the path as it was written.

    Raises:
        FileNotFoundError: nothing is at ``raw``, seen from ``root``.
        MorelikeError: ``params.yaml`` cannot be read.
    """
    path = os.path.normpath(os.path.expanduser(raw))
    if not (Path(root) / path).exists():
        raise FileNotFoundError(f"{raw}: no such folder or file, seen from {Path(root).resolve()}")
    params = Path(root) / settings.PATH
    text = settings.text(params)
    settings.parse(text, params)  # ruamel's own error would name no file
    changed = with_values(text, {"data.raw": path})
    if changed != text:
        files.write_text(params, changed)
    return path


def with_values(text: str, changes: Mapping[str, Any]) -> str:
    """Return the text of a params file with changes by dotted key; its comments stay.

    >>> with_values("a:\\n  b: 1 # why\\n", {"a.b": 1e-05})
    'a:\\n  b: 1.0e-05 # why\\n'
    """
    from ruamel.yaml import YAML

    yaml = YAML()
    yaml.width = 4096
    yaml.preserve_quotes = True
    yaml.representer.add_representer(float, _float)
    values = yaml.load(text)
    unlike = {key: change for key, change in changes.items() if value_of(values, key) != change}
    if not unlike:
        return text
    written = io.StringIO()
    yaml.dump(replaced(values, unlike), written)
    return written.getvalue()


def replaced(values: Any, changes: Mapping[str, Any]) -> Any:
    """Return a copy of nested values, with changes by dotted key.

    >>> replaced({"a": {"b": 1}}, {"a.b": 2})
    {'a': {'b': 2}}
    """
    values = copy.deepcopy(values)
    for key, change in changes.items():
        inner, _, last = key.rpartition(".")
        holder = value_of(values, inner) if inner else values
        holder[int(last) if isinstance(holder, list) else last] = change
    return values


def value_of(values: Any, key: str) -> Any:
    """Return the value of a dotted key; in a list, a number is the place.

    >>> value_of({"recipes": [{"std": 0.1}]}, "recipes.0.std")
    0.1

    Raises:
        KeyError: there is no such key.
    """
    for part in key.split("."):
        try:
            values = values[int(part)] if isinstance(values, list) else values[part]
        except (TypeError, ValueError, IndexError) as error:
            raise KeyError(key) from error
    return values


def _float(representer: Any, value: float) -> Any:
    """Write 1e-05 as 1.0e-05: readers of YAML 1.1 take the former for text."""
    text = repr(value)
    text = text.replace("e", ".0e", 1) if "e" in text and "." not in text else text
    return representer.represent_scalar("tag:yaml.org,2002:float", text)


def remove_outs(root: Path | str = ".") -> list[Path]:
    """Remove what the stages wrote, and return the removed paths. DVC's cache keeps its copy."""
    there = [path for path in outs(root) if path.exists()]
    for path in there:
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    return there


def main() -> None:
    """Do what the command line asks."""
    parser = argparse.ArgumentParser(description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("use-images").add_argument("raw")
    commands.add_parser("remove-outs")
    commands.add_parser("check")
    arguments = parser.parse_args()
    try:
        if arguments.command == "remove-outs":
            for path in remove_outs():
                print(f"removed {path}")
        elif arguments.command == "use-images":
            print(printable(f"params.yaml: data.raw is now {use_images(arguments.raw)}"))
        else:
            check()
    except (MorelikeError, OSError) as error:
        sys.exit(one_line(error))


if __name__ == "__main__":
    main()
