"""What DVC says of a pipeline."""

import pytest

from flows import pipeline
from tests import tiny_project

FORK = """
stages:
  last:
    cmd: cat left right > last
    deps: [left, right]
    outs: [last]
  right:
    cmd: cat first > right
    deps: [first]
    outs: [right]
  left:
    matrix: {kind: [x, y]}
    cmd: cat first > left-${item.kind}
    deps: [first]
    outs: ["left-${item.kind}"]
  first:
    cmd: echo 1 > first
    outs: [first]
"""


def test_every_stage_comes_after_what_it_needs_and_a_matrix_gives_one_per_value(dvc_project):
    dvc_project(FORK)
    order = pipeline.order()
    assert sorted(order) == ["first", "last", "left@x", "left@y", "right"]
    assert order[0] == "first"
    assert order.index("right") < order.index("last")


def test_the_stages_of_this_project_follow_the_data():
    order = pipeline.order()
    for before, after in [("validate", "resize"), ("train@dae", "synthesize@dae"), ("export", "evaluate")]:
        assert order.index(before) < order.index(after)
    assert order[-1] == "report"


def test_removing_what_stages_wrote_leaves_what_the_user_added(dvc_project):
    root = dvc_project(FORK + "  more:\n    cmd: mkdir folder\n    outs: [folder]\n")
    (root / "mine.txt").write_text("mine")
    (root / "first").write_text("1")
    (root / "folder").mkdir()
    (root / "mine.txt.dvc").write_text("outs:\n- md5: d41d8cd98f00b204e9800998ecf8427e\n  path: mine.txt\n")
    assert {path.name for path in pipeline.remove_outs()} == {"first", "folder"}
    assert (root / "mine.txt").exists()


def test_taking_images_changes_one_value_and_keeps_the_comments(dvc_project):
    root = dvc_project(FORK, "seed: 0 # why\ndata:\n  raw: data/demo # where\n")
    (root / "my pictures, (new)").mkdir()
    assert pipeline.use_images("my pictures, (new)/") == "my pictures, (new)"
    assert (root / "params.yaml").read_text() == "seed: 0 # why\ndata:\n  raw: my pictures, (new) # where\n"


def test_taking_images_that_are_not_there_names_the_path_and_changes_nothing(dvc_project):
    root = dvc_project(FORK, "data:\n  raw: data/demo\n")
    with pytest.raises(FileNotFoundError, match="nowhere"):
        pipeline.use_images("nowhere")
    assert (root / "params.yaml").read_text() == "data:\n  raw: data/demo\n"


def test_a_model_on_a_base_is_trained_after_it_and_its_images_go_to_the_export(tmp_path, monkeypatch):
    folder = tiny_project.make(tmp_path)
    changes = {"train": {"models": ["vae"], "base": "vae", "models_on_base": ["dae"]}}
    tiny_project.edit_params(folder, changes)
    monkeypatch.chdir(folder)
    stages = pipeline.order()
    assert {"train@vae", "train_on_base@dae", "synthesize_on_base@dae"} <= set(stages)
    assert not {"train@dae", "synthesize@dae"} & set(stages)
    chain = [stages.index(name) for name in ("train@vae", "train_on_base@dae", "synthesize_on_base@dae", "export")]
    assert chain == sorted(chain)
