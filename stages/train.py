"""train: teach one model the train split, on a GPU where there is one."""

from pathlib import Path

from morelike import edge, files, params, training
from morelike.shards import ShardStore


def main(model: str, resized: Path, noisy: Path, out: Path, live: Path, metrics: Path) -> None:
    """Train ``model`` on the images of ``resized``; its settings are ``train`` and ``models.MODEL``."""
    chosen = params.load()
    settings = getattr(chosen.models, model).model_dump()
    std = files.read_json(resized / "normalisation.json")["std"]
    with files.written_aside(out) as aside:
        measured = training.train(
            model, ShardStore(resized), ShardStore(noisy), std, chosen.train, settings, chosen.seed, aside, live
        )
        files.write_json(aside / "metrics.json", measured)
    files.write_json(metrics, measured)


if __name__ == "__main__":
    edge.run(main)
