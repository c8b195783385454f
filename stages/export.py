"""export: choose how to train on the dataset, and write it, with a manifest row per image and a dataset card."""

from pathlib import Path

from morelike.core import cli, files, progress, settings
from morelike.export import choosing, export
from morelike.export.settings import Export
from morelike.judge.settings import Judge


def main(validated: Path, resized: Path, synthetic: Path, out: Path, metrics: Path) -> None:
    """Write the dataset and its metrics."""
    params = settings.read()
    sources = export.Sources(validated, resized, synthetic, settings.trained_models(params))
    judging = choosing.Judging(params.section("evaluate", Judge), params.seed)
    measured = export.write_augmented(sources, out, params.section("export", Export), judging, cli.STATE)
    files.write_json(metrics, measured)
    real, new = sum(measured["real"].values()), measured["synthetic"]["train"]
    progress.say(f"export: {real} real and {new} synthetic images, {sum(measured['filtered'].values())} filtered")


if __name__ == "__main__":
    cli.run(main)
