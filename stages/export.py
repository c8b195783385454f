"""export: write the augmented dataset, with a manifest row an image and a dataset card."""

from pathlib import Path

from morelike import edge, export, files, params, progress


def main(validated: Path, resized: Path, synthetic: Path, out: Path, metrics: Path) -> None:
    """Write the dataset and its metrics."""
    measured = export.write_augmented(validated, resized, synthetic, out, params.load().export)
    files.write_json(metrics, measured)
    real, new = sum(measured["real"].values()), measured["synthetic"]["train"]
    progress.say(f"export: {real} real and {new} synthetic images, {sum(measured['filtered'].values())} filtered")


if __name__ == "__main__":
    edge.run(main)
