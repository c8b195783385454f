"""The whole pipeline, run once by DVC on a few digits; then what must be true of what it left."""

import contextlib
import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import psutil
import pytest
import yaml

from flows import pipeline
from flows.tuning.workers import read_evaluations
from morelike.core import settings
from tests import dvc_deps, tiny_project

pytestmark = pytest.mark.timeout(900)


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A copy of the project after one ``dvc repro``."""
    folder = tiny_project.make(tmp_path_factory.mktemp("project"))
    tiny_project.dvc(folder, "repro")
    return folder


@pytest.fixture
def untouched(project):
    """The same copy; settings, code and outputs that a test changed are put back afterwards."""
    lock = project / "dvc.lock"
    texts = {path: path.read_bytes() for path in [project / "params.yaml", lock, *(project / "src").rglob("*.py")]}
    yield project
    for path in {*(project / "src").rglob("*.py")} - set(texts):
        path.unlink()
    changed = [path for path, text in texts.items() if path.read_bytes() != text]
    for path in changed:
        path.write_bytes(texts[path])
    if lock in changed:
        tiny_project.dvc(project, "checkout", "--force")


def hashes(folder: Path) -> dict[str, str]:
    """Return the sha256 of every file under ``folder``, by its path there."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def changed_stages(project: Path) -> set[str]:
    """Return the stages that DVC would run again because of their own inputs, but for the page of all settings."""
    return set(json.loads(tiny_project.dvc(project, "status", "--json"))) - {"report"}


def test_a_second_repro_does_nothing(project):
    assert json.loads(tiny_project.dvc(project, "status", "--json")) == {}
    assert "Running stage" not in tiny_project.dvc(project, "repro")


def test_nothing_half_written_is_left(project):
    assert not [path for path in project.rglob("*.partial") if ".dvc" not in path.parts]


def test_git_sees_nothing_of_what_the_stages_wrote_but_the_lock_and_the_ledger(project):
    assert tiny_project.git(project, "status", "--porcelain").split() == [
        *("??", "dvc.lock"),
        *("??", "reports/test_openings.json"),
    ]


def test_metrics_plots_and_experiments_have_something_to_show(project, tmp_path):
    metrics = json.loads(tiny_project.dvc(project, "metrics", "show", "--json"))[""]["data"]
    assert {Path(path).stem for path in metrics} >= {
        "validate",
        "corrupt",
        "train-vae",
        "train-dae",
        "export",
        "evaluate",
    }
    plots = json.loads(tiny_project.dvc(project, "plots", "show", "--json", "--out", str(tmp_path)))["data"]
    assert all(plot["content"]["data"]["values"] for shown in plots.values() for plot in shown)
    curves = {Path(name).stem: plot for name, (plot,) in plots.items() if Path(name).suffix == ".csv"}
    assert set(curves) == {"vae", "dae"}, "a plot per model, without naming it"
    for plot in curves.values():
        assert {point["field"] for point in plot["content"]["data"]["values"]} == {"train_loss", "val_loss"}
    shown = tiny_project.dvc(project, "exp", "show", "--csv")
    assert "models.vae.learning_rate" in shown


def test_what_was_found_stands_beside_the_manifest_and_in_great_expectations_own_pages(project):
    found = pd.read_csv(project / "data/validated/findings.csv")
    assert list(found.columns) == ["file", "label", "code", "policy", "value", "limit", "detail"]
    pages = (project / "reports/data_docs/index.html").read_text(encoding="utf-8")
    assert "images" in pages
    results = [path.read_text(encoding="utf-8") for path in (project / "reports/data_docs/validations").rglob("*.html")]
    assert any("phash" in text for text in results)
    assert 'href="data_docs/index.html"' in (project / "reports/index.html").read_text(encoding="utf-8")


def test_a_stage_explains_a_code_and_names_the_codes_to_one_who_asks_for_another(project):
    ask = [sys.executable, "-m", "stages.validate", "--explain"]
    where = {"cwd": project, "env": tiny_project.environment(project), "capture_output": True, "text": True}
    said = subprocess.run([*ask, "truncated"], check=False, **where)
    assert said.returncode == 0
    assert "The file ends before its pixels do." in said.stdout
    said = subprocess.run([*ask, "nonsense"], check=False, **where)
    assert said.returncode == 2
    assert "truncated" in said.stderr


