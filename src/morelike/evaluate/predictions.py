"""What every classifier said of every test image, as tables."""

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from morelike.evaluate.arms import Judged
from morelike.storage import tables
from morelike.storage.shards import ShardStore


def write(out: Path, judged: Judged, store: ShardStore) -> None:
    """Write three tables into ``out``.

    ``predictions.parquet`` has a row per arm, seed and test image: arm, seed, path, label, predicted and
    log_probabilities, float32, a number per class in the order of ``classes`` in ``summary.json``.
    ``recalls.parquet`` has a row per arm, seed and class: arm, seed, label, images, recall. ``arms.csv`` has a row per
    arm and seed: arm, seed, balanced_accuracy, for ``dvc plots``.
    """
    tested = judged.tested
    test = store.index.iloc[store.rows("test")][["path", "label"]].reset_index(drop=True)
    names, recalls, writer = np.array(tested.classes, object), [], None
    for arm, of_seeds in tested.log_probabilities.items():
        for seed, said in enumerate(of_seeds):
            predicted = names[said.argmax(1)]
            rows = test.assign(arm=arm, seed=seed, predicted=predicted)
            recalls.append(_recalls(rows))
            table = _with_probabilities(rows[["arm", "seed", "path", "label", "predicted"]], said)
            writer = writer or pq.ParquetWriter(out / "predictions.parquet", table.schema)
            writer.write_table(table)
    writer.close()
    by_class = pd.concat(recalls, ignore_index=True)
    by_class.to_parquet(out / "recalls.parquet")
    learnt = by_class["label"].isin(names[tested.real_counts > 0])
    by_arm = by_class[learnt].groupby(["arm", "seed"], sort=False)["recall"].mean().rename("balanced_accuracy")
    tables.write_csv(out / "arms.csv", by_arm.reset_index())


def _recalls(rows: pd.DataFrame) -> pd.DataFrame:
    right = rows.assign(recall=rows["label"] == rows["predicted"])
    found = right.groupby(["arm", "seed", "label"], sort=False)["recall"].agg(["size", "mean"]).reset_index()
    return found.rename(columns={"size": "images", "mean": "recall"})


def _with_probabilities(rows: pd.DataFrame, said: np.ndarray) -> pa.Table:
    flat = pa.array(np.ascontiguousarray(said, np.float32).ravel())
    lists = pa.FixedSizeListArray.from_arrays(flat, said.shape[1])
    return pa.Table.from_pandas(rows, preserve_index=False).append_column("log_probabilities", lists)
