"""Are the synthetic images new, or copies of train images?"""

import numpy as np
from scipy.stats import mannwhitneyu

from morelike.evaluate.features import Features, of_rows
from morelike.evaluate.sample import Sample
from morelike.storage.shards import ShardStore

REAL_QUANTILE = 0.05  # an image nearer to a real one than 95% of the real ones are to each other is a perturbation
ROWS_AT_ONCE = 1024  # of the references; memory must not grow with a class
QUANTILES = {"smallest": 0.0, "q05": 0.05, "median": 0.5, "q95": 0.95}


def measure(store: ShardStore, sample: Sample, values: np.ndarray, features: Features) -> dict:
    """Compare distances to the nearest real train image of the class: of synthetic, held-out and train images.

    The data-copying test of Meehan et al. 2020, with a class for a cell: ``z`` is the Mann-Whitney statistic of the
    distances of synthetic against those of held-out real images, the mean over classes weighted by the held-out ones.
    Below about -3 the synthetic images are nearer to train than new real ones are: copied; above 3 they are off.
    A perturbation is nearer to a real image than 95% of the real ones of its class are to each other (units, such as
    groups, do not count as others to themselves). Of held-out real images about 5% are.

    Args:
        store: the judged store: all its real train images are compared with, not those of the sample alone.
        sample: whose distances are measured.
        values: float N×D, its features; ``features`` makes those of the train images.

    Returns:
        ``z``, ``perturbation_share``, ``perturbation_share_held_out`` (None where nothing can be measured), the
        quantiles ``distance_real``, ``distance_synthetic`` and ``distance_held_out``, and ``by_class`` with ``z``,
        ``perturbation_share`` and the number of images.
    """
    distance = nearest_distances(store, sample, values, features)
    near = np.zeros(len(distance), bool)
    by_class, weights = {}, {}
    kinds = {"real": sample.real, "synthetic": sample.synthetic, "held_out": sample.held_out}
    measured = np.isfinite(distance)
    for k, name in enumerate(sample.classes):
        here = {kind: which & measured & (sample.label == k) for kind, which in kinds.items()}
        real, synthetic, held_out = (distance[which] for which in here.values())
        if len(real):
            near[sample.label == k] = distance[sample.label == k] < np.quantile(real, REAL_QUANTILE, method="weibull")
        both = len(synthetic) and len(held_out)
        by_class[name] = {"z": copying_z(synthetic, held_out) if both else None}
        by_class[name]["perturbation_share"] = _mean(near[here["synthetic"]]) if len(real) else None
        by_class[name] |= {kind: int(which.sum()) for kind, which in here.items()}
        weights[name] = len(held_out) if both else 0
    judged = measured & np.isin(sample.label, np.unique(sample.label[sample.real & measured]))
    total = sum(weights.values())
    return {
        "z": sum(w * by_class[name]["z"] for name, w in weights.items() if w) / total if total else None,
        "perturbation_share": _mean(near[judged & sample.synthetic]),
        "perturbation_share_held_out": _mean(near[judged & sample.held_out]),
        **{f"distance_{kind}": _quantiles(distance[which & measured]) for kind, which in kinds.items()},
        "by_class": by_class,
    }


def nearest_distances(store: ShardStore, sample: Sample, values: np.ndarray, features: Features) -> np.ndarray:
    """Return the distance of each image of the sample to the nearest real train image of its class.

    For a real train image those of its own unit do not count.

    Returns:
        float64 N; infinity where there is nothing to compare with.
    """
    distance = np.full(len(sample.rows), np.inf)
    real = ~store.index["synthetic"].to_numpy(bool)
    for k, name in enumerate(sample.classes):
        here = np.flatnonzero(sample.label == k)
        rows = store.rows("train", name)
        rows = rows[real[rows]]
        own = np.where(sample.real[here], sample.unit[here], -1)
        for start in range(0, len(rows), ROWS_AT_ONCE):
            part = rows[start : start + ROWS_AT_ONCE]
            apart = _distances(values[here], of_rows(store, part, features))
            apart[own[:, None] == sample.units[part]] = np.inf
            distance[here] = np.minimum(distance[here], apart.min(1))
    return distance


def copying_z(synthetic: np.ndarray, held_out: np.ndarray) -> float:
    """Return the standardised Mann-Whitney statistic of two sets of distances; negative: ``synthetic`` are smaller.

    >>> copying_z(np.array([1.0, 2.0]), np.array([1.0, 2.0]))
    0.0
    """
    count, other = len(synthetic), len(held_out)
    statistic = mannwhitneyu(synthetic, held_out, method="asymptotic").statistic
    ties = np.unique(np.concatenate([synthetic, held_out]), return_counts=True)[1]
    all_ = count + other
    variance = count * other / 12 * (all_ + 1 - (ties**3 - ties).sum() / (all_ * (all_ - 1)))
    return float((statistic - count * other / 2) / np.sqrt(variance)) if variance > 0 else 0.0


def _distances(values: np.ndarray, others: np.ndarray) -> np.ndarray:
    import torch

    return torch.cdist(torch.from_numpy(values), torch.from_numpy(others)).numpy().astype(np.float64)


def _mean(values: np.ndarray) -> float | None:
    return float(values.mean()) if len(values) else None


def _quantiles(values: np.ndarray) -> dict[str, float] | None:
    return {name: float(np.quantile(values, q)) for name, q in QUANTILES.items()} if len(values) else None
