import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from morelike.core import devices
from morelike.models import dae, saved, vae
from morelike.models.base import Batch, ImageSpec
from morelike.train import schedule as schedules
from morelike.train import trainer
from morelike.train.batches import Batches, class_weights
from morelike.train.errors import TrainingError
from tests.training_stores import DAE, RECIPES, VAE, common, model_settings, squares, task, train

BUDGET = {"budget_images": 480, "learning_rate": 3e-3}


@pytest.fixture(scope="module")
def stores(tmp_path_factory):
    folder = tmp_path_factory.mktemp("stores")
    return squares(folder / "clean"), squares(folder / "noisy", noise=0.2)


@pytest.mark.parametrize(("name", "settings"), [("vae", VAE), ("dae", DAE)])
def test_training_lowers_the_loss_on_val_and_leaves_all_it_promises(stores, tmp_path, name, settings):
    measured = train(stores, tmp_path, name, settings | BUDGET)
    history = pd.read_csv(tmp_path / "out/history.csv")
    assert history["images"].tolist() == [160, 320, 480]
    assert history["val_loss"].iloc[-1] < history["val_loss"].iloc[0]
    assert measured["val_loss"] == history["val_loss"].min()
    assert history["grad_norm"].gt(0).all()
    assert len(history) == len(set(history["images"]))
    for made in (
        "model.safetensors",
        "config.json",
        "last/model.safetensors",
        "checks.json",
        *(("restoration.csv", "classical.csv") if name == "dae" else ()),
        "examples/store.json",
    ):
        assert (tmp_path / "out" / made).exists()
    grids = sorted(path.name for path in (tmp_path / "out/grids").iterdir())
    seen = ("000000048", "000000160", "000000480")  # the first epoch has 36 images: 3 batches
    assert grids == [f"{kind}-{images}.png" for kind in ("restored", "samples") for images in seen]
    assert np.asarray(Image.open(tmp_path / "out/grids" / grids[-1])).std() > 1
    assert list((tmp_path / "live/tensorboard").glob("events*"))
    assert bool(list((tmp_path / "live/tensorboard").rglob("tensors.tsv"))) == (name == "vae")  # its codes
    assert (tmp_path / "live/dvclive/metrics.json").exists()


def test_the_denoiser_restores_better_than_it_was_given(stores, tmp_path):
    measured = train(stores, tmp_path, "dae", DAE | {"budget_images": 2400, "learning_rate": 3e-3})
    assert measured["psnr_after_db"] > measured["psnr_before_db"] + 1
    assert measured["ssim_after"] > measured["ssim_before"]


@pytest.mark.slow
@pytest.mark.parametrize(("name", "settings"), [("vae", VAE), ("dae", DAE)])
def test_a_run_that_is_really_compiled_comes_to_the_loss_of_a_plain_one(stores, tmp_path, capsys, name, settings):
    few = settings | BUDGET | {"budget_images": 160}
    plain = train(stores, tmp_path / "plain", name, few)
    compiled = train(stores, tmp_path / "compiled", name, few, common(compile=True))
    if "cannot compile" in capsys.readouterr().out:
        pytest.skip("there is no compiler on this machine")
    assert compiled["val_loss"] == pytest.approx(plain["val_loss"], rel=1e-3)
    assert compiled["psnr_after_db"] == pytest.approx(plain["psnr_after_db"], rel=1e-3)


@pytest.mark.parametrize("parts", [2, 3, 5])
def test_a_batch_in_parts_has_the_gradient_and_the_loss_of_the_whole(stores, monkeypatch, parts):
    fabric = devices.fabric("32-true")

    def gradients(count):
        monkeypatch.setattr(devices, "parts_of_batch", lambda *_: count)
        run = task(stores, "dae", DAE | BUDGET, common(grad_clip_norm=1e9)).trainer(fabric)
        torch.nn.init.normal_(run.plain.network.out[-1].weight)  # so that the output is not the input
        parts = run.subject.in_parts(run.subject.training(0)[0], 1, 0)
        values = run.gradients(run.players[0], run.optimizers[0], parts)
        return values, [parameter.grad for parameter in run.plain.parameters()]

    (whole, of_whole), (cut, of_cut) = gradients(1), gradients(parts)
    assert cut["loss"] == pytest.approx(whole["loss"], rel=1e-5)
    assert cut["largest_excess"] == whole["largest_excess"]
    for ours, theirs in zip(of_cut, of_whole, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-3, atol=1e-5)


def test_val_is_judged_in_parts_as_it_is_whole(stores, monkeypatch):
    fabric = devices.fabric("32-true")
    run = task(stores, "dae", DAE | BUDGET).trainer(fabric)
    torch.nn.init.normal_(run.average.network.out[-1].weight)
    whole = trainer.evaluate(run.average, run.subject, fabric)
    seen, forward = [], dae.Model.forward
    monkeypatch.setattr(devices, "parts_of_batch", lambda *_: 3)
    monkeypatch.setattr(dae.Model, "forward", lambda model, batch: seen.append(len(batch)) or forward(model, batch))
    assert trainer.evaluate(run.average, run.subject, fabric)["loss"] == pytest.approx(whole["loss"], rel=1e-5)
    assert seen == [4, 4, 4]


