import json

import numpy as np
import pandas as pd
import pytest
import torch

from morelike.models import dae, saved, vae
from morelike.models.base import ImageSpec
from morelike.models.errors import ModelError
from morelike.storage.shards import ShardStore, ShardWriter
from morelike.synthesize import sampling
from morelike.synthesize.errors import SynthesisError
from tests.training_stores import VAE, model_settings, squares

SETTINGS = dae.SynthesisSettings(method="variations", strength_sigma=1.0, steps=3, walkback_rounds=2)
COUNTS = {"dark": 5, "light": 20}


@pytest.fixture
def made(tmp_path):
    torch.manual_seed(0)
    store = squares(tmp_path / "resized")
    values = {"budget_images": 64, "learning_rate": 1e-3, "width": 8, "patch_px": 2, "dropout": 0, "restore_share": 0}
    model = dae.Model(ImageSpec(16, 16, 1, ("dark", "light")), dae.Settings(**values))
    torch.nn.init.normal_(model.network.out[-1].weight)  # an output of zero would be independent of everything
    (tmp_path / "model").mkdir()
    saved.save(tmp_path / "model", "dae", model)
    return tmp_path, store


def synthesize(made, name, batch_size=8, seed=0, settings=SETTINGS):
    folder, store = made
    (folder / name).mkdir()
    maker = sampling.Maker("dae", folder / "model", store, settings, batch_size, "32-true", seed)
    sampling.synthesize(maker, COUNTS, folder / name)
    return ShardStore(folder / name)


def test_every_new_image_has_a_row_that_names_what_made_it(made):
    new = synthesize(made, "new")
    folder, store = made
    assert new.index["label"].value_counts().to_dict() == COUNTS
    sources = store.index.iloc[new.index["source_row"]]
    assert (sources["split"] == "train").all()
    assert sources["label"].tolist() == new.index["label"].tolist()
    assert sources["file"].tolist() == new.index["source_file"].tolist()
    assert set(new.index["model_sha256"]) == {saved.checksum(folder / "model")}
    assert json.loads(new.index["settings"][0]) == SETTINGS.model_dump()
    assert new.index["seed"].is_unique


def test_an_image_depends_on_its_own_seed_not_on_the_batch(made):
    small, large, other = synthesize(made, "a", 3), synthesize(made, "b", 25), synthesize(made, "c", 25, seed=1)
    rows = np.arange(len(small))
    assert np.abs(small.read(rows).astype(int) - large.read(rows)).max() <= 1
    assert np.abs(other.read(rows).astype(int) - large.read(rows)).max() > 1


def test_sources_of_a_class_are_used_equally_often(made):
    uses = synthesize(made, "new").index.query("label == 'light'")["source_row"].value_counts()
    train = len(made[1].rows("train", "light"))
    assert len(uses) == min(train, COUNTS["light"])
    assert uses.max() - uses.min() <= 1


def test_the_nearest_train_image_is_found_as_brute_force_finds_it(made):
    store = made[1]
    images = store.read(np.arange(len(store)))
    labels = store.index["label"].to_numpy()
    found = sampling.nearest_train_images(images, labels, store)
    for row in range(len(store)):
        candidates = store.rows("train", labels[row])
        distances = np.sqrt(((images[candidates] / 255.0 - images[row] / 255.0) ** 2).mean((1, 2, 3)))
        assert found["nearest_distance"][row] == pytest.approx(distances.min(), abs=1e-3)
    in_train = store.rows("train")
    assert (found["nearest_row"].to_numpy()[in_train] == in_train).mean() > 0.5
    assert found["nearest_distance"].to_numpy()[in_train] == pytest.approx(0, abs=1e-3)


def a_vae() -> vae.Model:
    return vae.Model(ImageSpec(16, 16, 1, ("dark", "light")), model_settings("vae", VAE))


