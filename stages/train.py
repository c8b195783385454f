"""train: teach one model the train split, on a GPU where there is one."""

from pathlib import Path

from morelike.core import cli, files, settings
from morelike.models import registry
from morelike.storage.shards import ShardStore
from morelike.train.images import ImageTraining, train
from morelike.train.settings import Train


def main(
    model: str, resized: Path, noisy: Path, out: Path, live: Path, curves: Path, metrics: Path, base: Path | None = None
) -> None:
    """Train ``model`` on the images of ``resized``; its settings are ``train`` and ``models.MODEL``."""
    params = settings.read()
    chosen = registry.settings_of(model, params)
    settings.check(params, models=True)
    std = files.read_json(resized / "normalisation.json")["std"]
    common = params.section("train", Train)
    task = ImageTraining(model, ShardStore(resized), ShardStore(noisy), std, common, chosen, params.seed, base)
    measured = train(task, out, live, cli.STATE)
    if measured is not None:  # the first of several processes
        files.write_json(metrics, measured)
        files.write_bytes(curves, (out / "history.csv").read_bytes())  # alone in its folder, as `dvc plots` needs it


if __name__ == "__main__":
    cli.run(main)
