"""Figures beside the verdict: how like the real images are the synthetic ones, and are they new?"""

from collections.abc import Callable, Mapping

import numpy as np
from torch import Tensor

from morelike.evaluate import coverage, labels, memorisation, spectra, two_sample
from morelike.evaluate.features import (
    Features,
    appearance,
    augmented,
    gradients,
    of_rows,
    random_features,
    small_pictures,
)
from morelike.evaluate.sample import Sample
from morelike.storage.shards import ShardStore

PIXELS, RANDOM_NETWORK = "pixels", "random network"


def measure(
    store: ShardStore,
    features: Mapping[str, Features],
    augment: Callable[[Tensor], Tensor],
    random: np.random.Generator,
) -> dict:
    """Compare the synthetic with the real train images of a judged store, and with held-out real ones of val.

    Args:
        store: the judged store; test images are not looked at.
        features: spaces to compare in, by name, besides pixels and a random network.
        augment: the classical augmentation, float32 N×C×H×W in [0, 1] to the same.
        random: draws which images are looked at; time and memory are bounded by :class:`Sample`.

    Returns:
        A dict that JSON can hold; None or empty where nothing can be measured. Each part is as its function says:

        - ``images``: how many of each kind were looked at
        - ``colour_real``, ``colour_synthetic``, ``colour_difference``: see :func:`colours`
        - ``spectrum``: :func:`spectra.ratio`
        - ``two_sample``: :func:`two_sample.tell_apart` of the images as ``stored`` and as ``augmented``
        - ``coverage``: :func:`coverage.compare`, by space, but for pixels
        - ``labels``: :func:`labels.consistency`
        - ``memorisation``: :func:`memorisation.measure`, by space
        - ``two_sample_auc``, ``label_consistency``, ``memorisation_z``, ``perturbation_share``: the four of them that
          say most, the first as stored, the last two in pixels
    """
    sample = Sample.draw(store, random)
    spaces = {PIXELS: small_pictures, RANDOM_NETWORK: random_features(store.shape)} | dict(features)
    values = {name: of_rows(store, sample.rows, space) for name, space in spaces.items()}
    look = appearance(store.shape)
    looks = {"stored": look, "augmented": augmented(look, augment)}
    measured = {
        "images": sample.count(),
        "spectrum": spectra.ratio(store, sample),
        "two_sample": {
            how: two_sample.tell_apart(sample, of_rows(store, sample.rows, seen)) for how, seen in looks.items()
        },
        "coverage": {name: coverage.compare(sample, of, random) for name, of in values.items() if name != PIXELS},
        "labels": labels.consistency(sample, of_rows(store, sample.rows, gradients)),
        "memorisation": {
            name: memorisation.measure(store, sample, values[name], space) for name, space in spaces.items()
        },
    }
    return colours(store) | measured | _headline(measured)


def colours(store: ShardStore) -> dict:
    """Return the mean colours of real and synthetic train images, over the classes that have both kinds.

    Each class counts alike.

    Returns:
        ``colour_real``, ``colour_synthetic``, per channel in [0, 1], and ``colour_difference``, the largest absolute
        difference of a channel.
    """
    index = store.index
    train, synthetic = (index["split"] == "train").to_numpy(), index["synthetic"].to_numpy(bool)
    label, means = index["label"].to_numpy(), []
    for name in np.unique(label[train & synthetic]):
        kinds = [np.flatnonzero(train & kind & (label == name)) for kind in (~synthetic, synthetic)]
        if len(kinds[0]):
            means.append([_mean_colour(store, rows) for rows in kinds])
    real, made = np.mean(means, 0) if means else ([], [])
    return {
        "colour_real": [float(c) for c in real],
        "colour_synthetic": [float(c) for c in made],
        "colour_difference": float(np.abs(real - made).max()) if means else None,
    }


def _headline(measured: dict) -> dict:
    told_apart, labelled = measured["two_sample"]["stored"], measured["labels"]
    return {
        "two_sample_auc": told_apart["auc"] if told_apart else None,
        "label_consistency": labelled["synthetic"] if labelled else None,
        "memorisation_z": measured["memorisation"][PIXELS]["z"],
        "perturbation_share": measured["memorisation"][PIXELS]["perturbation_share"],
    }


def _mean_colour(store: ShardStore, rows: np.ndarray) -> np.ndarray:
    total = sum(images.mean((1, 2), dtype=np.float64).sum(0) for images in store.batches(rows))
    return total / len(rows) / 255
