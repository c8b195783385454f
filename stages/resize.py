"""resize: give every accepted image one form, and prove the arrays that the models will read."""

from pathlib import Path

from morelike import edge, params, progress, resize


def main(raw: str, validated: Path, out: Path) -> None:
    """Write the resized store."""
    settings = params.load()
    form = resize.write_resized(raw, validated, out, settings.resize, settings.data.background_rgb)
    progress.say(
        f"resize: {form['checks']['float_view']['images']} images of {form['width_px']}×{form['height_px']} px"
    )


if __name__ == "__main__":
    edge.run(main)
