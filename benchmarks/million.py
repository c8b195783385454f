"""A million rows: the search for near-duplicates and the Great Expectations suite, on a synthetic table."""

import resource
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd

from morelike.core import settings
from morelike.validate import expectations, likeness, run
from morelike.validate.hashing import SMALL_SIDE_PX, in_hex
from morelike.validate.settings import Validate

PLANTED = 1_000  # pairs of near-duplicates, 4 bits apart


def main(rows: int = 1_000_000) -> None:
    """Print seconds, peak memory, and how many of the planted pairs were found."""
    rng = np.random.default_rng(0)
    hashes, thumbnails = _hashes(rng, rows), _thumbnails(rng, rows)
    copies = np.arange(PLANTED) + rows // 2
    hashes[copies] = hashes[:PLANTED] ^ np.uint64(0b1111)
    thumbnails[copies] = thumbnails[:PLANTED]
    params = settings.read(Path(__file__).resolve().parents[1] / "params.yaml")
    fault_rules = params.section("validate", Validate).codes
    start = time.perf_counter()
    radius_bits = int(fault_rules["near_duplicate"].limit)
    groups = likeness.near_duplicate_groups(hashes, list(map(bytes, thumbnails)), radius_bits)
    searched = time.perf_counter()
    found = int((groups[copies] == groups[:PLANTED]).sum())
    table = _table(rng, rows, hashes, groups)
    tabled = time.perf_counter()
    result = expectations.check(table, expectations.suite(fault_rules, ["a", "b"], splits_given=False))
    done = time.perf_counter()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"{rows} rows: near-duplicates {searched - start:.0f} s, {found} of {PLANTED} planted pairs found")
    print(f"Great Expectations {done - tabled:.0f} s, {result['met']} of {result['expectations']} met")
    print(f"peak memory {peak:.2f} GiB, of the whole process")


def _hashes(rng: np.random.Generator, rows: int) -> np.ndarray:
    return rng.integers(0, 2**64, (rows, 2), dtype=np.uint64)


def _thumbnails(rng: np.random.Generator, rows: int) -> np.ndarray:
    return rng.integers(0, 256, (rows, SMALL_SIDE_PX**2), dtype=np.uint8)


def _table(rng: np.random.Generator, rows: int, hashes: np.ndarray, groups: np.ndarray) -> pd.DataFrame:
    number = np.arange(rows)
    columns = {name: rng.uniform(0.2, 0.4, rows) for name, kind in run.MANIFEST.items() if kind == "float64"}
    columns |= {
        "min": 0.1,
        "max": 0.9,
        "dark": 0.9,
        "entropy_bits": 5.0,
        "disagreement": 0.0,
        "white": 255.0,
        "black": 0.0,
    }
    columns |= {"width_px": 60, "height_px": 60, "bits": 8, "frames": 1, "orientation": 1, "mode": "RGB", "profile": ""}
    columns |= {"numbers": "", "page": 0, "low": 0.0, "high": 255.0, "black": 0.0}
    columns |= {"file": [f"a/{row}.jpg" for row in number], "pixel_sha256": [f"{row:064x}" for row in number]}
    columns |= {"sha256": columns["pixel_sha256"], "phash": in_hex(hashes[:, 0]), "format": "JPEG", "findings": ""}
    columns |= {"label": np.where(number % 2, "a", "b"), "group": groups}
    split = np.array(["train", "val", "test"])[groups % 3]
    return pd.DataFrame(columns | {"split": split}, index=number)[list(run.MANIFEST)].astype(run.MANIFEST)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
