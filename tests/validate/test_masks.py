"""masks: read beside their image, learnt as none; what does not fit is said."""

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from morelike.validate import run
from tests.validate.test_audit_run import fill, findings, save, settings_with, tables


def save_mask(path, shape=(16, 16), seed=0):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.random.default_rng(seed).integers(0, 3, shape, dtype=np.uint8)).save(path)


@pytest.fixture(scope="module")
def audited(tmp_path_factory):
    """Twenty images with masks, and one of each fault; what the audit wrote, and what it said."""
    root = tmp_path_factory.mktemp("masks")
    raw = fill(root / "raw")
    for row in range(10):
        save_mask(raw / f"cat/{row}_mask.png", seed=row)
        save_mask(raw / f"dog/masks/{row}.png", seed=row)
    save_mask(raw / "cat/0_mask.png", (16, 15))
    (raw / "cat/1_mask.png").write_bytes((raw / "cat/1_mask.png").read_bytes()[:50])
    picture = np.random.default_rng(0).integers(0, 256, (16, 16, 3), dtype=np.uint8)
    Image.fromarray(picture).save(raw / "cat/2_mask.png")
    save_mask(raw / "cat/alone_mask.png")
    (raw / "dog/zz.png").write_bytes((raw / "dog/9.png").read_bytes())
    save_mask(raw / "dog/masks/zz.png")
    numbers = run.validate(raw, settings_with(max_quarantined_share=0.1), run.Audit(root / "out", root / "state"), 1)
    return root, numbers


def test_no_mask_is_a_row_and_every_file_is_in_one_table(audited):
    root, numbers = audited
    manifest, quarantine = tables(root / "out")
    assert (numbers["accepted"], set(manifest["label"])) == (20, {"cat", "dog"})
    files = sorted(path.relative_to(root / "raw").as_posix() for path in (root / "raw").rglob("*.png"))
    masked = manifest[manifest["mask"] != ""]
    assert sorted([*manifest["file"], *masked["mask"], *quarantine["file"]]) == files
    assert numbers["files"] == len(files)
    assert masked.set_index("file")["mask"]["cat/5.png"] == "cat/5_mask.png"
    kept = pd.read_parquet(root / "out/masks.parquet")
    assert kept[["file", "mask"]].to_numpy().tolist() == masked[["file", "mask"]].to_numpy().tolist()
    assert set(kept["channels"]) == {1}


@pytest.mark.parametrize(
    ("file", "code", "said"),
    [
        ("cat/0_mask.png", "mask_size", "15×16 pixels, its image cat/0.png has 16×16"),
        ("cat/1_mask.png", "truncated", ""),
        ("cat/2_mask.png", "mask_values", "colours, a mask of its size has at most 80"),
        ("cat/alone_mask.png", "mask_alone", "its image is not there"),
        ("dog/masks/zz.png", "mask_alone", "its image dog/zz.png is quarantined"),
    ],
)
def test_a_mask_that_does_not_fit_is_quarantined_and_its_image_kept(audited, file, code, said):
    root, _ = audited
    manifest, quarantine = tables(root / "out")
    row = quarantine.set_index("file").loc[file]
    assert row["code"] == code
    assert said in row["detail"]
    assert file not in set(manifest["mask"])
    assert findings(root / "out").set_index("file").loc[file, "label"] in ("cat", "dog", "")


def test_with_masks_none_they_are_images(tmp_path):
    for row in range(6):
        save(tmp_path / f"raw/cat/{row}.png", row)
        save(tmp_path / f"raw/cat/{row}_mask.png", 100 + row)
    audit = run.Audit(tmp_path / "out", tmp_path / "state", pair_masks=False)
    assert run.validate(tmp_path / "raw", settings_with(), audit, 1)["accepted"] == 12
