"""Editing a library module must rerun exactly the stages that reach it."""

import pytest

from morelike.core import settings
from morelike.synthesize.settings import Synthesize
from morelike.train.settings import Train
from tests import dvc_deps

STAGES = dvc_deps.load(dvc_deps.ROOT / "dvc.yaml")


def test_deps_of_every_stage_are_the_library_modules_that_it_reaches():
    wrong = dvc_deps.differences(dvc_deps.ROOT / "dvc.yaml")
    assert not wrong, dvc_deps.explain(wrong)


@pytest.mark.parametrize("name", STAGES)
def test_every_stage_depends_on_its_own_file(name):
    assert dvc_deps.stage_file(STAGES[name]).relative_to(dvc_deps.ROOT).as_posix() in STAGES[name]["deps"]


def test_a_missing_and_a_needless_entry_are_both_found_and_mended(tmp_path):
    copy = tmp_path / "dvc.yaml"
    copy.write_text((dvc_deps.ROOT / "dvc.yaml").read_text())
    copy.write_text(copy.read_text().replace("src/morelike/core/cli.py", "src/morelike/never.py"))
    assert set(dvc_deps.differences(copy)) == set(STAGES)
    dvc_deps.rewrite(copy)
    assert dvc_deps.load(copy) == dvc_deps.load(dvc_deps.ROOT / "dvc.yaml")


def test_rewriting_touches_nothing_but_the_library_entries(tmp_path):
    before = (dvc_deps.ROOT / "dvc.yaml").read_text()
    copy = tmp_path / "dvc.yaml"
    copy.write_text(before.replace("src/morelike/core/cli.py", "src/morelike/never.py"))
    dvc_deps.rewrite(copy)
    assert copy.read_text().splitlines()[0] == before.splitlines()[0]
    after = dvc_deps.load(copy)
    assert list(after) == list(STAGES)
    for name, stage in STAGES.items():
        assert [dep for dep in after[name]["deps"] if not dep.startswith(dvc_deps.SOURCE)] == [
            dep for dep in stage["deps"] if not dep.startswith(dvc_deps.SOURCE)
        ]
        assert after[name] | {"deps": None} == stage | {"deps": None}


def test_models_loaded_by_name_are_deps_of_the_stages_over_them():
    for name in ("train", "synthesize"):
        assert dvc_deps.ITEM in dvc_deps.library_deps(STAGES[name]), name


def test_training_reads_the_recipes_and_its_section_but_no_list_of_models_so_that_a_new_model_trains_no_other_again():
    own = {f"train.{name}" for name in Train.model_fields} - {"train.models", "train.base", "train.models_on_base"}
    for name in ("train", "train_on_base"):
        assert sorted(STAGES[name]["params"]) == sorted([*own, "corrupt.recipes", "models.${item.model}", "seed"])


def test_synthesis_reads_what_all_models_share_and_the_section_of_its_own_model():
    own = {f"synthesize.{name}" for name in Synthesize.model_fields}
    for name in ("synthesize", "synthesize_on_base"):
        assert sorted(STAGES[name]["params"]) == sorted([*own, "train.precision", "synthesize.${item.model}", "seed"])


@pytest.mark.parametrize("name", STAGES)
def test_every_parameter_of_a_stage_is_one_of_params_yaml(name):
    params = settings.read(dvc_deps.ROOT / "params.yaml")
    for key in STAGES[name]["params"]:
        if key == {"params.yaml": None}:
            continue  # all of it
        for model in settings.trained_models(params):
            params.value(key.replace("${item.model}", model))
