import math

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from morelike import batches, checkpoint, params, training
from morelike.errors import TrainingError
from morelike.models import dae, vae
from morelike.models.base import Form, GenerativeModel
from tests.training_stores import squares

VAE = {"width": 8, "latent_dims": 4, "beta": 1.0, "beta_warmup_images": 0.0, "logvar_bound": 8.0}
DAE = {"width": 8, "patch_px": 2, "dropout": 0.0, "restore_share": 0.25}
BUDGET = {"budget_images": 480, "learning_rate": 3e-3}


def common(**changes) -> params.Train:
    settings = params.load().train.model_dump() | {
        "batch_size": 16,
        "evaluate_every_images": 160,
        "precision": "32-true",
    }
    return params.Train(**settings | changes)


@pytest.fixture(scope="module")
def stores(tmp_path_factory):
    folder = tmp_path_factory.mktemp("stores")
    return squares(folder / "clean"), squares(folder / "noisy", noise=0.2)


def run(stores, folder, name, settings, shared=None, seed=0):
    (folder / "out").mkdir(parents=True)
    return training.train(name, *stores, [0.3], shared or common(), settings, seed, folder / "out", folder / "live")


@pytest.mark.parametrize(("name", "settings"), [("vae", VAE), ("dae", DAE)])
def test_training_lowers_the_loss_on_val_and_leaves_all_it_promises(stores, tmp_path, name, settings):
    measured = run(stores, tmp_path, name, settings | BUDGET)
    history = pd.read_csv(tmp_path / "out/history.csv")
    assert history["images"].tolist() == [160, 320, 480]
    assert history["val_loss"].iloc[-1] < history["val_loss"].iloc[0]
    assert measured["val_loss"] == history["val_loss"].min()
    assert history["grad_norm"].gt(0).all()
    for made in ("model.safetensors", "config.json", "restoration.json", "examples/store.json"):
        assert (tmp_path / "out" / made).exists()
    grids = sorted(path.name for path in (tmp_path / "out/grids").iterdir())
    assert {grid.split("-")[0] for grid in grids} == {"restored", "samples"}
    assert np.asarray(Image.open(tmp_path / "out/grids" / grids[-1])).std() > 1
    assert list((tmp_path / "live/tensorboard").glob("events*"))
    assert (tmp_path / "live/dvclive/metrics.json").exists()


def test_the_denoiser_restores_better_than_it_was_given(stores, tmp_path):
    measured = run(stores, tmp_path, "dae", DAE | {"budget_images": 2400, "learning_rate": 3e-3})
    assert measured["psnr_after_db"] > measured["psnr_before_db"] + 1
    assert measured["ssim_after"] > measured["ssim_before"]


class Plain(GenerativeModel):
    """A model whose loss draws nothing, so that its gradient is one number, however the batch is cut."""

    restores, example_settings = "stored", {}

    def __init__(self, form, settings):
        super().__init__(form)
        self.layer = torch.nn.Conv2d(form.channels, form.channels, 3, padding=1)

    def forward(self, batch):
        error = (self.layer(batch.clean) - batch.stored).square()
        return {"loss": error.mean(), "largest": error.mean((1, 2, 3)).mean()}

    def restore(self, batch):
        return self.layer(batch.clean)

    def make(self, labels, sources, noise, settings):
        return sources


@pytest.mark.parametrize("parts", [1, 2, 3, 5])
def test_a_batch_in_parts_has_the_gradient_and_the_loss_of_the_whole(stores, monkeypatch, parts):
    torch.manual_seed(0)
    clean, noisy = stores
    drawn = batches.Batches(clean, noisy, common(), 0, "plain", torch.device("cpu"))
    batch, _ = drawn.training(0)
    model = Plain(Form(*clean.shape, tuple(drawn.labels)), {})
    expected = model(batch)["loss"]
    expected.backward()
    gradients = [parameter.grad.clone() for parameter in model.parameters()]
    model.zero_grad()
    fabric = training.devices.fabric("32-true")
    run = training.Run(fabric, model, drawn, common(), BUDGET)
    monkeypatch.setattr(training.devices, "parts_of_batch", lambda *_: parts)
    terms = run._gradients(batch)
    for ours, theirs in zip(run.model.parameters(), gradients, strict=True):
        torch.testing.assert_close(ours.grad, theirs)
    torch.testing.assert_close(terms["loss"], expected.detach())


def test_small_images_go_through_whole_and_large_ones_in_parts_on_a_cpu():
    cpu, gpu = torch.device("cpu"), torch.device("cuda")
    assert training.devices.parts_of_batch(cpu, 64, 64 * 64) == 1
    assert training.devices.parts_of_batch(cpu, 64, 128 * 128) == 3
    assert training.devices.parts_of_batch(gpu, 64, 128 * 128) == 1


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others(stores, tmp_path):
    short = VAE | {"budget_images": 64, "learning_rate": 1e-3}
    weights = []
    for turn, seed in enumerate((0, 0, 1)):
        run(stores, tmp_path / str(turn), "vae", short, seed=seed)
        weights.append((tmp_path / str(turn) / "out/model.safetensors").read_bytes())
    assert weights[0] == weights[1] != weights[2]


