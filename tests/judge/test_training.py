"""A classifier: trained until val stops improving, the same whatever else is in the store, found again."""

import numpy as np
import pytest
import torch

from morelike.core import compute
from morelike.judge import field, network, training
from morelike.judge.errors import JudgeError
from morelike.judge.recipes import Recipe
from tests.judge import stores
from tests.judging import CLASSICAL, JUDGE

PLAIN = Recipe(augment=CLASSICAL.scaled(0.3).model_copy(update={"mix": "none", "flip": False, "operations": 0}))
SHORT = JUDGE.model_copy(update={"max_steps": 8})


@pytest.fixture(autouse=True)
def _one_process(monkeypatch):
    monkeypatch.setattr(compute, "cores", lambda: 1)


def said(store, state, asked, settings=SHORT, split="test") -> list[field.Answer]:
    with field.Field(store, split, settings, state) as here:
        return here.answers(asked, "classifiers")


def task(store, state) -> field.Task:
    return field.Field(store, "test", SHORT, state).task(PLAIN, 0.01, 1)


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    rows = stores.images("train", 30) + stores.images("val", 20) + stores.images("test", 20)
    return stores.write(tmp_path_factory.mktemp("real") / "store", rows)


def test_it_learns_and_ends_when_val_stops_improving(tmp_path):
    rows = stores.images("train", 150) + stores.images("val", 30) + stores.images("test", 20)
    store = stores.write(tmp_path / "store", rows)
    longer = {"max_steps": 2000, "evaluate_every_steps": 30, "patience": 4, "batch_size": 32, "width": 16}
    answer = said(store, tmp_path / "state", [(PLAIN, 0.01, 1)], JUDGE.model_copy(update=longer))[0]
    right = answer.log_probabilities.argmax(1) == np.repeat([0, 1, 2], 20)
    assert right.mean() > 0.8
    assert answer.ended
    assert answer.steps < 2000
    assert np.exp(answer.log_probabilities).sum(1) == pytest.approx(np.ones(60), abs=1e-4)


def test_a_training_does_not_depend_on_images_that_its_recipe_does_not_draw(store, tmp_path):
    rows = stores.images("train", 30) + stores.images("val", 20) + stores.images("test", 20)
    more = stores.write(tmp_path / "more", rows + stores.images("train", 5, "noise"))
    first, second = (said(one, tmp_path / f"state{n}", [(PLAIN, 0.01, 1)])[0] for n, one in enumerate((store, more)))
    assert np.array_equal(first.log_probabilities, second.log_probabilities)
    other = said(more, tmp_path / "state1", [(PLAIN.at(0.5), 0.01, 1)])[0]
    assert not np.array_equal(first.log_probabilities, other.log_probabilities)


def test_a_trained_classifier_is_found_again_and_an_interrupted_one_is_not(store, tmp_path, monkeypatch):
    first = said(store, tmp_path, [(PLAIN, 0.01, 1), (PLAIN, 0.01, 2)])
    monkeypatch.setattr(training, "_Run", None)  # nothing can be trained any more
    again = said(store, tmp_path, [(PLAIN, 0.01, 1), (PLAIN, 0.01, 2)])
    for one, other in zip(first, again, strict=True):
        assert np.array_equal(one.log_probabilities, other.log_probabilities)
    assert not np.array_equal(first[0].log_probabilities, first[1].log_probabilities)
    for name, data in (("about.json", b"{"), ("weights", b"\x00" * 99)):
        (training.folder_of(task(store, tmp_path)) / name).write_bytes(data)
        with pytest.raises(TypeError):  # it would be trained again
            said(store, tmp_path, [(PLAIN, 0.01, 1)])


def test_answers_do_not_depend_on_the_number_of_processes(store, tmp_path, monkeypatch):
    asked = [(PLAIN, 0.01, seed) for seed in (1, 2)]
    alone = said(store, tmp_path / "one", asked)
    monkeypatch.setattr(compute, "cores", lambda: 2)
    for one, other in zip(alone, said(store, tmp_path / "two", asked), strict=True):
        assert np.array_equal(one.log_probabilities, other.log_probabilities)


def test_missing_weights_are_said_before_anything_is_trained(store, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    with field.Field(store, "val", SHORT.model_copy(update={"network": "resnet18", "pretrained": True}), tmp_path):
        assert "expected the weights of resnet18" in capsys.readouterr().out
    unknown = SHORT.model_copy(update={"network": "resnet1", "pretrained": True})
    with pytest.raises(JudgeError, match="got 'resnet1'"), field.Field(store, "val", unknown, tmp_path):
        pass


def test_a_loss_that_is_not_finite_is_an_error_that_names_the_setting(store, tmp_path):
    with pytest.raises(JudgeError, match=r"lower evaluate\.learning_rates"):
        said(store, tmp_path, [(PLAIN, 1e30, 1)])


@pytest.mark.parametrize(("channels", "height", "width"), [(1, 5, 7), (3, 65, 31), (3, 200, 190)])
def test_the_small_network_takes_any_size(channels, height, width):
    model = network.build(JUDGE, (height, width, channels), classes=4)
    assert model(torch.rand(2, channels, height, width)).shape == (2, 4)


def test_a_model_of_torchvision_takes_grey_images_of_any_size_and_says_when_its_weights_are_missing(
    monkeypatch, tmp_path
):
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    settings = JUDGE.model_copy(update={"network": "mobilenet_v3_small", "pretrained": True})
    assert "mobilenet_v3_small" in network.missing_weights(settings)
    model = network.build(settings, (20, 30, 1), classes=5).eval()
    assert model(torch.rand(2, 1, 20, 30)).shape == (2, 5)
    own = network.torchvision.models.get_model("mobilenet_v3_small", num_classes=1000).state_dict()
    network.weights_path("mobilenet_v3_small").parent.mkdir()
    torch.save(own, network.weights_path("mobilenet_v3_small"))
    assert network.missing_weights(settings) is None
    begun = network.build(settings, (20, 30, 1), classes=5).model.state_dict()
    assert torch.equal(begun["features.0.0.weight"], own["features.0.0.weight"])
    with pytest.raises(JudgeError, match="resnet18"):
        network.build(JUDGE.model_copy(update={"network": "resnet1"}), (20, 30, 1), classes=5)
