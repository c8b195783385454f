import subprocess

from morelike.loggers import Loggers


def test_a_repository_without_a_commit_costs_the_dvclive_log_alone(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    subprocess.run(["git", "init", "--quiet", "."], cwd=tmp_path, check=True)
    subprocess.run(["dvc", "init", "--quiet"], cwd=tmp_path, check=True)
    with Loggers(tmp_path / "model", tmp_path / "live") as loggers:
        loggers.numbers(64, {"val_loss": 1.5}, 10.0)
    assert "commit once" in capsys.readouterr().out
    assert (tmp_path / "model/history.csv").read_text() == "images,val_loss\n64,1.5\n"
    assert list((tmp_path / "live/tensorboard").iterdir())
