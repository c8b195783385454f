"""train: teach one model the train split, on a GPU where there is one."""

from pathlib import Path

from morelike.core import cli, files, settings
from morelike.corrupt.settings import Corrupt
from morelike.models import registry
from morelike.storage.shards import ShardStore
from morelike.train.images import ImageTraining, train
from morelike.train.settings import Train


def main(model: str, resized: Path, noisy: Path, models: Path, live: Path, curves: Path, metrics: Path) -> None:
    """Train ``model`` on the images of ``resized``; its settings are ``train`` and ``models.MODEL``."""
    params = settings.read()
    chosen = registry.settings_of(model, params)
    settings.check(params, models=True)
    std = files.read_json(resized / "normalisation.json", "std")["std"]
    common = params.section("train", Train)
    base = models / common.base if model in common.models_on_base else None
    stores = ShardStore.checked(resized), ShardStore.checked(noisy)
    recipes = params.section("corrupt", Corrupt).recipes
    task = ImageTraining(model, *stores, recipes, std, common, chosen, params.seed, base)
    measured = train(task, models / model, live / model, cli.STATE)
    if measured is not None:  # the first of several processes
        files.write_json(metrics / f"train-{model}.json", measured)
        history = (models / model / "history.csv").read_bytes()
        files.write_bytes(curves / f"{model}.csv", history)  # alone in its folder, as `dvc plots` needs it


if __name__ == "__main__":
    cli.run(main)
