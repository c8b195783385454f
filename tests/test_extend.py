"""The examples of docs/extend.md, done as the page says; the model is trained in test_pipeline.py."""

import importlib.util
from pathlib import Path
from typing import get_args

import numpy as np
import pandas as pd
import pydantic
import pytest
import yaml
from PIL import Image
from scipy.ndimage import gaussian_filter

from morelike.core.errors import ParamsError
from morelike.images.noise import NoiseStep
from morelike.validate import codes, policies, rules, run
from morelike.validate.settings import FaultRule, Validate

ROOT = Path(__file__).resolve().parent.parent
EXAMPLES = ROOT / "docs" / "examples"
PARAMS = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
NAME = "mean_image"


def module(name):
    spec = importlib.util.spec_from_file_location(f"example_{name}", EXAMPLES / f"{name}.py")
    loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    return loaded


def values(name):
    return yaml.safe_load((EXAMPLES / f"{name}.yaml").read_text(encoding="utf-8"))


def drawn(seed, channels=3):
    noise = np.random.default_rng(seed).normal(size=(24, 24, channels))
    field = gaussian_filter(noise, (2, 2, 0))
    return ((field - field.min()) / np.ptp(field) * 255).astype(np.uint8)


@pytest.mark.parametrize("path", sorted(EXAMPLES.iterdir()), ids=lambda path: path.name)
def test_every_example_is_shown_on_the_page(path):
    if path.is_file():
        shown = (ROOT / "docs" / "extend.md").read_text(encoding="utf-8")
        assert f'--8<-- "docs/examples/{path.name}"' in shown


def test_the_model_is_small():
    assert len((EXAMPLES / f"{NAME}.py").read_text(encoding="utf-8").splitlines()) <= 40


@pytest.fixture(scope="module")
def stripes():
    return module("stripes").Stripes


@pytest.mark.parametrize("channels", [1, 3])
def test_the_noise_darkens_every_eighth_row_and_keeps_the_rest(stripes, channels):
    image = drawn(0, channels) // 2 + 100
    kept = image.copy()
    noisy = stripes(kind="stripes", period_px=8, share=0.5)(image, np.random.default_rng(1))
    assert noisy.dtype == np.uint8
    assert noisy.shape == image.shape
    assert np.array_equal(image, kept)
    changed = np.flatnonzero((noisy != image).any((1, 2)))
    assert len(changed) == 3
    assert set(np.diff(changed)) == {8}
    assert np.array_equal(noisy[changed], np.rint(image[changed] * 0.5).astype(np.uint8))


@pytest.mark.parametrize("wrong", [{"period_px": 0}, {"share": 1.5}, {"width_px": 3}, {"kind": "dots"}])
def test_the_noise_refuses_settings_that_cannot_be(stripes, wrong):
    with pytest.raises(pydantic.ValidationError):
        stripes(**{"kind": "stripes", "period_px": 8, "share": 0.5} | wrong)


def test_the_recipe_of_the_page_reads_the_noise_by_its_kind(stripes):
    union, kind = get_args(NoiseStep)
    steps = pydantic.TypeAdapter(list[pydantic.create_model("Any", step=(union | stripes, ...))])
    read = steps.validate_python([{"step": step} for step in values("stripes")["scanned"]])
    assert [type(one.step).__name__ for one in read] == ["Stripes", "Jpeg"]
    assert kind.discriminator == "kind"


def validate_settings(more):
    found = {**PARAMS["validate"]["codes"], **more}
    return Validate.model_validate(PARAMS["validate"] | {"codes": found, "max_quarantined_share": 1.0})


def fill(folder):
    """Write dull images of two classes, and one that is pure red and green."""
    for label in ("a", "b"):
        (folder / label).mkdir(parents=True)
        for number in range(8):
            dull = drawn(100 * ord(label) + number) // 4 + 90
            Image.fromarray(dull).save(folder / label / f"{number}.png")
    gaudy = np.zeros((24, 24, 3), np.uint8)
    gaudy[:, :12, 0], gaudy[:, 12:, 1], gaudy[::5, :, 2] = 255, 255, 90
    Image.fromarray(gaudy).save(folder / "a" / "gaudy.png")
    return folder


def test_the_fault_is_found_where_it_is_and_nowhere_else(tmp_path, monkeypatch):
    example = module("gaudy")
    monkeypatch.setitem(codes.CODES, "gaudy", example.CODE)
    monkeypatch.setitem(rules.MEASURES, "gaudy", example.MEASURE)
    chosen = validate_settings(values("gaudy"))
    run.validate(fill(tmp_path / "raw"), chosen, run.Audit(tmp_path / "out", tmp_path / "state"), workers=1)
    findings = pd.read_parquet(tmp_path / "out" / "findings.parquet")
    found = findings[findings["code"] == "gaudy"]
    assert found["file"].tolist() == ["a/gaudy.png"]
    assert found["value"].item() > 0.5
    assert "colourfulness" in found["detail"].item()
    assert "drawing" in codes.explain("gaudy")


def test_the_fault_without_its_rule_is_refused(monkeypatch):
    monkeypatch.setitem(codes.CODES, "gaudy", module("gaudy").CODE)
    given = {name: FaultRule.model_validate(rule) for name, rule in PARAMS["validate"]["codes"].items()}
    with pytest.raises(ParamsError, match=r"validate\.codes\.gaudy"):
        policies.check_rules(given)
