"""Do the synthetic images lie where real ones lie, and everywhere there? KID, density and coverage."""

import numpy as np
from scipy.spatial.distance import cdist

from morelike.evaluate.sample import Sample

NEAREST = 5  # the neighbours that make a ball
MOST_IN_KERNEL = 2000  # images of a kind: their kernel takes 32 MB


def compare(sample: Sample, values: np.ndarray, random: np.random.Generator) -> dict:
    """Compare synthetic with real train images, and held-out real ones as well: these show what is good.

    As many images of either kind are taken from each class, so that figures do not differ because numbers do.

    Args:
        sample: the images.
        values: float N×D, their features.
        random: draws which images of the more frequent kind are taken.

    Returns:
        For ``synthetic`` and for ``held_out``: ``kid``; ``density`` and ``coverage``, the mean over the classes;
        ``images``, how many of either kind they rest on; ``by_class`` with density, coverage and images of each. None
        where a class has too few images.
    """
    kinds = {"synthetic": sample.synthetic, "held_out": sample.held_out}
    return {name: _against_real(sample, values.astype(np.float64), kind, random) for name, kind in kinds.items()}


def kid(real: np.ndarray, other: np.ndarray) -> float:
    """Return the unbiased squared MMD with the kernel (x·y / D + 1)³ (Bińkowski et al. 2018, equation 4).

    Args:
        real: float64 N×D, N at least 2.
        other: float64 M×D, M at least 2.

    Returns:
        0 in the mean for two draws from one distribution; it can be negative.
    """

    def kernel(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        return (a @ b.T / a.shape[1] + 1) ** 3

    def within(a: np.ndarray) -> float:
        k = kernel(a, a)
        return (k.sum() - np.trace(k)) / (len(a) * (len(a) - 1))

    return float(within(real) + within(other) - 2 * kernel(real, other).mean())


def density_and_coverage(real: np.ndarray, other: np.ndarray, nearest: int = NEAREST) -> tuple[float, float]:
    """Return density and coverage (Naeem et al. 2020, equations 4 and 5).

    Around each real image lies a ball that reaches to its ``nearest``-th nearest other real one. Density is how many
    balls an image of ``other`` lies in, as a share of ``nearest``, in the mean; coverage is the share of the balls that
    hold one. Of two draws of N from one distribution: density 1, coverage 1 - (N-1)...(N-k) / ((2N-1)...(2N-k)), which
    is about 0.97 for k = 5.

    Args:
        real: float N×D, N above ``nearest``.
        other: float M×D.
        nearest: k.
    """
    radius = np.partition(cdist(real, real), nearest, axis=1)[:, nearest]  # the 0th nearest is the image itself
    inside = cdist(real, other) < radius[:, None]
    return float(inside.sum(0).mean() / nearest), float(inside.any(1).mean())


def _against_real(sample: Sample, values: np.ndarray, kind: np.ndarray, random: np.random.Generator) -> dict:
    taken, by_class = [], {}
    for k, name in enumerate(sample.classes):
        rows = [np.flatnonzero(which & (sample.label == k)) for which in (sample.real, kind)]
        count = min(map(len, rows))
        real, other = (random.permutation(of_kind)[:count] for of_kind in rows)
        taken.append(np.stack([real, other]))
        enough = count > NEAREST
        figures = density_and_coverage(values[real], values[other]) if enough else (None, None)
        by_class[name] = dict(zip(("density", "coverage"), figures, strict=True)) | {"images": count}
    pairs = random.permutation(np.concatenate([np.empty((2, 0), int), *taken], 1), axis=1)
    real, other = pairs[:, :MOST_IN_KERNEL]
    means = {
        key: float(np.mean(known)) if (known := [c[key] for c in by_class.values() if c[key] is not None]) else None
        for key in ("density", "coverage")
    }
    measured = {"kid": kid(values[real], values[other]) if len(real) > 1 else None}
    return measured | means | {"images": pairs.shape[1], "by_class": by_class}
