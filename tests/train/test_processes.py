"""Several processes train as one."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.training_stores import DAE, common, squares, train

ROOT = Path(__file__).resolve().parents[2]
BUDGET = {"budget_images": 320, "learning_rate": 1e-3}
WORKER = """
import sys
from pathlib import Path
from morelike.storage.shards import ShardStore
from tests.training_stores import DAE, train

folder = Path(sys.argv[1])
measured = train((ShardStore(folder / "clean"), ShardStore(folder / "noisy")), folder, "dae", DAE | {budget})
print("measured", measured is not None)
"""

TWO_PLAYERS = """
import sys
from pathlib import Path
import pytest
from morelike.models import registry
from morelike.storage.shards import ShardStore
from morelike.train.images import train
from tests.train import test_trainer

folder = Path(sys.argv[1])
test_trainer.register(pytest.MonkeyPatch())
stores = ShardStore(folder / "clean"), ShardStore(folder / "noisy")
train(test_trainer.of_two_players(stores, 96), folder / "out", folder / "live", folder / "state")
"""


def torchrun(folder: Path, script: str) -> subprocess.CompletedProcess:
    path = folder / "worker.py"
    path.write_text(script)
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "--master-port", "0"]
    environment = os.environ | {"PYTHONPATH": f"{ROOT / 'src'}:{ROOT}", "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        [*command, "--rdzv-backend", "c10d", "--rdzv-endpoint", "127.0.0.1:0", str(path), str(folder)],
        env=environment,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )


def test_two_processes_come_to_the_loss_of_one_and_the_first_alone_writes(tmp_path):
    stores = squares(tmp_path / "clean"), squares(tmp_path / "noisy", noise=0.2)
    one = train(stores, tmp_path / "one", "dae", DAE | BUDGET)
    done = torchrun(tmp_path, WORKER.format(budget=BUDGET))
    assert done.returncode == 0, done.stderr[-3000:]
    assert sorted(line for line in done.stdout.splitlines() if line.startswith("measured")) == [
        "measured False",
        "measured True",
    ]
    assert done.stdout.count("2 processes") == 1
    two = json.loads((tmp_path / "out/metrics.json").read_text())
    assert two["images_seen"] == one["images_seen"] == 320
    for name in ("val_loss", "psnr_after_db"):  # equal but for the order of sums
        assert two[name] == pytest.approx(one[name], rel=1e-3), name


def test_two_players_train_on_two_processes_though_no_loss_reaches_all_weights(tmp_path):
    squares(tmp_path / "clean", side=8)
    squares(tmp_path / "noisy", side=8, noise=0.2)
    done = torchrun(tmp_path, TWO_PLAYERS)
    assert done.returncode == 0, done.stderr[-3000:]
    assert json.loads((tmp_path / "out/metrics.json").read_text()) == {"images_seen": 96}


def test_a_batch_that_the_processes_cannot_share_is_refused(tmp_path, monkeypatch):
    from morelike.core import devices
    from morelike.core.devices import DeviceError

    monkeypatch.setenv("WORLD_SIZE", "3")
    with pytest.raises(DeviceError, match=r"train\.batch_size: expected a multiple of torchrun's 3 processes, got 16"):
        devices.fabric("32-true", common().batch_size)