def test_image_folder_reads_every_split_with_the_same_classes(project):
    from torchvision.datasets import ImageFolder

    splits = {split: ImageFolder(str(project / "data/augmented" / split)) for split in ("train", "val", "test")}
    assert len({tuple(split.classes) for split in splits.values()}) == 1
    manifest = pd.read_parquet(project / "data/augmented/manifest.parquet")
    assert {name: len(split) for name, split in splits.items()} == manifest["split"].value_counts().to_dict()


def test_hugging_face_datasets_reads_it_with_labels_and_synthetic_images_in_train_alone(project, tmp_path):
    import datasets

    data_dir = str(project / "data/augmented")
    loaded = datasets.load_dataset("imagefolder", data_dir=data_dir, cache_dir=str(tmp_path))
    manifest = pd.read_parquet(project / "data/augmented/manifest.parquet")
    counts = {str(split): len(rows) for split, rows in loaded.items()}
    assert sum(counts.values()) == len(manifest)
    assert sum(loaded["train"]["synthetic"]) == manifest["synthetic"].sum() > 0
    assert {split: sum(rows["synthetic"]) for split, rows in loaded.items() if str(split) != "train"} in (
        {"validation": 0, "test": 0},
        {"val": 0, "test": 0},
    )


@pytest.mark.parametrize("model", ["vae", "dae"])
def test_a_setting_of_a_model_reruns_the_training_of_that_model_alone(untouched, model):
    tiny_project.edit_params(untouched, {"models": {model: {"learning_rate": 0.0123}}})
    assert changed_stages(untouched) == {f"train@{model}"}


def test_a_setting_of_the_synthesis_of_one_model_trains_nothing(untouched):
    tiny_project.edit_params(untouched, {"synthesize": {"vae": {"temperature": 0.77}}})
    assert changed_stages(untouched) == {"synthesize@vae"}


def test_a_model_of_40_lines_is_added_another_is_taken_off_and_nothing_else_trains(untouched):
    """The example of docs/extend.md, added as the page says; the denoiser, taken off, leaves no trace."""
    example = dvc_deps.ROOT / "docs/examples/mean_image"
    added = yaml.safe_load(example.with_suffix(".yaml").read_text(encoding="utf-8"))
    assert len(example.with_suffix(".py").read_text(encoding="utf-8").splitlines()) <= 40
    shutil.copy(example.with_suffix(".py"), untouched / "src/morelike/models")
    added["models"]["mean_image"]["budget_images"] = 192
    added["export"]["palette_distance"] = 2.0  # so few images leave the mean images grey
    tiny_project.edit_params(untouched, added)
    of_the_new = {"train@mean_image", "synthesize@mean_image"}
    assert changed_stages(untouched) == of_the_new | {"export"}  # evaluate follows when export has run

    without = {
        "train": {"models": ["vae", "mean_image"]},
        "export": {"mix": {"vae": 0.5, "dae": 0.0, "mean_image": 0.5}},
    }
    tiny_project.edit_params(untouched, without)
    ran = set(re.findall("Running stage '(.*)'", tiny_project.dvc(untouched, "repro")))
    assert ran == of_the_new | {"export", "evaluate", "report"}
    assert changed_stages(untouched) == set()
    left = [untouched / "data" / folder / "dae" for folder in ("models", "synthetic")]
    assert all(folder.is_dir() for folder in left), "what it wrote is still there"
    manifest = pd.read_parquet(untouched / "data/augmented/manifest.parquet")
    assert set(manifest["generator"]) == {"", "vae", "mean_image"}
    assert not [path for path in hashes(untouched / "data/augmented") if "dae" in path]
    assert not re.search(r"\bdae\b", (untouched / "data/augmented/README.md").read_text())
    page = (untouched / "reports/index.html").read_text(encoding="utf-8")
    for trace in ("{}:", "({})", "chart-curves-{}", "<h3>train-{}</h3>", "@{}", "models/{}<", "synthetic/{}<"):
        assert trace.format("vae") in page
        assert trace.format("mean_image") in page
        assert trace.format("dae") not in page


def test_a_model_that_is_named_as_a_path_takes_nothing_away(untouched):
    kept = untouched / "keep/photo.txt"
    kept.parent.mkdir()
    kept.write_text("mine")
    tiny_project.edit_params(untouched, {"train": {"models": ["vae", "../../keep"]}})
    said = tiny_project.dvc(untouched, "repro", check=False)
    assert "ERROR" in said
    assert "Running stage" not in said
    assert kept.read_text() == "mine"
    shutil.rmtree(kept.parent)