METHODS = [
    ("dae", SETTINGS),
    ("dae", SETTINGS.model_copy(update={"method": "walkback"})),
    ("dae", SETTINGS.model_copy(update={"strength_sigma": 80.0})),
    ("dae", SETTINGS.model_copy(update={"method": "walkback", "strength_sigma": 80.0})),
    ("vae", vae.SynthesisSettings(method="aggregate", temperature=1.0)),
    ("vae", vae.SynthesisSettings(method="prior", temperature=1.0)),
]


@pytest.mark.parametrize(("name", "settings"), METHODS, ids=lambda value: getattr(value, "method", value))
def test_a_source_is_named_if_and_only_if_another_one_would_have_made_another_image(made, name, settings):
    """The images are made from a store, and from one whose pixels differ: those that are alike had no source."""
    folder, store = made
    if name == "vae":
        model = a_vae()
        saved.save(folder / "model", "vae", model)
    writer = ShardWriter(folder / "others", *store.shape)
    writer.append(255 - store.read(np.arange(len(store))))
    writer.close(store.index)
    new = []
    for place, real in (("of one", store), ("of others", ShardStore(folder / "others"))):
        (folder / place).mkdir()
        maker = sampling.Maker(name, folder / "model", real, settings, 8, "32-true", 0)
        sampling.synthesize(maker, COUNTS, folder / place)
        new.append(ShardStore(folder / place))
    changed = (new[0].read(np.arange(25)) != new[1].read(np.arange(25))).any(axis=(1, 2, 3))
    index = new[0].index
    assert (changed == (index["source_row"] >= 0)).all()
    assert (changed == (index["source_file"] != "")).all()
    assert (changed == (index["source_sha256"] != "")).all()
    assert changed.all() == changed.any() == settings.varies_a_source


def test_a_model_that_cannot_do_what_the_settings_ask_is_refused(made):
    class Wrong(vae.SynthesisSettings):
        @property
        def varies_a_source(self) -> bool:
            return True

    model = a_vae()
    saved.save(made[0] / "model", "vae", model)
    with pytest.raises(SynthesisError, match="the model cannot vary a real image, which method prior asks for"):
        synthesize(made, "new", settings=Wrong(method="prior", temperature=1.0))


def test_no_image_asked_for_is_an_empty_store_with_the_usual_columns(made):
    usual = synthesize(made, "usual").index
    folder, store = made
    (folder / "none").mkdir()
    maker = sampling.Maker("dae", folder / "model", store, SETTINGS, 8, "32-true", 0)
    assert sampling.synthesize(maker, dict.fromkeys(COUNTS, 0), folder / "none") == {"images": 0}
    none = ShardStore(folder / "none")
    assert len(none) == 0
    assert none.index.dtypes.to_dict() == usual.dtypes.to_dict()


def test_strength_zero_gives_the_sources_back_so_that_export_can_call_them_copies(made):
    new = synthesize(made, "new", settings=SETTINGS.model_copy(update={"strength_sigma": 0.0}))
    assert (new.read(np.arange(len(new))) == made[1].read(new.index["source_row"])).all()
    assert new.index["nearest_distance"].max() < 1e-3


def test_broken_weights_are_named_and_nothing_of_them_becomes_a_picture(made):
    folder = made[0]
    model = saved.load(folder / "model")
    torch.nn.init.constant_(model.network.out[-1].bias, torch.nan)
    saved.save(folder / "model", "dae", model)
    with pytest.raises(SynthesisError, match=r"synthetic image 0 .* holds NaN"):
        synthesize(made, "new")


def test_a_model_of_another_size_is_refused(made):
    other = squares(made[0] / "other", side=20)
    with pytest.raises(ModelError, match="trained on 16×16×1"):
        synthesize((made[0], other), "new")


def test_balance_fills_up_to_the_largest_class_and_a_number_is_for_all():
    real = pd.Series({"b": 10, "a": 90})
    assert sampling.balanced(real, "balance", 0) == {"a": 0, "b": 80}
    assert sampling.balanced(real, "balance", 25) == {"a": 25, "b": 80}
    assert sampling.balanced(real, 7, 25) == {"a": 7, "b": 7}
