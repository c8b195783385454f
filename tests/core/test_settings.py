"""Sections are read one by one, and what cannot be is refused by the first stage that runs."""

from pathlib import Path

import pytest
import yaml

from morelike.core import settings
from morelike.core.errors import ParamsError
from morelike.core.settings import Params
from morelike.resize.settings import Resize
from morelike.validate.settings import Split

ROOT = Path(__file__).resolve().parents[2]
VALUES = yaml.safe_load((ROOT / "params.yaml").read_text())


def changed(key: str, value: object) -> Params:
    values = yaml.safe_load((ROOT / "params.yaml").read_text())
    inner = values
    *parents, last = key.split(".")
    for part in parents:
        inner = inner[part]
    inner[last] = value
    return Params(values)


def test_the_settings_of_the_project_are_in_order():
    settings.check(settings.read(ROOT / "params.yaml"), models=True)


def test_every_section_belongs_to_one_room_and_is_there():
    assert set(settings.owned()) | settings.OUTSIDE == set(VALUES)


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("seed", -1, "seed: expected a whole number from 0 on, got -1"),
        ("seed", True, "seed: expected a whole number from 0 on, got True"),
        ("evalute", {}, "evalute: expected no such key"),
        ("train.batch_sise", 3, "train.batch_sise: expected no such key, got 3"),
        ("train.batch_size", 0, "train.batch_size: expected greater than or equal to 1, got 0"),
        ("evaluate.margin", float("nan"), "evaluate.margin: expected a finite number"),
        ("validate.split", {"train": 1, "val": 1, "test": 0}, "the shares must sum to 1, not 2"),
        ("export.mix", {"vae": 0.5, "dae": 0.1}, "the shares of mix must sum to 1, or all be 0, not 0.6"),
        ("train.models", [], "train.models: expected List should have at least 1 item"),
        ("train.models", ["dae", "dae"], "train: expected each model once, not dae twice"),
        ("train.models_on_base", ["latent", "vae"], "expected each model once, not vae twice"),
        ("export", None, "export: expected a valid dictionary"),
        ("synthesize.vea", {}, "synthesize.vea: expected no such key"),
        ("models", [], "models: expected a section per model"),
        ("train.models", ["../x"], "train.models.0: expected a model's name: at most 64 letters"),
        ("train.base", "vae; touch x", "train.base: expected a model's name"),
        ("resize.width_px", 10**9, "less than or equal to 8192, got 1000000000"),
        ("seed", "x" * 10**6, "seed: expected a whole number from 0 on, got 'xxx"),
        ("corrupt", {"recipe": [["x" * 99] * 99] * 99}, "corrupt.recipes: expected this key, got None"),
    ],
)
def test_a_value_that_cannot_be_is_refused_whoever_reads_the_file(key, value, said):
    with pytest.raises(ParamsError) as caught:
        settings.check(changed(key, value))
    assert said in str(caught.value)
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize("key", ["models.vae.width", "synthesize.dae.steps"])
def test_a_value_of_a_model_is_refused_when_models_are_checked(key):
    settings.check(changed(key, 1))
    with pytest.raises(ParamsError, match=key):
        settings.check(changed(key, 1), models=True)


def test_a_section_without_a_model_names_the_models_that_there_are():
    values = yaml.safe_load((ROOT / "params.yaml").read_text())
    values["models"]["gan"] = {"budget_images": 10}
    from morelike.models.errors import ModelError

    with pytest.raises(ModelError, match=r"no model named 'gan': expected src/morelike/models/gan\.py .* dae, vae"):
        settings.check(Params(values), models=True)


def test_the_base_of_others_must_be_trained_itself():
    values = yaml.safe_load((ROOT / "params.yaml").read_text())
    values["train"] |= {"models": ["dae"], "models_on_base": ["latent"], "base": "vae"}
    with pytest.raises(ParamsError, match="expected the base vae among the models dae"):
        settings.check(Params(values))


def test_export_may_let_no_new_image_in():
    settings.check(changed("export.mix", {"vae": 0.0, "dae": 0}))


def test_a_section_is_read_alone():
    assert Params({"resize": VALUES["resize"]}).section("resize", Resize).fit == "pad"


def test_shares_that_sum_to_one_but_for_rounding_are_taken():
    assert Split(train=0.7, val=0.1, test=0.2).train == 0.7


def test_a_file_that_is_missing_or_no_yaml_is_one_line(tmp_path):
    with pytest.raises(ParamsError, match=r"expected a params\.yaml in the folder you run in"):
        settings.read(tmp_path / "params.yaml")
    (tmp_path / "params.yaml").write_text("a: [")
    with pytest.raises(ParamsError, match="expected valid YAML") as caught:
        settings.read(tmp_path / "params.yaml")
    assert "\n" not in str(caught.value)


def test_every_setting_has_a_description():
    from morelike.models import registry

    for key, kind in (settings.owned() | registry.sections()).items():
        for name, field in kind.model_fields.items():
            nested = isinstance(field.annotation, type) and issubclass(field.annotation, settings.Section)
            assert field.description or nested, f"{key}.{name}"
