"""Every file that a stage reads is cut, garbled or taken away: the stage ends with one line that names it."""

import hashlib
import importlib
import os
import resource
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from morelike.core import cli, compute, files, settings
from morelike.images import pixels
from morelike.models import registry, saved
from morelike.models.base import ImageSpec
from morelike.storage.shards import ShardStore
from morelike.validate import data_docs
from tests import tiny_project

ROOT = tiny_project.ROOT
OPTIONS = {  # where they are not called as the option is
    "resize": {"out": "resized"},
    "corrupt": {"out": "noisy", "metrics": "metrics/corrupt.json"},
    "train": {"model": "vae"},
    "synthesize": {"model": "vae"},
    "export": {"out": "augmented", "metrics": "metrics/export.json"},
    "evaluate": {"out": "evaluation", "metrics": "metrics/evaluate.json", "ledger": "openings.json"},
    "report": {"out": "index.html"},
}
STORE = ["store.json", "index.parquet", "shard-00000.npy"]
RESIZED = [f"resized/{name}" for name in STORE]
READ = {
    "resize": ["validated/manifest.parquet"],
    "corrupt": RESIZED,
    "train": [*RESIZED, *(f"noisy/{name}" for name in STORE), "resized/normalisation.json"],
    "synthesize": [*RESIZED, "models/vae/config.json", "models/vae/model.safetensors"],
    "export": [*RESIZED, *(f"synthetic/vae/{name}" for name in STORE), "validated/quarantine.parquet"],
    "evaluate": ["augmented/manifest.parquet", "augmented/recipe.json", "augmented/test/a/real_000000.png"],
    "report": [
        *("validated/quarantine.parquet", "validated/summary.json", "validated/expectations.json"),
        *("resized/normalisation.json", "augmented/manifest.parquet", "augmented/filtered.parquet"),
        *(*RESIZED, "models/vae/history.csv", "metrics/export.json", "dvc.lock"),
    ],
}


BY_DEFAULT = {"page": 0, "given_group": "", "mask": "", "black": 0.0, "white": 255.0, "attributes": "{}"}


def run(stage: str, monkeypatch) -> None:
    """Run a stage in this process, as its command line would."""
    main = importlib.import_module(f"stages.{stage}").main
    asked = {name: OPTIONS[stage].get(name, name) for name in main.__annotations__ if name != "return"}
    words = [word for name, value in asked.items() for word in (f"--{name}", value)]
    monkeypatch.setattr(sys, "argv", [stage, *words])
    cli.run(main)


def write_raw() -> None:
    """Write 32 images, and what an audit would say of them."""
    draw, rows = np.random.default_rng(0), []
    for number in range(32):
        split, label = ("test", "train", "train", "val")[number // 8], "ab"[number % 2]
        data = pixels.encode_png(draw.integers(0, 256, (16, 16, 1), dtype=np.uint8))
        files.write_bytes(Path(f"raw/{number}.png"), data)
        row = {"file": f"{number}.png", "label": label, "split": split, "sha256": hashlib.sha256(data).hexdigest()}
        rows.append(
            row | {"group": number, "phash": "", "width_px": 16, "height_px": 16, "colourfulness": 0.0} | BY_DEFAULT
        )
    Path("validated").mkdir()
    pd.DataFrame(rows).to_parquet("validated/manifest.parquet")
    bad = {"file": "x.png", "label": "a", "code": "empty", "value": 0.0, "limit": 0.0, "detail": ""}
    pd.DataFrame([bad]).to_parquet("validated/quarantine.parquet")
    for name in ("summary", "expectations"):
        files.write_json(Path(f"validated/{name}.json"), {"found": {}, "splits_given": False})


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """What the stages leave of a few images, and a model that was not trained."""
    root = tmp_path_factory.mktemp("project")
    (root / "params.yaml").write_text((ROOT / "params.yaml").read_text())
    tiny_project.edit_params(root, tiny_project.SETTINGS)
    mix, few = {"vae": 1.0, "dae": 0.0}, {"at_least": 2, "per_class": 2, "vae": {"method": "prior"}}
    tiny_project.edit_params(root, {"data": {"raw": "raw"}, "export": {"mix": mix}, "synthesize": few})
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        patch.setattr(compute, "cores", lambda: 1)
        write_raw()
        for stage in ("resize", "corrupt"):
            run(stage, patch)
        chosen = registry.settings_of("vae", settings.read())
        spec = ImageSpec(*ShardStore(Path("resized")).shape, ("a", "b"), 0.5)
        saved.save(Path("models/vae"), "vae", registry.create("vae", spec, chosen))
        Path("models/vae/history.csv").write_text("images,train_loss,val_loss\n1,2.0,3.0\n")
        Path("dvc.lock").write_text(yaml.safe_dump({"stages": {"resize": {"outs": [{"path": "resized"}]}}}))
        for stage in ("synthesize", "export"):
            run(stage, patch)
    return root


@pytest.fixture
def project(made, monkeypatch):
    monkeypatch.chdir(made)
    monkeypatch.setattr(compute, "cores", lambda: 1)
    return made


def damaged(data: bytes, how: str) -> bytes:
    middle = len(data) // 2
    return {
        "cut": data[:middle],
        "empty": b"",
        "garbled": b"\x93\x00\xff not what it was \x1b[2J" + data[20:-20],
        "zeroed": data[: middle - 50] + bytes(100) + data[middle + 50 :],
    }[how]


def cases():
    for stage, paths in READ.items():
        for path in paths:
            ways = ["cut", "empty", "garbled", "gone", *(["zeroed"] if path.endswith(".npy") else [])]
            # The report shows what there is, and checks no pixels.
            yield from ((stage, path, how) for how in (["garbled"] if stage == "report" else ways))


@pytest.mark.parametrize(("stage", "path", "how"), list(cases()))
def test_a_file_that_cannot_be_read_is_named_in_one_line(project, monkeypatch, capsys, stage, path, how):
    monkeypatch.setattr(data_docs, "build", lambda *_: None)  # of the report: it takes seconds
    file = Path(path)
    data = file.read_bytes()
    file.unlink()
    try:
        if how != "gone":
            file.write_bytes(damaged(data, how))
        with pytest.raises(SystemExit) as caught:
            run(stage, monkeypatch)
    finally:
        file.write_bytes(data)
    said = str(caught.value.code)
    assert said.startswith(f"{stage}: ")
    assert said.isprintable()
    assert "unexpected" not in said
    assert path in said or str(file.parent) in said
    assert "dvc repro" in said
    assert "Traceback" not in capsys.readouterr().err


def test_a_disk_without_room_is_named_with_the_file(project):
    command = [sys.executable, "-m", "stages.corrupt", "--resized", "resized", "--out", "noisy", "--metrics", "m.json"]
    done = subprocess.run(
        command,
        env=os.environ | {"PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}"},
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000)),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1, done.stderr
    assert "shard-00000.npy: File too large: allow larger files" in done.stderr
    assert len(ShardStore.checked(Path("noisy"))) == 32, "what was there stays"
