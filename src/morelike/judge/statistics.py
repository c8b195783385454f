"""Balanced means over test images, how certain they and their differences are, and what that says.

Values are seeds×images: a number per training seed and test image, such as right or wrong, or a log-likelihood; of one
arm, or the difference of two arms with the same seeds and images. The mean is balanced: over classes, of the mean over
the class's images. Images of one cluster (a patient, a papyrus) count as one draw; a cluster may span classes.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.special import stdtrit

HELPS, HARMS, NO_DIFFERENCE, CANNOT_TELL = "helps", "harms", "no useful difference", "cannot tell"


@dataclass(frozen=True)
class Interval:
    """An estimate with its confidence interval.

    Attributes:
        mean: the estimate.
        low: the lower end.
        high: the upper end.
        se: the standard error.
        df: degrees of freedom of the t distribution that the quantile was taken from.
    """

    mean: float
    low: float
    high: float
    se: float
    df: float


@dataclass(frozen=True)
class Compared:
    """One of several recipes beside the best of them.

    Attributes:
        mean: balanced mean of its negative log-likelihood.
        difference: to that of the best recipe; 0 for the best.
        se: the standard error of the difference.
    """

    mean: float
    difference: float
    se: float


class Sample:
    """How test images stand in classes and clusters, and so how much each weighs.

    Sums are over cells: the images of one cluster in one class. Cells are in order of class, then cluster.

    Attributes:
        share: float cells, the cell's share of the images of its class.
        clusters_in: int classes, how many clusters each class has.
        images_in: int classes, how many images each class has.
    """

    def __init__(self, targets: np.ndarray, clusters: np.ndarray, counted: np.ndarray | None = None):
        """Take the class and the cluster of each image, int images; ``counted``, bool classes: which classes count.

        Raises:
            ValueError: no class that counts has images of two clusters, so nothing tells how they vary.
        """
        targets, clusters = np.asarray(targets), np.asarray(clusters)
        chosen = np.ones(len(targets), bool) if counted is None else np.asarray(counted, bool)[targets]
        self._order = np.flatnonzero(chosen)[np.lexsort((clusters[chosen], targets[chosen]))]
        targets, clusters = targets[self._order], clusters[self._order]
        new_class = _changes(targets)
        self._cells = np.flatnonzero(new_class | _changes(clusters))
        self._classes = np.flatnonzero(new_class[self._cells])
        self._class_of = np.cumsum(new_class[self._cells]) - 1
        clusters = clusters[self._cells]
        self._by_cluster = np.argsort(clusters, kind="stable")
        self._clusters = np.flatnonzero(_changes(clusters[self._by_cluster]))
        images = np.diff(self._cells, append=len(targets))
        self.images_in = np.add.reduceat(images, self._classes)
        self.clusters_in = np.diff(self._classes, append=len(self._cells))
        self.share = images / self.images_in[self._class_of]
        if not (self.clusters_in > 1).any():
            raise ValueError("expected a class with test images of two groups or more, got at most one in each")

    @cached_property
    def effective_images(self) -> float:
        """As many images of equal weight would weigh as unevenly: 1 / the sum of squared weights (Kish 1965)."""
        return len(self.images_in) ** 2 / (1 / self.images_in).sum()

    def means(self, values: np.ndarray) -> np.ndarray:
        """Return the balanced mean of ...×images, float64."""
        return self._class_means(self._parts(values)).mean(-1)

    def scores(self, values: np.ndarray) -> np.ndarray:
        """Return what each cell adds to the balanced mean beyond its class's mean, ...×cells.

        They are scaled so that the sum of their squares over cells, added up within clusters first, is the variance
        of the mean without bias where the clusters of a class have equal sizes: the jackknife over clusters
        (CV3; MacKinnon, Nielsen & Webb 2023). A class with one cluster has none: its scores are 0.
        """
        parts = self._parts(values)
        beyond = parts - self.share * self._class_means(parts)[..., self._class_of]
        return beyond * self._jackknife / len(self.images_in)

    def over_classes(self, cells: np.ndarray) -> np.ndarray:
        """Sum ...×cells over the cells of each class."""
        return np.add.reduceat(cells, self._classes, axis=-1)

    def over_clusters(self, cells: np.ndarray) -> np.ndarray:
        """Sum ...×cells over the cells of each cluster."""
        return np.add.reduceat(cells[..., self._by_cluster], self._clusters, axis=-1)

    def of_classes(self, classes: np.ndarray) -> np.ndarray:
        """Give each cell its class's value, ...×classes to ...×cells."""
        return classes[..., self._class_of]

    @cached_property
    def _jackknife(self) -> np.ndarray:
        alone = self.share == 1
        return np.where(
            alone, 0, np.sqrt(1 - 1 / self.of_classes(self.clusters_in)) / np.where(alone, 1, 1 - self.share)
        )

    def _parts(self, values: np.ndarray) -> np.ndarray:
        sums = np.add.reduceat(np.asarray(values, np.float64)[..., self._order], self._cells, axis=-1)
        return sums / self.of_classes(self.images_in)

    def _class_means(self, parts: np.ndarray) -> np.ndarray:
        return np.add.reduceat(parts, self._classes, axis=-1)


