"""The images that the measures beside the verdict rest on: a bounded draw, cut into folds."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from morelike.storage.shards import ShardStore

MOST_PER_CLASS, MOST_IMAGES = 500, 3000  # of a kind: real train, synthetic, held out
FOLDS = 5


@dataclass(frozen=True)
class Sample:
    """Real train, synthetic and held-out (val) images of a judged store; never test.

    Attributes:
        rows: int64 N, rows of the store, ascending.
        classes: names, in the order of their numbers.
        label: int64 N, class numbers.
        synthetic: bool N.
        held_out: bool N, the real images of val. Train images that are not synthetic are the real ones.
        units: int64, a number for each row of the store, not of the sample alone; see :func:`units`.
        fold: int64 N, 0 to 4: images of one unit are in one fold.
    """

    rows: np.ndarray
    classes: list[str]
    label: np.ndarray
    synthetic: np.ndarray
    held_out: np.ndarray
    units: np.ndarray
    fold: np.ndarray

    @classmethod
    def draw(cls, store: ShardStore, random: np.random.Generator) -> "Sample":
        """Draw at most 500 images of each kind from each class, and at most about 3,000 of each kind in all."""
        index = store.index
        classes, label = np.unique(index["label"].to_numpy(str), return_inverse=True)
        synthetic, split = index["synthetic"].to_numpy(bool), index["split"].to_numpy(str)
        kinds = [(split == "train") & ~synthetic, (split == "train") & synthetic, (split == "val") & ~synthetic]
        most = min(MOST_PER_CLASS, max(1, MOST_IMAGES // max(1, len(classes))))
        parts = [np.flatnonzero(kind & (label == k)) for kind in kinds for k in range(len(classes))]
        rows = np.sort(np.concatenate([random.permutation(part)[:most] for part in parts]))
        unit = units(index)
        return cls(
            rows=rows,
            classes=[str(name) for name in classes],
            label=label[rows],
            synthetic=synthetic[rows],
            held_out=split[rows] == "val",
            units=unit,
            fold=_folds(label[rows], synthetic[rows], unit[rows], random),
        )

    @property
    def unit(self) -> np.ndarray:
        """The unit of each image of the sample, int64 N."""
        return self.units[self.rows]

    @property
    def real(self) -> np.ndarray:
        """Which are real train images, bool N."""
        return ~self.synthetic & ~self.held_out

    def count(self) -> dict[str, int]:
        """Return the number of images of each kind."""
        kinds = {"real": self.real, "synthetic": self.synthetic, "held_out": self.held_out}
        return {name: int(kind.sum()) for name, kind in kinds.items()}


def units(index: pd.DataFrame) -> np.ndarray:
    """Number what belongs together: a group; without one a raw file; and each synthetic image with its source.

    A synthetic image without a source is a unit of its own.

    Args:
        index: of a judged store.

    Returns:
        int64, a number per row.
    """
    group, source = index["group"].to_numpy(str), index["source_file"].to_numpy(str)
    own = np.where(source != "", np.char.add("file ", source), np.char.add("path ", index["path"].to_numpy(str)))
    own = np.where(group != "", np.char.add("group ", group), own)
    real = ~index["synthetic"].to_numpy(bool)
    of_source = dict(zip(source[real & (source != "")], own[real & (source != "")], strict=True))
    return pd.factorize(np.array([of_source.get(s, o) for s, o in zip(source, own, strict=True)], dtype=object))[0]


def _folds(label: np.ndarray, synthetic: np.ndarray, unit: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Deal whole units out to folds, so that these are about alike in classes, kinds and sizes."""
    images = pd.DataFrame({"label": label, "synthetic": synthetic, "unit": unit})
    of_unit = images.groupby("unit")
    dealt = of_unit.agg({"label": "first", "synthetic": "mean"})
    order = np.lexsort((random.random(len(dealt)), of_unit.size(), dealt["synthetic"], dealt["label"]))
    fold = np.empty(len(dealt), np.int64)
    fold[order] = np.arange(len(dealt)) % FOLDS
    return fold[np.searchsorted(dealt.index.to_numpy(), unit)]
