"""Whole searches, with the real DVC on stages that take no time."""

import csv
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from flows import pipeline, search
from flows.tuning import space, workers
from flows.tuning.errors import SearchError
from flows.tuning.study import Study
from morelike.core import settings
from tests import tiny_project
from tests.searches import DROPOUT, RATE, TARGET, take, with_search

DVC_YAML = """
stages:
  resize:
    cmd: python resize.py ${data.raw}
    deps: ["${data.raw}", resize.py]
    params: [data, resize]
    outs: [data/resized]
  train:
    matrix:
      model: [dae]
    cmd: python train.py ${item.model}
    deps: [data/resized, train.py]
    params: [train, "models.${item.model}", seed]
    outs: ["data/models/${item.model}", "reports/live/${item.model}"]
    metrics: ["reports/metrics/train-${item.model}.json"]
"""
RESIZE_PY = """
import shutil, sys
shutil.copytree(sys.argv[1], "data/resized")
"""
TRAIN_PY = """
import json, os, pathlib, sys, time, yaml
own = yaml.safe_load(open("params.yaml"))["models"]["dae"]
if own["learning_rate"] > 1:
    sys.exit("train: loss is NaN. Lower models.*.learning_rate")
loss = own["learning_rate"] + own["dropout"] + len(os.listdir("data/resized"))
live = pathlib.Path("reports/live/dae/dvclive/plots/metrics")
for folder in (live, pathlib.Path("data/models/dae"), pathlib.Path("reports/metrics")):
    folder.mkdir(parents=True, exist_ok=True)
with open(live / "val_loss.tsv", "w") as log:
    print("step", "val_loss", sep="\\t", file=log)
    for images in (64, 128):
        print(images, loss, sep="\\t", file=log, flush=True)
if os.environ.get("HANG") == str(own["dropout"]):
    time.sleep(600)
pathlib.Path("data/models/dae/weights").write_text(str(loss))
pathlib.Path("reports/metrics/train-dae.json").write_text(json.dumps({"val_loss": loss}))
"""


@pytest.fixture
def light(tmp_path, monkeypatch):
    """A project of two stages of no weight, whose three images lie beside it; with an edit that is not committed."""
    folder = tmp_path / "project"
    (tmp_path / "images").mkdir()
    for number in range(3):
        (tmp_path / "images" / f"{number}.png").write_bytes(bytes([number]))
    folder.mkdir()
    tiny_project.git(folder, "init", "--quiet")
    subprocess.run([sys.executable, "-m", "dvc", "init", "--quiet"], cwd=folder, check=True)
    texts = {"dvc.yaml": DVC_YAML, "resize.py": RESIZE_PY, "train.py": TRAIN_PY, ".gitignore": "/.morelike\n/reports\n"}
    for name, text in texts.items():
        (folder / name).write_text(text)
    (folder / "params.yaml").write_text(with_search())
    tiny_project.git(folder, "add", "--all")
    tiny_project.git(folder, "-c", "user.name=t", "-c", "user.email=t@localhost", "commit", "--quiet", "-m", "as it is")
    monkeypatch.chdir(folder)
    return folder


def configure(folder: Path, **changes) -> None:
    """Set the search of a project, and its images to those beside it."""
    (folder / "params.yaml").write_text(pipeline.with_values(with_search(**changes), {"data.raw": "../images"}))


def table() -> list[dict[str, str]]:
    with Path("reports/search/trials.csv").open() as file:
        return list(csv.DictReader(file))


def left_running(folder: Path) -> list[psutil.Process]:
    """Return the processes that work in the copies of a project."""
    there = [(process, process.info["cwd"]) for process in psutil.process_iter(["cwd"])]
    return [process for process, cwd in there if cwd and Path(cwd).is_relative_to(folder / ".morelike")]


def test_a_grid_on_two_workers_leaves_experiments_tables_and_the_winner_and_touches_nothing(light):
    configure(light, method="grid", workers=2, space={RATE: {"choices": [0.001, 0.1, 10.0]}})
    before = (light / "params.yaml").read_text()
    said = []
    search.search(said.append)
    rows = {float(row[RATE]): row for row in table()}
    assert {rate: row["state"] for rate, row in rows.items()} == {0.001: "completed", 0.1: "completed", 10.0: "failed"}
    assert rows[10.0]["message"] == "train: loss is NaN. Lower models.*.learning_rate"
    assert float(rows[0.001]["val_loss"]) == pytest.approx(3.101)
    assert "best: trial" in said[-2]
    assert tiny_project.git(light, "status", "--porcelain").split() == ["M", "params.yaml"]
    assert (light / "params.yaml").read_text() == before
    shown = json.loads(tiny_project.dvc(light, "exp", "show", "--json"))
    logs = [log.read_text() for log in (light / ".morelike/search").glob("*/trial-*.log")]
    assert len(logs) == 3
    assert not [log for log in logs if "Running stage 'resize'" in log], "what all trials read is made once"
    names = {range_["name"] for rev in shown for range_ in rev["experiments"] or []}
    assert names == {row["experiment"] for row in rows.values()} - {""}

    said.clear()
    search.search(said.append, apply=True)  # again: nothing is left to run
    assert any("3 trials of train@dae, 0 to do" in line for line in said)
    assert settings.read("params.yaml").value(RATE) == 0.001
    assert (light / "params.yaml").read_text().count("#") == before.count("#")
    tiny_project.dvc(light, "exp", "apply", rows[0.1]["experiment"])
    assert (light / "data/models/dae/weights").read_text() == rows[0.1]["val_loss"]