@pytest.mark.parametrize("module", ["images/noise.py", "models/dae.py", "evaluate/verdict.py", "storage/shards.py"])
def test_an_edited_library_module_reruns_the_stages_that_reach_it_and_no_others(untouched, module):
    path = untouched / dvc_deps.SOURCE / module
    path.write_text(path.read_text() + "\n# an edit\n")
    params, reached = settings.read(untouched / "params.yaml"), set()
    for name, stage in dvc_deps.load(untouched / "dvc.yaml").items():
        models = params.value(stage["matrix"]["model"].strip("${}")) if "matrix" in stage else [""]
        for model in models:
            deps = [dep.replace("${item.model}", model) for dep in stage["deps"]]
            if dvc_deps.SOURCE + module in deps:
                reached.add(f"{name}@{model}" if model else name)
    assert reached - {"report"}
    assert changed_stages(untouched) == reached - {"report"}


def test_a_search_trains_nothing_but_its_model_and_keeps_what_diverges_apart(untouched):
    candidates = {"models.dae.learning_rate": {"choices": [0.01, 1e30]}}
    params = untouched / "params.yaml"
    changes = {"search.method": "grid", "search.workers": 2, "search.space": candidates}
    params.write_text(pipeline.with_values(params.read_text(), changes))
    said = subprocess.run(
        [sys.executable, "-m", "flows.search"],
        cwd=untouched,
        env=tiny_project.environment(untouched),
        capture_output=True,
        text=True,
        check=False,
    )
    assert said.returncode == 0, said.stdout + said.stderr
    trials = pd.read_csv(untouched / "reports/search/trials.csv").set_index("models.dae.learning_rate")
    assert trials["state"].to_dict() == {0.01: "completed", 1e30: "failed"}
    assert "Lower models.*.learning_rate" in trials["message"][1e30]
    logs = "".join(log.read_text() for log in (untouched / ".morelike/search").glob("*/trial-*.log"))
    assert set(re.findall("Running stage '(.*)'", logs)) == {"train@dae"}
    evaluations = list((untouched / ".morelike/search/workers").rglob("live/dae/dvclive/plots/metrics/val_loss.tsv"))
    assert any(len(read_evaluations(log)) == 2 for log in evaluations)


@pytest.mark.parametrize(
    ("stage", "out"),
    [
        ("resize", "data/resized"),
        ("corrupt", "data/noisy"),
        ("train@vae", "data/models/vae"),
        ("export", "data/augmented"),
    ],
)
def test_a_stage_killed_while_it_writes_leaves_nothing_that_looks_whole_and_ends_the_same_next_time(
    project, stage, out
):
    before = hashes(project / out)
    kill_while_writing(project, stage, project / out)
    assert not (project / out).exists()
    tiny_project.dvc(project, "repro", "--single-item", "--force", stage)
    assert hashes(project / out) == before
    assert changed_stages(project) == set()
    assert not list((project / out).parent.glob(".*.partial"))


def test_an_interrupted_stage_ends_in_one_line_and_the_next_repro_mends_it(project):
    before = hashes(project / "data/noisy")
    said = kill_while_writing(project, "corrupt", project / "data/noisy", signal.SIGINT)
    assert "Traceback" not in said
    assert not (project / "data/noisy").exists()
    tiny_project.dvc(project, "repro", "--single-item", "--force", "corrupt")
    assert hashes(project / "data/noisy") == before


def test_another_copy_of_the_project_makes_the_same_dataset_byte_for_byte(project, tmp_path_factory):
    other = tiny_project.make(tmp_path_factory.mktemp("another-place"))
    tiny_project.dvc(other, "repro", "export")
    assert hashes(other / "data/augmented") == hashes(project / "data/augmented")


def kill_while_writing(project: Path, stage: str, out: Path, number: int = signal.SIGKILL) -> str:
    """Force a stage and send ``number`` to all its processes once its output is half written; return what it said."""
    process = subprocess.Popen(
        [sys.executable, "-m", "dvc", "repro", "--single-item", "--force", "--no-run-cache", stage],
        cwd=project,
        env=tiny_project.environment(project),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    while process.poll() is None and not list(out.parent.glob(f".{out.name}.*.partial")):
        time.sleep(0.002)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, number)
    said = process.communicate(timeout=60)[0]
    wait_for_the_dead(out)
    assert process.returncode != 0, f"{stage} ended before it could be stopped"
    return said


def wait_for_the_dead(out: Path) -> None:
    """Wait until the system has buried the processes that were writing: until then their ids look alive."""
    for orphan in out.parent.glob(f".{out.name}.*.partial"):
        end = time.monotonic() + 60
        while psutil.pid_exists(int(orphan.name.split(".")[-2])) and time.monotonic() < end:
            time.sleep(0.1)
