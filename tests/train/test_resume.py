"""A run that is stopped and goes on ends with the bytes of one that is not."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from morelike.core import code
from morelike.models import saved
from morelike.train import images, trainer
from morelike.train.checkpoints import Checkpoints
from tests.training_stores import DAE, VAE, common, squares, task, train

SETTINGS = {"vae": VAE | {"beta_warmup_images": 200.0}, "dae": DAE | {"dropout": 0.2}}
BUDGET = {"budget_images": 640, "learning_rate": 3e-3}  # 40 steps, evaluated every 10, cooled down from 30 on


@pytest.fixture(scope="module")
def stores(tmp_path_factory):
    folder = tmp_path_factory.mktemp("stores")
    return squares(folder / "clean"), squares(folder / "noisy", noise=0.2)


@pytest.fixture(scope="module")
def uninterrupted(stores, tmp_path_factory):
    """The bytes of a run without a stop, by model."""

    def trained(name):
        folder = tmp_path_factory.mktemp(name)
        train(stores, folder, name, SETTINGS[name] | BUDGET)
        return everything(folder / "out")

    return {name: trained(name) for name in SETTINGS}


def everything(out: Path) -> dict[str, bytes]:
    return {path.relative_to(out).as_posix(): path.read_bytes() for path in sorted(out.rglob("*")) if path.is_file()}


def stopped_at(monkeypatch, step: int) -> None:
    """Let a SIGINT arrive while the batch of ``step`` is at work."""
    advance = trainer.Trainer.advance

    def interrupted(self, asked=False):
        if self.step == step:
            os.kill(os.getpid(), signal.SIGINT)
        return advance(self, asked)

    monkeypatch.setattr(trainer.Trainer, "advance", interrupted)


@pytest.mark.parametrize("name", ["vae", "dae"])
@pytest.mark.parametrize("step", [9, 13, 34])  # at an evaluation, between two, and while the rate falls
def test_stopped_by_a_signal_it_goes_on_bit_for_bit(stores, uninterrupted, tmp_path, name, step):
    with pytest.MonkeyPatch.context() as patch:
        stopped_at(patch, step)
        with pytest.raises(KeyboardInterrupt):
            train(stores, tmp_path, name, SETTINGS[name] | BUDGET)
    assert not (tmp_path / "out").exists()
    train(stores, tmp_path, name, SETTINGS[name] | BUDGET)
    assert everything(tmp_path / "out") == uninterrupted[name]


def test_killed_without_warning_it_goes_on_from_the_last_state_bit_for_bit(uninterrupted, tmp_path):
    script = (
        "from pathlib import Path\n"
        "from morelike.train import checkpoints, trainer\n"
        "from tests.training_stores import squares, train\n"
        "import time\n"
        "checkpoints.SECONDS_BETWEEN_SAVES = 0.0\n"
        "advance = trainer.Trainer.advance\n"
        "trainer.Trainer.advance = lambda self, *a: (time.sleep(0.05), advance(self, *a))[1]\n"
        f"folder = Path({str(tmp_path)!r})\n"
        "stores = squares(folder / 'clean'), squares(folder / 'noisy', noise=0.2)\n"
        f"train(stores, folder, 'vae', {SETTINGS['vae'] | BUDGET!r})\n"
    )
    child = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait_for(lambda: any(tmp_path.glob("state/train/vae/*/step-*1[2-9]")), child)
    child.kill()
    child.wait()
    assert not (tmp_path / "out").exists()
    stores = squares(tmp_path / "clean"), squares(tmp_path / "noisy", noise=0.2)
    train(stores, tmp_path, "vae", SETTINGS["vae"] | BUDGET)
    assert everything(tmp_path / "out") == uninterrupted["vae"]


def wait_for(condition, child, seconds=60.0):
    end = time.monotonic() + seconds
    while not condition():
        assert child.poll() is None, "it ended before it could be killed"
        assert time.monotonic() < end, "it never came that far"
        time.sleep(0.01)


def test_a_finished_run_asked_for_more_goes_on_and_ends_as_one_that_was_asked_at_once(stores, tmp_path, capsys):
    more = BUDGET | {"budget_images": 960}
    train(stores, tmp_path / "once", "vae", SETTINGS["vae"] | more)
    train(stores, tmp_path / "twice", "vae", SETTINGS["vae"] | BUDGET)
    capsys.readouterr()
    train(stores, tmp_path / "twice", "vae", SETTINGS["vae"] | more)
    assert "goes on after 480 images" in capsys.readouterr().out
    assert everything(tmp_path / "twice/out") == everything(tmp_path / "once/out")


def test_a_run_that_lost_patience_goes_on_when_it_is_given_more(stores, tmp_path, capsys):
    settings, off = VAE | {"budget_images": 4800, "learning_rate": 1e-12}, {"stuck": None}
    for patience in (1, 3):
        shared = common(off, patience=patience, ema_halflife_images=0.0)
        measured = train(stores, tmp_path, "vae", settings, shared)
        assert measured["images_seen"] == 160 * (1 + patience)
    assert "goes on after 320 images" in capsys.readouterr().out


def test_the_same_asked_again_is_done_again(stores, tmp_path, capsys):
    for _ in range(2):
        train(stores, tmp_path, "vae", VAE | BUDGET)
    assert "goes on" not in capsys.readouterr().out


@pytest.mark.parametrize(
    "other", [{"learning_rate": 1e-3}, {"latent_dims": 3}, {"seed": 1}, {"stores": True}, {"batch_size": 8}]
)
def test_another_run_does_not_go_on_from_this_ones_state(stores, tmp_path, other):
    def digest(stores, settings, shared, seed):
        decided = task(stores, "vae", settings, shared, seed).decided_by("32-true")
        return Checkpoints(tmp_path, decided, task(stores, "vae", settings).schedule).folder

    settings = VAE | BUDGET
    mine = digest(stores, settings, common(), 0)
    if "stores" in other:
        changed = squares(tmp_path / "changed", noise=0.1), stores[1]
        assert digest(changed, settings, common(), 0) != mine
    elif "seed" in other:
        assert digest(stores, settings, common(), 1) != mine
    elif "batch_size" in other:
        assert digest(stores, settings, common(**other), 0) != mine
    else:
        assert digest(stores, settings | other, common(), 0) != mine
    assert digest(stores, settings | {"budget_images": 10**6}, common(patience=99), 0) == mine


@pytest.mark.parametrize("file", ["model.safetensors", "config.json"])
def test_a_damaged_state_is_left_out_and_its_steps_are_done_again(stores, uninterrupted, tmp_path, capsys, file):
    with pytest.MonkeyPatch.context() as patch:
        stopped_at(patch, 13)
        with pytest.raises(KeyboardInterrupt):
            train(stores, tmp_path, "vae", SETTINGS["vae"] | BUDGET)
    (kept,) = tmp_path.glob(f"state/train/vae/*/step-*/{file}")
    data = bytearray(kept.read_bytes())
    data[-3] ^= 255
    kept.write_bytes(data)
    train(stores, tmp_path, "vae", SETTINGS["vae"] | BUDGET)
    assert "step-000000015: a damaged checkpoint" in capsys.readouterr().out
    assert everything(tmp_path / "out") == uninterrupted["vae"]


def test_a_finished_run_keeps_one_state_and_a_model_a_few_runs(stores, tmp_path):
    for seed in range(6):
        train(stores, tmp_path, "vae", VAE | {"budget_images": 64, "learning_rate": 1e-3}, seed=seed)
    runs = sorted(tmp_path.glob("state/train/vae/*"))
    assert len(runs) == 4
    for run in runs:
        assert [path.name for path in run.glob("step-*")] == ["step-000000003"]
        assert json.loads((run / "finished.json").read_text())["steps"] == 4


def test_best_and_last_weights_are_kept_and_are_not_the_same(uninterrupted, stores, tmp_path):
    train(stores, tmp_path, "vae", SETTINGS["vae"] | BUDGET | {"learning_rate": 0.02})
    history = [row.split(",") for row in (tmp_path / "out/history.csv").read_text().splitlines()]
    losses = [float(row[history[0].index("val_loss")]) for row in history[1:]]
    best, last = saved.load(tmp_path / "out"), saved.load(tmp_path / "out/last")
    same = all(torch.equal(a, b) for a, b in zip(best.parameters(), last.parameters(), strict=True))
    assert same == (losses.index(min(losses)) == len(losses) - 1)


def test_a_model_goes_on_whatever_is_edited_in_another_ones_file_but_not_in_its_own(tmp_path):
    def decided(*edited: str) -> str:
        """Return what decides the weights of the VAE in a copy of the library with edited files."""
        library = tmp_path / "-".join(edited or ["untouched"])
        shutil.copytree(Path(images.__file__).parents[1], library / "morelike")
        for name in edited:
            with (library / "morelike" / name).open("a") as file:
                file.write("\n# an edit\n")
        asked = "from morelike.core import code; print(code.digest('morelike.train.images', 'morelike.models.vae'))"
        environment = os.environ | {"PYTHONPATH": str(library)}
        return subprocess.check_output([sys.executable, "-c", asked], env=environment, text=True)

    before = decided()
    assert decided("models/dae.py", "models/diffusion.py", "evaluate/verdict.py") == before
    for own in ("models/vae.py", "models/layers.py", "train/trainer.py", "images/augment.py", "storage/shards.py"):
        assert decided(own) != before, own


def test_what_decides_the_weights_holds_the_digest_of_that_code(stores):
    decided = task(stores, "vae", VAE).decided_by("32-true")
    assert decided["code"] == code.digest("morelike.train.images", "morelike.models.vae")
