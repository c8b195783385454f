"""Models are files found by name; whatever is wrong with one is said in one line."""

import sys

import pytest
import torch

from morelike.core.settings import Params
from morelike.models import base, dae, registry, saved, vae
from morelike.models.base import Batch, ImageModel, ImageSpec, ModelSettings, Outcome
from morelike.models.errors import ModelError

SPEC = ImageSpec(8, 8, 1, ("a", "b"))


def test_models_are_the_files_with_a_model_and_no_others():
    assert registry.names() == ["dae", "vae"]


@pytest.mark.parametrize("name", ["gan", "diffusion", "base", "..", "a.b", ""])
def test_a_name_without_a_model_is_refused_with_the_names_that_there_are(name):
    with pytest.raises(ModelError, match=r"no model named .* there are dae, vae"):
        registry.create(name, SPEC, ModelSettings(budget_images=1))


def test_a_missing_import_in_a_models_file_is_called_that(tmp_path, monkeypatch):
    (tmp_path / "broken.py").write_text("import nowhere_to_be_found\n\nclass Model(object):\n    pass\n")
    monkeypatch.setattr(registry, "FOLDER", tmp_path)
    monkeypatch.setattr(sys.modules["morelike.models"], "__path__", [str(tmp_path)])
    with pytest.raises(ModelError, match=r"broken\.py cannot be imported: No module named 'nowhere_to_be_found'"):
        registry.module_of("broken")


def test_a_model_without_synthesis_makes_no_images(monkeypatch):
    monkeypatch.delattr(vae, "SynthesisSettings")
    with pytest.raises(ModelError, match="vae makes no images"):
        registry.synthesis_settings_of("vae", Params({"synthesize": {"vae": {}}}))


def test_models_say_what_they_can_do():
    abilities = (base.Encodes, base.Decodes, base.Restores, base.Generates, base.Varies)
    assert [issubclass_of(vae.Model, ability) for ability in abilities] == [True, True, True, True, False]
    assert [issubclass_of(dae.Model, ability) for ability in abilities] == [False, False, True, True, True]


def issubclass_of(kind: type, ability: type) -> bool:
    return isinstance(kind.__new__(kind), ability)


class EchoSettings(ModelSettings):
    """A rate."""

    learning_rate: float = 1e-3


class Echo(ImageModel):
    """Stands on another model, and adds a learned number to what that one decodes."""

    needs_base = True

    def __init__(self, spec, settings, base):
        super().__init__(spec, settings)
        self.base, self.shift = base, torch.nn.Parameter(torch.full((), 0.25))

    def forward(self, batch: Batch) -> Outcome:
        """Shift the base's reconstruction."""
        output = self.base.restore(batch) + self.shift
        return Outcome({"loss": (output - batch.images).square().mean()}, output)


def test_a_model_on_a_base_is_built_on_one_and_comes_back_from_disk_with_it(tmp_path, monkeypatch):
    module = type(sys)("morelike.models.echo")
    module.Model, module.Settings = Echo, EchoSettings
    known = registry.module_of
    monkeypatch.setattr(registry, "module_of", lambda name: module if name == "echo" else known(name))
    settings = {"width": 8, "latent_dims": 2, "beta": 1.0, "beta_warmup_images": 0, "logvar_bound": 8.0}
    trained = vae.Model(SPEC, vae.Settings(budget_images=8, learning_rate=1e-3, **settings))
    saved.save(tmp_path / "vae", "vae", trained)
    with pytest.raises(ModelError, match="echo: expected the trained model that it builds on"):
        registry.create("echo", SPEC, EchoSettings(budget_images=8))
    with pytest.raises(ModelError, match="vae: it builds on no other model"):
        registry.create("vae", SPEC, trained.settings, trained)
    base_model = saved.load(tmp_path / "vae").requires_grad_(False)
    echo = registry.create("echo", SPEC, EchoSettings(budget_images=8), base_model)
    assert [parameter is echo.shift for player in echo.players() for parameter in player.parameters] == [True]
    saved.save(tmp_path / "echo", "echo", echo)
    loaded = saved.load(tmp_path / "echo")
    for key, value in echo.state_dict().items():
        torch.testing.assert_close(loaded.state_dict()[key], value, rtol=0, atol=0)
