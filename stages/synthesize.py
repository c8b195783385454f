"""synthesize: make new images with one trained model, each traced to what made it."""

from pathlib import Path

from morelike import edge, files, params, progress, sampling
from morelike.shards import ShardStore


def main(model: str, resized: Path, trained: Path, out: Path) -> None:
    """Make the images that ``synthesize`` in params.yaml asks of ``model``."""
    chosen = params.load()
    settings = getattr(chosen.synthesize, model).model_dump()
    store = ShardStore(resized)
    real = store.index["label"][store.index["split"] == "train"].value_counts()
    counts = sampling.counts_per_class(real, chosen.synthesize.per_class, chosen.synthesize.at_least)
    maker = sampling.Maker(
        model, trained, store, settings, chosen.synthesize.batch_size, chosen.train.precision, chosen.seed
    )
    with files.written_aside(out) as aside:
        made = sampling.synthesize(maker, counts, aside)
    progress.say(f"{model}: {made['images']:,} images of {len(counts)} classes by {settings['method']}")


if __name__ == "__main__":
    edge.run(main)
