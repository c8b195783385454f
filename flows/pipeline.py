"""What DVC knows of the pipeline: its stages in order, what they write, and where its images are.

``python -m flows.pipeline use-images FOLDER`` and ``python -m flows.pipeline remove-outs`` are what ``make`` calls.
"""

import argparse
import os
import shutil
import sys
from pathlib import Path


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
    """Return every path that a stage of ``dvc.yaml`` writes; what was put there by ``dvc add`` is not among them."""
    from dvc.repo import Repo

    with Repo(str(root)) as repo:
        return sorted(Path(out.fs_path) for stage in repo.index.stages if stage.cmd for out in stage.outs)


def use_images(raw: str, root: Path | str = ".") -> str:
    """Set ``data.raw`` in ``params.yaml``, whose comments stay, and return the path as it was written.

    Raises:
        FileNotFoundError: there is nothing at ``raw``, which is relative to ``root``.
    """
    from ruamel.yaml import YAML

    path = os.path.normpath(os.path.expanduser(raw))
    if not (Path(root) / path).exists():
        raise FileNotFoundError(f"{raw}: no such folder or file, seen from {Path(root).resolve()}")
    yaml = YAML()
    yaml.width = 4096
    yaml.preserve_quotes = True
    params = Path(root) / "params.yaml"
    values = yaml.load(params.read_text(encoding="utf-8"))
    if values["data"]["raw"] != path:
        values["data"]["raw"] = path
        with params.open("w", encoding="utf-8") as file:
            yaml.dump(values, file)
    return path


def remove_outs(root: Path | str = ".") -> list[Path]:
    """Remove what the stages wrote, and return what was there. DVC's store keeps its copy."""
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
    arguments = parser.parse_args()
    if arguments.command == "remove-outs":
        for path in remove_outs():
            print(f"removed {path}")
        return
    try:
        print(f"params.yaml: data.raw is now {use_images(arguments.raw)}")
    except FileNotFoundError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
