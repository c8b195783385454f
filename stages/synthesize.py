"""synthesize: make new images with one trained model, each traced to what made it."""

from pathlib import Path

from morelike.core import cli, files, progress, settings
from morelike.models import registry
from morelike.storage.shards import ShardStore
from morelike.synthesize import sampling
from morelike.synthesize.settings import Synthesize


def main(model: str, resized: Path, models: Path, synthetic: Path) -> None:
    """Make the images that ``synthesize`` in params.yaml asks of ``model``."""
    params = settings.read()
    chosen = registry.synthesis_settings_of(model, params)
    common = params.section("synthesize", Synthesize, besides=settings.model_names(params))
    precision = params.value("train.precision")
    store = ShardStore.checked(resized)
    maker = sampling.Maker(model, models / model, store, chosen, common.batch_size, precision, params.seed)
    counts = sampling.counts_per_class(maker.store, common.per_class, common.at_least)
    with files.written_aside(synthetic / model) as aside:
        made = sampling.synthesize(maker, counts, aside)
    progress.say(f"{model}: {made['images']:,} images of {len(counts)} classes by {chosen.method}")


if __name__ == "__main__":
    cli.run(main)