def test_a_search_that_was_killed_goes_on_and_the_trials_that_it_left_running_are_ended(light, monkeypatch):
    configure(light, method="grid", workers=2, space={DROPOUT: {"choices": [0.1, 0.2, 0.3]}})
    command = [sys.executable, "-m", "flows.search"]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(tiny_project.ROOT), str(tiny_project.ROOT / "src")])}
    killed = subprocess.Popen(command, env=environment | {"HANG": "0.3"}, stdout=subprocess.PIPE, text=True)
    for line in killed.stdout:
        if ": val_loss" in line:
            break
    while not any("train.py" in one.cmdline() for one in left_running(light)):
        time.sleep(0.05)
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    orphans = left_running(light)
    assert orphans
    said = []
    search.search(said.append)
    assert not [one for one in orphans if one.is_running() and one.status() != psutil.STATUS_ZOMBIE]
    assert not any("3 to do" in line for line in said)
    assert [row["number"] for row in table()] == ["0", "1", "2"]
    assert {row["state"] for row in table()} == {"completed"}
    assert {row[DROPOUT] for row in table()} == {"0.1", "0.2", "0.3"}


def test_a_hopeless_trial_is_stopped_with_all_that_it_started(light, monkeypatch):
    configure(light, method="grid", prune_after_trials=1, space={DROPOUT: {"choices": [0.1, 0.2]}})
    _, chosen, drawn = space.check((light / "params.yaml").read_text(), TARGET)
    first, second = (values[DROPOUT] for values in take(Study(light / ".morelike/x", chosen, drawn, 0), 2))
    direction = "minimize" if first < second else "maximize"
    configure(light, method="grid", direction=direction, prune_after_trials=1, space={DROPOUT: {"choices": [0.1, 0.2]}})
    monkeypatch.setenv("HANG", str(second))  # without an end it would sleep for ten minutes
    search.search(lambda line: None)
    rows = table()
    assert [row["state"] for row in rows] == ["completed", "pruned"]
    assert rows[1]["images_seen"] == "128"
    assert not left_running(light)
    assert not list(light.rglob("*.partial"))


@pytest.mark.parametrize("raw", ["images", "../beside", "/absolute"])
def test_a_copy_finds_images_that_git_does_not_know_and_takes_edits_along(light, raw):
    raw = str(light.parent / "images") if raw == "/absolute" else raw
    if not Path(raw).exists():
        shutil.copytree(light.parent / "images", raw)
    (light / "train.py").write_text("# edited")
    (light / "params.yaml").write_text(pipeline.with_values(with_search(), {"data.raw": raw}))
    target = pipeline.target("reports/metrics/train-dae.json")
    copy = workers.Worker(light / ".morelike/search/workers/up/0", workers.project(light, raw, target), {}, {})
    assert "resize" in copy.prepare(light / "log")
    assert len(list((copy.folder / "data/resized").iterdir())) == 3
    assert (copy.folder / "train.py").read_text() == "# edited"
    assert "images" not in tiny_project.git(copy.folder, "ls-files")


def test_a_search_says_what_it_lacks(light):
    configure(light, metric="reports/metrics/train-dae.json:los", space={RATE: {"choices": [0.1]}})
    with pytest.raises(SearchError, match="whose keys are val_loss; got los"):
        search.search(lambda line: None)
    configure(light, trials=1, space={RATE: {"choices": [0.1]}})
    with search._alone(), pytest.raises(SearchError, match="another search is at work"), search._alone():
        pass
    (light / "train.py").write_text("import sys; sys.exit('train: no such thing')")
    with pytest.raises(SearchError, match="no trial came to its end; the first: train: no such thing"):
        search.search(lambda line: None)
    (light / "resize.py").write_text("import sys; sys.exit('resize: no such image')")
    with pytest.raises(SearchError, match="resize: no such image"):
        search.search(lambda line: None)
    with pytest.raises(SearchError, match="expected a git repository with a commit"):
        workers.project(light.parent, "images", pipeline.target("reports/metrics/train-dae.json"))
