"""Editing a library module must rerun exactly the stages that reach it."""

import pytest

from tests import dvc_deps

STAGES = dvc_deps.load(dvc_deps.ROOT / "dvc.yaml")[1]["stages"]


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
    dvc_deps.rewrite(copy)
    right = copy.read_text()
    assert "src/morelike/edge.py" in right
    copy.write_text(right.replace("src/morelike/edge.py", "src/morelike/never.py"))
    assert set(dvc_deps.differences(copy)) == set(STAGES)
    dvc_deps.rewrite(copy)
    assert copy.read_text() == right


def test_rewriting_keeps_comments_and_everything_but_the_library_entries(tmp_path):
    copy = tmp_path / "dvc.yaml"
    before = (dvc_deps.ROOT / "dvc.yaml").read_text()
    copy.write_text(before)
    dvc_deps.rewrite(copy)
    assert copy.read_text().splitlines()[0] == before.splitlines()[0]
    after = dvc_deps.load(copy)[1]["stages"]
    for name, stage in STAGES.items():
        assert {key: value for key, value in after[name].items() if key != "deps"} == {
            key: value for key, value in stage.items() if key != "deps"
        }
        assert [dep for dep in after[name]["deps"] if not dep.startswith(dvc_deps.SOURCE)] == [
            dep for dep in stage["deps"] if not dep.startswith(dvc_deps.SOURCE)
        ]


def test_models_loaded_by_name_are_deps_of_the_stages_over_them():
    graph = dvc_deps.build_graph()
    for name in ("train", "synthesize"):
        assert dvc_deps.ITEM in dvc_deps.library_deps(graph, STAGES[name]), name
