"""Refuse copies of val or test images among the images to learn from: a verdict on them would say nothing."""

import hashlib
from collections.abc import Iterator

import numpy as np
import pandas as pd
from scipy.stats import hypergeom

from morelike.core import randomness
from morelike.judge.errors import LeakError
from morelike.judge.rows import clusters_of
from morelike.storage.nearest import nearest_rows
from morelike.storage.shards import ShardStore

AT_ONCE = 1024  # images compared at a time
SHOWN = 3  # pairs of files that an error names
CLOSER = 0.5  # a copy is nearer than this part of the smallest distance of a real train image to a held-out one
MOST_PER_CLASS = 500  # held-out images that the rank test looks at, and as many real ones of train
TAIL_SHARE, LEAST_TAIL = 0.05, 40  # the images nearest to a synthetic one: this share of them, and this number
LARGE_EXCESS = 0.75  # more of them than this are held out; half are by chance
LEVEL = 1e-6  # of the rank test: one false refusal in a million sets
ADVICE = "leave them out, and train what makes images on the split train alone"
Pairs = list[tuple[int, int]]  # a row of train, and the held-out row that it shows


def refuse(store: ShardStore, limit: float) -> None:
    """Raise if what a classifier would learn from shows images of val or test.

    Looked for, in this order:

    - train images, real or synthetic, with the very pixels of a held-out image;
    - synthetic images that are nearer to a held-out image of their class than ``limit``, than to any real train image
      of the class, and than half the smallest distance between real train and held-out images of it. The last is for
      sets in which honest images are near to each other: flat icons, black frames;
    - sets of synthetic images that are nearer to val and test than to train, as changed copies are: see
      :func:`excess`.

    Distances are :func:`morelike.storage.nearest.nearest_rows`'s. Copies of train are no leak. The last search needs
    about a dozen images, or groups, on either side, and does not see changed copies of held-out images among as many
    changed copies of train images.

    Args:
        store: a judged store, with columns ``path``, ``split``, ``label``, ``synthetic`` and ``group``.
        limit: rms of pixels in [0, 1], below which two images count as one.

    Raises:
        LeakError: it names the first files, and says how many there are.
    """
    _raise_if(exact_copies(store), store, "have the very pixels of val or test images")
    _raise_if(near_copies(store, limit), store, f"are nearer than {limit:g} to val or test images")
    seen, tail, chance = excess(store)
    if chance < LEVEL and seen > LARGE_EXCESS * tail:
        raise LeakError(
            f"{store.folder}: the synthetic images are nearer to val and test than to train: of the {tail} real images "
            f"nearest to one, {seen} are held out (by chance p = {chance:.0e}); changed copies of them? {ADVICE}"
        )


def exact_copies(store: ShardStore) -> Pairs:
    """Return the train images, real and synthetic, that equal a held-out image pixel by pixel, of whatever class."""
    held, train = _held_out(store.index), np.flatnonzero(store.index["split"] == "train")
    row_of = dict(zip(_digests(store, held), held.tolist(), strict=True))
    found = zip(train.tolist(), _digests(store, train), strict=True)
    return [(row, row_of[digest]) for row, digest in found if digest in row_of]


def near_copies(store: ShardStore, limit: float) -> Pairs:
    """Return the synthetic images that :func:`refuse` calls copies by their distance."""
    pairs = []
    for _, held, real, made in _classes(store.index):
        nearest, distance = _nearest(store, made, held)
        suspects = distance < limit
        if suspects.any():
            to_train = _nearest(store, made[suspects], real)[1]
            honest = CLOSER * _nearest(store, held, real)[1].min()
            here = distance[suspects] < np.minimum(to_train, honest)
            pairs += zip(made[suspects][here].tolist(), nearest[suspects][here].tolist(), strict=True)
    return sorted(pairs)


def excess(store: ShardStore) -> tuple[int, int, float]:
    """Tell whether held-out images have a synthetic image nearer to them than train images have.

    What was made without the held-out images is as near to them as to other real images, or farther where it is made
    from those; so train images are never farther from it than held-out ones but by chance. Meehan, Chaudhuri &
    Dasgupta 2020 rank the distances of synthetic images; here a unit is a real image, since many synthetic images can
    be one. One image is taken per group, as many held-out ones as of train in each class, and each distance is divided
    by the class's median.

    Returns:
        How many of the images nearest to a synthetic one are held out, of how many, and the probability of as many or
        more by chance (hypergeometric).
    """
    values, is_held = [np.empty(0)], [np.empty(0, bool)]
    alone = _one_per_group(store.index)
    for label, held, real, made in _classes(store.index):
        random = randomness.generator(0, "leaks", label)
        of_held, of_real = (random.permutation(rows[alone[rows]]) for rows in (held, real))
        count = min(len(of_held), len(of_real), MOST_PER_CLASS)
        if count:
            rows = np.concatenate([of_held[:count], of_real[:count]])
            distance = _nearest(store, rows, made)[1]
            values.append(distance / (np.median(distance) or 1.0))
            is_held.append(np.arange(2 * count) < count)
    values, is_held = np.concatenate(values), np.concatenate(is_held)
    count = len(values) // 2
    tail = min(count, max(LEAST_TAIL, round(TAIL_SHARE * len(values))))
    ties = randomness.generator(0, "leaks", "ties").random(len(values))
    seen = int(is_held[np.lexsort((ties, values))[:tail]].sum())
    return seen, tail, float(hypergeom.sf(seen - 1, 2 * count, count, tail))


def _one_per_group(index: pd.DataFrame) -> np.ndarray:
    """Mark one row, by a draw, of each group of a split; an image without a group is its own. bool N."""
    order = randomness.generator(0, "leaks", "groups").permutation(len(index))
    kinds = pd.DataFrame(
        {"group": clusters_of(index["group"]), "split": index["split"], "synthetic": index["synthetic"]}
    ).iloc[order]
    alone = np.zeros(len(index), bool)
    alone[order] = ~kinds.duplicated().to_numpy()
    return alone


def _held_out(index: pd.DataFrame) -> np.ndarray:
    return np.flatnonzero(index["split"].isin(["val", "test"]))


def _classes(index: pd.DataFrame) -> Iterator[tuple[str, np.ndarray, np.ndarray, np.ndarray]]:
    """Yield label, held-out rows, real and synthetic train rows of each class that has all three."""
    synthetic, split = index["synthetic"].to_numpy(bool), index["split"].to_numpy()
    for label in sorted(set(index.loc[synthetic, "label"])):
        here = (index["label"] == label).to_numpy()
        rows = [here & (split != "train"), here & (split == "train") & ~synthetic, here & synthetic]
        if all(part.any() for part in rows):
            yield label, *map(np.flatnonzero, rows)


def _nearest(store: ShardStore, rows: np.ndarray, among: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    parts = [nearest_rows(images, store, among) for images in store.batches(rows, AT_ONCE)]
    nearest, distance = zip(*parts, strict=True)
    return np.concatenate(nearest), np.concatenate(distance)


def _digests(store: ShardStore, rows: np.ndarray) -> Iterator[bytes]:
    for images in store.batches(rows):
        yield from (hashlib.blake2b(image.tobytes(), digest_size=16).digest() for image in images)


def _raise_if(pairs: Pairs, store: ShardStore, what: str) -> None:
    if not pairs:
        return
    paths = store.index["path"]
    named = ", ".join(f"{paths[row]} shows {paths[held]}" for row, held in pairs[:SHOWN])
    more = ", ..." if len(pairs) > SHOWN else ""
    raise LeakError(f"{store.folder}: {len(pairs)} images of train {what}: {named}{more}; {ADVICE}")