@pytest.mark.parametrize(("name", "settings", "term"), [("vae", VAE, "kl"), ("dae", DAE, "denoising")])
def test_a_diverged_weight_stops_the_run_at_once_and_names_term_step_and_files(
    stores, tmp_path, monkeypatch, name, settings, term
):
    update = training.update_average
    done = []

    def poisoned(average, model, decay):
        update(average, model, decay)
        done.append(decay)
        if len(done) == 3:
            with torch.no_grad():
                next(model.parameters()).fill_(math.inf)

    monkeypatch.setattr(training, "update_average", poisoned)
    with pytest.raises(TrainingError, match=r"step 3.*weights have diverged.*Files in the batch: .*\.png") as caught:
        run(stores, tmp_path, name, settings | BUDGET)
    assert term in str(caught.value)
    assert len(done) == 3


def test_a_non_finite_image_is_blamed_on_the_images(stores, tmp_path, monkeypatch):
    def poisoned(images, settings, chance):
        return torch.where(torch.arange(len(images)).view(-1, 1, 1, 1) == 5, math.nan, images)

    monkeypatch.setattr(batches.augment, "apply", poisoned)
    with pytest.raises(TrainingError, match="the images themselves hold a non-finite value"):
        run(stores, tmp_path, "vae", VAE | BUDGET)


def test_training_stops_early_when_val_gets_no_better(stores, tmp_path):
    stuck = VAE | {"budget_images": 4800, "learning_rate": 1e-12}
    measured = run(stores, tmp_path, "vae", stuck, common(patience=2, ema_halflife_images=0.0))
    assert measured["images_seen"] < 4800


def test_a_store_without_val_is_refused(stores, tmp_path):
    clean, noisy = squares(tmp_path / "a"), squares(tmp_path / "b")
    clean.index["split"] = "train"
    with pytest.raises(TrainingError, match="the val split has no image"):
        run((clean, noisy), tmp_path, "vae", VAE | BUDGET)


def test_batches_depend_on_seed_and_step_alone(stores):
    def rows(seed, step):
        return batches.Batches(*stores, common(), seed, "vae", torch.device("cpu")).training(step)

    (first, first_rows), (again, again_rows) = rows(0, 7), rows(0, 7)
    assert (first_rows == again_rows).all()
    torch.testing.assert_close(first.clean, again.clean, rtol=0, atol=0)
    assert (rows(0, 8)[1] != first_rows).any()
    assert (rows(1, 7)[1] != first_rows).any()


def test_only_train_rows_are_learnt_from(stores):
    source = batches.Batches(*stores, common(), 0, "vae", torch.device("cpu"))
    seen = np.concatenate([source.training(step)[1] for step in range(50)])
    assert set(seen) == set(stores[0].rows("train"))


def test_class_balance_one_draws_rare_classes_as_often_and_zero_as_they_are():
    labels = np.array([0] * 90 + [1] * 10)
    assert batches.class_weights(labels, 1.0)[labels == 1].sum() == pytest.approx(0.5)
    assert batches.class_weights(labels, 0.0)[labels == 1].sum() == pytest.approx(0.1)


def test_the_average_follows_the_weights_with_its_half_life():
    torch.manual_seed(0)
    form = Form(8, 8, 1, ("a",))
    average, model = vae.Model(form, VAE), vae.Model(form, VAE)
    start = [p.clone() for p in average.parameters()]
    steps = 5
    for _ in range(steps):
        training.update_average(average, model, training.ema_decay(64 * steps, 10**9, 64))
    for before, now, target in zip(start, average.parameters(), model.parameters(), strict=True):
        torch.testing.assert_close(now, (before + target) / 2)


def test_a_saved_model_is_the_same_when_loaded_and_a_damaged_one_is_refused(tmp_path):
    from morelike.errors import ModelError

    model = dae.Model(Form(8, 8, 1, ("a", "b")), DAE).eval()
    checkpoint.save(tmp_path, "dae", model)
    loaded = checkpoint.load(tmp_path)
    assert loaded.form == model.form
    for key, value in model.state_dict().items():
        torch.testing.assert_close(loaded.state_dict()[key], value, rtol=0, atol=0)
    data = bytearray((tmp_path / "model.safetensors").read_bytes())
    data[-1] ^= 1
    (tmp_path / "model.safetensors").write_bytes(data)
    with pytest.raises(ModelError, match="damaged: expected sha256"):
        checkpoint.load(tmp_path)
