"""No setting reaches a shell: a folder of images may be called anything, and a model's name stays one word."""

import shlex
import subprocess
from pathlib import Path

import numpy as np
import pytest
from dvc.repo import Repo

from flows import pipeline
from morelike.core import settings
from morelike.core.errors import ParamsError
from morelike.images import pixels
from tests import tiny_project

RAW = [
    "my raw",
    "it's",
    "x; touch PWNED",
    "$(touch PWNED)",
    "`touch PWNED`",
    "-rf",
    "ünïcode",
    'a"b',
    "${x}",
    "#a",
    "a\\b",
]
HOSTILE = '-x; touch PWNED; $(touch PWNED) `touch PWNED` it\'s "ü" & ${HOME}'


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return tiny_project.make(tmp_path_factory.mktemp("project"))


@pytest.fixture
def project(made, monkeypatch):
    monkeypatch.chdir(made)
    return made


def images(folder: Path) -> None:
    draw = np.random.default_rng(0)
    for number in range(16):
        path = folder / "ab"[number % 2] / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(pixels.encode_png(draw.integers(0, 256, (20, 20, 1), dtype=np.uint8)))


def stages() -> dict[str, tuple[str, list[str]]]:
    """Return the command and the deps of each stage, as DVC would take them."""
    with Repo() as repo:
        return {one.addressing: (one.cmd, [str(dep) for dep in one.deps]) for one in repo.index.stages if one.cmd}


@pytest.mark.parametrize("raw", [*RAW, HOSTILE])
def test_a_folder_of_any_name_is_a_dep_and_no_part_of_a_command(project, raw):
    tiny_project.edit_params(project, {"data": {"raw": "plain"}})
    plain = stages()
    tiny_project.edit_params(project, {"data": {"raw": raw}})
    named = stages()
    assert {name: command for name, (command, _) in named.items()} == {name: cmd for name, (cmd, _) in plain.items()}
    assert raw in named["validate"][1]


def test_a_name_of_a_model_is_one_word_of_a_command(project):
    name = "x; touch PWNED $(touch PWNED)' \"`touch PWNED`"
    tiny_project.edit_params(project, {"train": {"models": [name], "base": name, "models_on_base": ["on"]}})
    commands = {stage: shlex.split(command) for stage, (command, _) in stages().items()}
    assert {f"train@{name}", f"synthesize@{name}", "train_on_base@on", "validate"} <= set(commands)
    for stage, words in commands.items():
        assert [word for word in words if "PWNED" in word] == [name] * stage.endswith(name)
    with pytest.raises(ParamsError, match=r"train\.models\.0: expected a model's name: .* got 'x; touch"):
        pipeline.check(project)
    tiny_project.edit_params(project, {"train": {"models": ["vae"], "base": "vae", "models_on_base": []}})


def audited(project: Path, raw: str) -> None:
    images(project / raw)
    tiny_project.edit_params(project, {"data": {"raw": raw}})
    tiny_project.dvc(project, "repro", "--force", "validate")
    assert not list(project.rglob("PWNED*"))
    assert '"accepted": 16' in (project / "reports/metrics/validate.json").read_text()


def test_dvc_audits_a_folder_whose_name_is_a_command(project):
    audited(project, HOSTILE)


@pytest.mark.slow
@pytest.mark.parametrize("raw", RAW)
def test_dvc_audits_a_folder_of_any_name(project, raw):
    audited(project, raw)


@pytest.mark.parametrize("raw", ["", " ", ".", "../..", "s3://bucket/x", "https://x/y.zip", "a\0b"])
def test_what_dvc_cannot_take_is_refused_by_the_settings(raw):
    values = settings.read(tiny_project.ROOT / "params.yaml").values
    params = settings.Params(values | {"data": values["data"] | {"raw": raw}})
    with pytest.raises(ParamsError, match=r"data\.raw: expected a "):
        settings.check(params)


def test_make_takes_a_folder_as_it_is_typed(tmp_path):
    """A stand-in for Python shows which words it is called with."""
    (tmp_path / "Makefile").write_text((tiny_project.ROOT / "Makefile").read_text(encoding="utf-8"), encoding="utf-8")
    python = tmp_path / ".venv/bin/python"
    python.parent.mkdir(parents=True)
    python.write_text('#!/bin/sh\nfor word in "$@"; do printf "<%s>" "$word"; done; echo\n')
    python.chmod(0o755)
    for name in (".venv/.ready", "requirements.txt", "pyproject.toml"):
        (tmp_path / name).touch()
    for raw in [*RAW, HOSTILE, "$(shell touch PWNED)"]:
        said = subprocess.run(
            ["make", "--old-file=.venv/.ready", "repro", f"RAW={raw}"],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
        assert f"<-m><flows.pipeline><use-images><--><{raw}>\n" in said.stdout, said
        assert not list(tmp_path.rglob("PWNED*"))
