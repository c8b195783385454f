"""train: teach one model the train split, on a GPU where there is one."""

from pathlib import Path

from morelike import edge, files, params
from morelike.shards import ShardStore
from morelike.training.engine import Task, train


def main(model: str, resized: Path, noisy: Path, out: Path, live: Path, metrics: Path) -> None:
    """Train ``model`` on the images of ``resized``; its settings are ``train`` and ``models.MODEL``."""
    chosen = params.load()
    settings = getattr(chosen.models, model).model_dump()
    std = files.read_json(resized / "normalisation.json")["std"]
    task = Task(model, ShardStore(resized), ShardStore(noisy), std, chosen.train, settings, chosen.seed)
    measured = train(task, out, live, edge.STATE)
    if measured is not None:  # the first of several processes
        files.write_json(metrics, measured)


if __name__ == "__main__":
    edge.run(main)