def interval(
    values: np.ndarray,
    targets: np.ndarray,
    clusters: np.ndarray,
    confidence: float,
    counted: np.ndarray | None = None,
    step: float = 1.0,
) -> Interval:
    """Return the balanced mean with its confidence interval, over new test images and new seeds.

    The variance is that of images, by cluster, plus that of seeds, less what both contain: the interaction of images
    and seeds (two-way random effects). The quantile is Student's, its degrees of freedom after Satterthwaite (1946).
    The images' part is at least (step / (n + 2))², n the effective number of images, as if one more pair of images
    disagreed (after Agresti & Min 2005): a few images that all agree do not make a difference certain.

    Args:
        values: seeds×images, two seeds or more.
        targets: int images, the class of each.
        clusters: int images, what belongs together; where nothing does, a number of its own for each.
        confidence: of the interval, above 0 and below 1.
        counted: bool classes, which classes count; all by default.
        step: by how much one image can differ: 1 for right or wrong, 0 for a log-likelihood, which never just agrees.

    Raises:
        ValueError: fewer than two seeds, or no class with two clusters.
    """
    if len(values) < 2:
        raise ValueError(f"expected two seeds or more, got {len(values)}")
    mean, se, df = (float(one) for one in estimate(Sample(targets, clusters, counted), values, step))
    reach = float(stdtrit(df, (1 + confidence) / 2)) * se
    return Interval(mean, mean - reach, mean + reach, se, df)


