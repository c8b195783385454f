import subprocess

import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from morelike.train.loggers import Loggers


def test_a_repository_without_a_commit_costs_the_dvclive_log_alone(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    subprocess.run(["git", "init", "--quiet", "."], cwd=tmp_path, check=True)
    subprocess.run(["dvc", "init", "--quiet"], cwd=tmp_path, check=True)
    with Loggers(tmp_path / "model", tmp_path / "live") as loggers:
        loggers.numbers([{"images": 64, "val_loss": 1.5}], 10.0)
    assert "commit once" in capsys.readouterr().out
    assert (tmp_path / "model/history.csv").read_text() == "images,val_loss\n64,1.5\n"
    assert list((tmp_path / "live/tensorboard").iterdir())


def test_dvclive_and_tensorboard_name_the_images_that_a_number_is_of(tmp_path):
    history = [{"images": 64, "val_loss": 1.5}, {"images": 128, "val_loss": 1.25}]
    with Loggers(tmp_path / "model", tmp_path / "live") as loggers:
        loggers.numbers(history[:1], 10.0)
        loggers.numbers(history, 10.0)
    rows = (tmp_path / "live/dvclive/plots/metrics/val_loss.tsv").read_text().split()
    assert rows == ["step", "val_loss", "64", "1.5", "128", "1.25"]
    events = EventAccumulator(str(tmp_path / "live/tensorboard")).Reload()
    assert [(event.step, event.value) for event in events.Scalars("val_loss")] == [(64, 1.5), (128, 1.25)]


def test_grids_from_before_a_stop_are_removed_where_the_run_goes_on_earlier(tmp_path):
    image = torch.rand(1, 1, 4, 4)
    with Loggers(tmp_path / "model", tmp_path / "live") as loggers:
        loggers.grid(64, "samples", image, 1)
        loggers.grid(128, "samples", image, 1)
    with Loggers(tmp_path / "model", tmp_path / "live", images_seen=64):
        assert [path.name for path in (tmp_path / "model/grids").iterdir()] == ["samples-000000064.png"]
