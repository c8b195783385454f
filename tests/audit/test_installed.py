"""The project installed alone, without the packages of the pipeline, has the command, the template and the rules."""

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests import raw_sets

ROOT = Path(__file__).resolve().parents[2]
SOURCES = ("pyproject.toml", "setup.py", "params.yaml", "README.md", "LICENSE")
PIPELINE = ("dvc", "dvclive", "fastapi", "great_expectations", "mlxtend", "optuna", "plotly", "prefect", "sklearn")
WITHOUT = f"""
import sys

class Absent:
    @staticmethod
    def find_spec(name, *_):
        if name.partition(".")[0] in {(*PIPELINE, "torch")}:
            raise ModuleNotFoundError(name)

sys.meta_path.insert(0, Absent)
"""  # torch would be there, but nothing should load it


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """A folder with the built package, and the environment in which nothing of the pipeline can be imported."""
    home = tmp_path_factory.mktemp("alone")
    shutil.copytree(ROOT / "src", home / "src", ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
    for name in SOURCES:
        shutil.copy(ROOT / name, home)
    flags = "--quiet --no-deps --no-build-isolation --no-index --no-compile --disable-pip-version-check"
    install = [sys.executable, "-m", "pip", "install", *flags.split(), "--target", home / "installed", home]
    subprocess.run(install, check=True, capture_output=True)
    (home / "installed/sitecustomize.py").write_text(WITHOUT)
    shutil.rmtree(home / "src")
    (home / "params.yaml").unlink()
    return home / "installed", os.environ | {"PYTHONPATH": str(home / "installed"), "OMP_NUM_THREADS": "1"}


def run(command, environment, folder):
    return subprocess.run(command, env=environment, cwd=folder, capture_output=True, text=True, timeout=60, check=False)


def test_the_command_audits_writes_its_page_and_its_images(alone, tmp_path):
    installed, environment = alone
    raw_sets.plain(tmp_path / "raw")
    options = ["--json", "-", "--html", "page.html", "--fix", "out", "--workers", "1"]
    done = run([installed / "bin/morelike", "audit", "raw", *options], environment, tmp_path)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["accepted"] == 12
    assert len(list(tmp_path.glob("out/*/*.png"))) == 12
    assert "<h1" in (tmp_path / "page.html").read_text()


def test_a_script_without_a_main_guard_may_call_it_on_many_processes(alone, tmp_path):
    raw_sets.plain(tmp_path / "raw", 1)
    script = tmp_path / "script.py"
    script.write_text(
        "from morelike.audit import audit\n"
        "found = audit('raw', policies={'small_class': 'warn'}, workers=2)\n"
        "print(len(found.images), found.failed, __file__)\n"
    )
    done = run([sys.executable, script], alone[1], tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["2", "[]", str(script)]


def test_the_packages_that_were_missing_are_those_of_the_pipeline():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    names = {"sklearn": "scikit-learn", "great_expectations": "great-expectations"}
    for name in PIPELINE:
        pattern = re.compile(rf"{names.get(name, name)}\b(?!-)")
        assert not any(pattern.match(one) for one in project["dependencies"])
        assert any(pattern.match(one) for one in project["optional-dependencies"]["pipeline"])
