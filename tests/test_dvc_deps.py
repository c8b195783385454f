"""Editing a library module must rerun exactly the stages that reach it."""

import pytest

from tests import dvc_deps

STAGES = dvc_deps.load(dvc_deps.ROOT / "dvc.yaml")


def test_deps_of_every_stage_are_the_library_modules_that_it_reaches():
    wrong = dvc_deps.differences(dvc_deps.ROOT / "dvc.yaml")
    assert not wrong, dvc_deps.explain(wrong)


@pytest.mark.parametrize("name", STAGES)
def test_every_stage_depends_on_its_own_file(name):
    module = dvc_deps.stage_module(STAGES[name])
    assert module.replace(".", "/") + ".py" in STAGES[name]["deps"]


def test_a_missing_and_a_needless_entry_are_both_found_and_mended(tmp_path):
    copy = tmp_path / "dvc.yaml"
    copy.write_text((dvc_deps.ROOT / "dvc.yaml").read_text())
    copy.write_text(copy.read_text().replace("src/morelike/edge.py", "src/morelike/never.py"))
    assert set(dvc_deps.differences(copy)) == set(STAGES)
    dvc_deps.rewrite(copy)
    assert dvc_deps.load(copy) == dvc_deps.load(dvc_deps.ROOT / "dvc.yaml")


def test_rewriting_touches_nothing_but_the_library_entries(tmp_path):
    before = (dvc_deps.ROOT / "dvc.yaml").read_text()
    copy = tmp_path / "dvc.yaml"
    copy.write_text(before.replace("src/morelike/edge.py", "src/morelike/never.py"))
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
    graph = dvc_deps.build_graph()
    for name in ("train", "synthesize"):
        assert dvc_deps.ITEM in dvc_deps.library_deps(graph, STAGES[name]), name