def estimate(sample: Sample, values: np.ndarray, step: float = 1.0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the balanced means of ...×seeds×images, their standard errors and degrees of freedom, as for `interval`.

    One seed says nothing of how seeds vary: it adds nothing to the standard error.
    """
    scores, by_seed, seeds = sample.scores(values), sample.means(values), np.shape(values)[-2]
    images, df = _image_variance(sample, scores.mean(-2), step)
    mean = by_seed.mean(-1)
    if seeds == 1:
        return mean, np.sqrt(images), df
    interaction = sample.over_clusters(scores - scores.mean(-2, keepdims=True))
    of_seeds = by_seed.var(-1, ddof=1) / seeds
    beyond = np.maximum(of_seeds - np.square(interaction).sum((-2, -1)) / (seeds - 1) / seeds, 0)
    doubt = images**2 / df + np.where(beyond > 0, of_seeds, 0) ** 2 / (seeds - 1)
    variance = images + beyond
    return mean, np.sqrt(variance), np.where(doubt > 0, variance**2 / np.where(doubt > 0, doubt, 1), df)


def one_standard_error(
    nll: np.ndarray, targets: np.ndarray, clusters: np.ndarray, counted: np.ndarray | None = None
) -> tuple[int, list[Compared]]:
    """Choose the first recipe that is no more than one standard error worse than the best (Breiman et al. 1984).

    The standard error is that of the paired difference: the same images, and the same seeds, for all recipes. With
    one seed it is that of images alone.

    Args:
        nll: recipes×seeds×images, negative log-likelihood; recipes in the order of preference, the simplest first.
        targets: int images, the class of each.
        clusters: int images, what belongs together.
        counted: bool classes, which classes count; all by default.

    Returns:
        The number of the recipe, and how each compares with the best.

    Raises:
        ValueError: no class has two clusters.
    """
    sample = Sample(targets, clusters, counted)
    means = sample.means(nll).mean(-1)
    differences, errors, _ = estimate(sample, nll - nll[np.argmin(means)], step=0)
    compared = [Compared(*map(float, one)) for one in zip(means, differences, errors, strict=True)]
    return next(number for number, one in enumerate(compared) if one.difference <= one.se), compared


def verdict(difference: Interval, margin: float) -> str:
    """Return what a difference says: one of four verdicts.

    ``no useful difference``: the interval lies within ±``margin``, whatever its sign; else ``helps`` or ``harms``:
    it lies above or below 0; else ``cannot tell``.

    >>> ends = [(0.02, 0.04), (-0.04, -0.02), (0.001, 0.008), (-0.094, 0.077)]
    >>> [verdict(Interval((low + high) / 2, low, high, 0.01, 9), margin=0.01) for low, high in ends]
    ['helps', 'harms', 'no useful difference', 'cannot tell']
    """
    if -margin <= difference.low and difference.high <= margin:
        return NO_DIFFERENCE
    if difference.low > 0:
        return HELPS
    return HARMS if difference.high < 0 else CANNOT_TELL


def smallest_visible(difference: Interval, power: float = 0.8) -> float:
    """Return the smallest true difference whose interval would have left out 0, with a chance of ``power``.

    It is half the interval's width plus the t quantile of ``power`` in standard errors (Bloom 1995, "Minimum
    detectable effects").
    """
    reach = (difference.high - difference.low) / 2
    return reach + float(stdtrit(difference.df, power)) * difference.se


def _changes(sorted_numbers: np.ndarray) -> np.ndarray:
    return np.concatenate([[True], sorted_numbers[1:] != sorted_numbers[:-1]])


def _image_variance(sample: Sample, scores: np.ndarray, step: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the variance that comes from images, from the scores ...×cells, and its degrees of freedom.

    A class with one cluster has the variance between clusters that the other classes have on average.
    """
    by_class = sample.over_classes(scores**2)
    clusters = 1 / sample.over_classes(sample.share**2)  # of equal size, that would vary as much
    between = (by_class * clusters * (sample.clusters_in - 1)).sum(-1) / (sample.clusters_in - 1).sum()
    variance = np.square(sample.over_clusters(scores)).sum(-1) + (sample.clusters_in == 1).sum() * between
    floor = (step / (sample.effective_images + 2)) ** 2
    return np.maximum(variance, floor), _image_df(sample, by_class)


def _image_df(sample: Sample, by_class: np.ndarray) -> np.ndarray:
    """Return the degrees of freedom, 1 or more: of the clusters, each with the variance that it can be expected to add.

    For clusters within classes these are Satterthwaite's, the number of clusters less one per class if all are alike;
    for clusters that span all classes it is their number less one.
    """
    squares = np.where(sample.share < 1, sample.share**2, 0)
    by_class = np.where(by_class.any(-1, keepdims=True), by_class, sample.clusters_in > 1)
    expected = squares * sample.of_classes(by_class / sample.over_classes(sample.share**2))
    lost = np.sqrt(np.where(sample.share < 1, 1 - sample.share, 1))  # as the class's mean is taken from the same images
    return np.maximum(expected.sum(-1) ** 2 / np.square(sample.over_clusters(expected / lost)).sum(-1), 1.0)