def test_a_row_draws_the_same_noise_however_the_batch_is_cut():
    images, labels = torch.rand(7, 1, 4, 4), torch.zeros(7, dtype=torch.long)
    drawn = Batch(images, labels, images, images, seed=5).normal(3)
    parts = Batch(images, labels, images, images, seed=5).cut(2)
    pieces = [piece.normal(3) for part in parts for piece in part.cut(2)]
    torch.testing.assert_close(torch.cat(pieces), drawn, rtol=0, atol=0)


def test_16_bits_are_for_the_network_alone(stores, monkeypatch):
    """Fabric casts every tensor that it finds in the arguments; targets must not be among them."""
    seen = []
    forward = vae.Model.forward

    def spied(self, batch):
        seen.append((batch.images.dtype, self.from_latent(torch.zeros(1, 4 + 32)).dtype))
        return forward(self, batch)

    monkeypatch.setattr(vae.Model, "forward", spied)
    run = task(stores, "vae", VAE | BUDGET, common(precision="bf16-mixed")).trainer(devices.fabric("bf16-mixed"))
    run.advance()
    assert seen == [(torch.float32, torch.bfloat16)]


def test_small_images_go_through_whole_and_large_ones_in_parts_on_a_cpu():
    cpu, gpu = torch.device("cpu"), torch.device("cuda")
    assert devices.parts_of_batch(cpu, 64, 64 * 64) == 1
    assert devices.parts_of_batch(cpu, 64, 128 * 128) == 3
    assert devices.parts_of_batch(gpu, 64, 128 * 128) == 1


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others(stores, tmp_path):
    short = VAE | {"budget_images": 64, "learning_rate": 1e-3}
    weights = []
    for turn, seed in enumerate((0, 0, 1)):
        train(stores, tmp_path / str(turn), "vae", short, seed=seed)
        weights.append((tmp_path / str(turn) / "out/model.safetensors").read_bytes())
    assert weights[0] == weights[1] != weights[2]


def test_training_stops_early_when_val_gets_no_better(stores, tmp_path):
    stuck = VAE | {"budget_images": 4800, "learning_rate": 1e-12}
    measured = train(stores, tmp_path, "vae", stuck, common({"stuck": None}, patience=2, ema_halflife_images=0.0))
    assert measured["images_seen"] < 4800


def test_a_store_without_val_is_refused(stores, tmp_path):
    clean, noisy = squares(tmp_path / "a"), squares(tmp_path / "b")
    clean.index["split"] = "train"
    with pytest.raises(TrainingError, match="the val split has no image"):
        train((clean, noisy), tmp_path, "vae", VAE | BUDGET)


def test_batches_depend_on_seed_and_step_alone(stores):
    def rows(seed, step):
        return Batches(*stores, common(), seed, "vae", torch.device("cpu"), RECIPES).training(step)

    (first, first_rows), (again, again_rows) = rows(0, 7), rows(0, 7)
    assert (first_rows == again_rows).all()
    torch.testing.assert_close(first.images, again.images, rtol=0, atol=0)
    assert (rows(0, 8)[1] != first_rows).any()
    assert (rows(1, 7)[1] != first_rows).any()


def test_only_train_rows_are_learnt_from(stores):
    source = Batches(*stores, common(), 0, "vae", torch.device("cpu"), RECIPES)
    seen = np.concatenate([source.training(step)[1] for step in range(50)])
    assert set(seen) == set(stores[0].rows("train"))


def test_class_balance_one_draws_rare_classes_as_often_and_zero_as_they_are():
    labels = np.array([0] * 90 + [1] * 10)
    assert class_weights(labels, 1.0)[labels == 1].sum() == pytest.approx(0.5)
    assert class_weights(labels, 0.0)[labels == 1].sum() == pytest.approx(0.1)


def test_the_average_follows_the_weights_with_its_half_life():
    torch.manual_seed(0)
    form, chosen = ImageSpec(8, 8, 1, ("a",)), model_settings("vae", VAE)
    average, model = vae.Model(form, chosen), vae.Model(form, chosen)
    start = [p.clone() for p in average.parameters()]
    steps = 5
    for _ in range(steps):
        trainer.update_average(average, model, schedules.ema_decay(64 * steps, 10**9, 64))
    for before, now, target in zip(start, average.parameters(), model.parameters(), strict=True):
        torch.testing.assert_close(now, (before + target) / 2)


def test_a_saved_model_is_the_same_when_loaded_and_a_damaged_one_is_refused(tmp_path):
    from morelike.models.errors import ModelError

    model = dae.Model(ImageSpec(8, 8, 1, ("a", "b")), model_settings("dae", DAE)).eval()
    saved.save(tmp_path, "dae", model)
    loaded = saved.load(tmp_path)
    assert loaded.spec == model.spec
    for key, value in model.state_dict().items():
        torch.testing.assert_close(loaded.state_dict()[key], value, rtol=0, atol=0)
    data = bytearray((tmp_path / "model.safetensors").read_bytes())
    data[-1] ^= 1
    (tmp_path / "model.safetensors").write_bytes(data)
    with pytest.raises(ModelError, match="damaged: expected sha256"):
        saved.load(tmp_path)
