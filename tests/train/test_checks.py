"""Each fault is injected into a real step, and caught at that step, by its name, with its cause and the files."""

import json
import math

import pytest
import torch
from lightning_fabric import Fabric
from lightning_fabric.plugins.precision.amp import MixedPrecision

from morelike.core import devices
from morelike.models import vae
from morelike.models.base import Outcome
from morelike.train import batches as batches_module
from morelike.train import checks, trainer
from morelike.train.errors import TrainingFault
from tests.training_stores import DAE, VAE, common, squares, task, train

BUDGET = {"budget_images": 480, "learning_rate": 1e-3}


@pytest.fixture(scope="module")
def stores(tmp_path_factory):
    folder = tmp_path_factory.mktemp("stores")
    return squares(folder / "clean"), squares(folder / "noisy", noise=0.2)


@pytest.fixture(scope="module")
def fabric():
    return devices.fabric("32-true")


def only(*names: str, **changes) -> dict:
    """Return limits with every check off but ``names``, which are on from the first image."""
    return {"after_images": 0} | {name: None for name in checks.CHECKS if name not in names} | changes


def a_run(stores, fabric, name="vae", limits=None, **settings):
    own = (VAE if name == "vae" else DAE) | BUDGET | settings
    return task(stores, name, own, common(only() if limits is None else limits)).trainer(fabric)


def fault_of(run, steps=1) -> TrainingFault:
    """Take ``steps`` steps, of which the last must be refused."""
    for _ in range(steps - 1):
        run.advance()
    before = [parameter.clone() for parameter in run.plain.parameters()]
    with pytest.raises(TrainingFault) as caught:
        run.advance()
    for old, new in zip(before, run.plain.parameters(), strict=True):
        torch.testing.assert_close(new, old, rtol=0, atol=0, equal_nan=True)  # refused before a weight was touched
    assert run.step == steps - 1
    return caught.value


def altered(monkeypatch, change, model=vae.Model):
    """Let ``change`` rewrite what the forward pass gives."""
    forward = model.forward
    monkeypatch.setattr(model, "forward", lambda self, batch: change(forward(self, batch)))


def test_a_nan_pixel_names_its_own_file_alone(stores, fabric, monkeypatch):
    def poisoned(images, settings, chance):
        images = images.clone()
        images[5, 0, 3, 3] = math.nan
        return images

    monkeypatch.setattr(batches_module.augment, "apply", poisoned)
    run = a_run(stores, fabric)
    fault = fault_of(run)
    _, rows = run.subject.training(0)
    assert fault.check == "non_finite"
    assert fault.files == [run.subject.files(rows)[5]]
    assert "the images themselves hold a non-finite value" in str(fault)


@pytest.mark.parametrize("name", ["vae", "dae"])
def test_an_inf_in_one_weights_gradient_names_the_weight(stores, fabric, name):
    run = a_run(stores, fabric, name)
    weight = run.plain.embed.weight

    def poisoned(gradient):
        gradient = gradient.clone()
        gradient[0, 0] = math.inf
        return gradient

    run.advance()
    weight.register_hook(poisoned)
    fault = fault_after(run)
    assert "the gradient of embed.weight is not" in str(fault)
    assert "grad_norm is" in str(fault)


def fault_after(run) -> TrainingFault:
    with pytest.raises(TrainingFault) as caught:
        run.advance()
    return caught.value


@pytest.mark.parametrize("name", ["vae", "dae"])
def test_a_diverged_weight_is_named_with_the_place_and_the_files(stores, fabric, name):
    run = a_run(stores, fabric, name)
    run.advance()
    with torch.no_grad():
        run.plain.embed.weight.fill_(math.inf)
    fault = fault_after(run)
    assert "the weights have diverged: embed.weight is not finite" in str(fault)
    assert fault.where == "epoch 0.44, after 16 images"
    assert str(fault).startswith("non_finite: at epoch 0.44")
    assert len(fault.files) > 1


@pytest.mark.parametrize("name", ["vae", "dae"])
def test_a_learning_rate_that_diverges_is_stopped_with_what_mends_it(stores, fabric, name):
    run = a_run(stores, fabric, name, only("diverged", "logvar_overflow"), learning_rate=30.0)
    with pytest.raises(TrainingFault, match=r"Lower models.*learning_rate") as caught:
        all(run.advance() for _ in range(60))
    assert caught.value.check in ("diverged", "non_finite", "logvar_overflow")
    assert run.step < 60


def test_targets_that_nobody_normalised_are_refused_before_the_first_step(stores, fabric, monkeypatch):
    monkeypatch.setattr(batches_module.augment, "apply", lambda images, settings, chance: images * 255)
    fault = fault_of(a_run(stores, fabric, limits=only("targets")))
    assert fault.check == "targets"
    assert fault.value == pytest.approx(220 - 1, abs=1)
    assert "divided by 255 once" in fault.mend


def test_targets_in_minus_one_to_one_do_not_fit_a_loss_for_zero_to_one(stores, fabric, monkeypatch):
    monkeypatch.setattr(batches_module.augment, "apply", lambda images, settings, chance: images * 2 - 1)
    fault = fault_of(a_run(stores, fabric, limits=only("targets")))
    assert fault.check == "targets"
    assert "binary cross-entropy has no meaning outside [0, 1]" in str(fault)
    monkeypatch.setattr(vae.Model, "target_range", (-1.0, 1.0))  # as a model with tanh and squares would have it
    a_run(stores, fabric, limits=only("targets")).advance()


def test_a_log_variance_that_overflows_is_named(stores, fabric):
    run = a_run(stores, fabric, limits=only("logvar_overflow"))
    run.advance()
    with torch.no_grad():
        run.plain.to_posterior.bias[-1] = 100.0
    fault = fault_after(run)
    assert (fault.check, round(fault.value)) == ("logvar_overflow", 100)
    assert 0.9 < common().checks.logvar_overflow / math.log(torch.finfo(torch.float32).max) < 1


def test_a_posterior_that_collapsed_is_named(stores, fabric):
    run = a_run(stores, fabric, limits=only("posterior_collapse"))
    with torch.no_grad():
        run.plain.to_posterior.weight.zero_()
        run.plain.to_posterior.bias.zero_()
    fault = fault_of(run)
    assert (fault.check, fault.value) == ("posterior_collapse", pytest.approx(0, abs=1e-6))
    assert "lower models.vae.beta" in fault.mend


@pytest.mark.parametrize("bias", [-60.0, 0.0])
def test_a_decoder_that_gives_black_or_one_grey_is_dead(stores, fabric, bias):
    run = a_run(stores, fabric, limits=only("dead_decoder"))
    with torch.no_grad():
        run.plain.decoder.out[-1].weight.zero_()
        run.plain.decoder.out[-1].bias.fill_(bias)
    fault = fault_of(run)
    assert (fault.check, fault.value) == ("dead_decoder", pytest.approx(0, abs=1e-6))


def test_colours_that_shift_are_named(stores, fabric, monkeypatch):
    altered(monkeypatch, lambda outcome: Outcome(outcome.terms, outcome.output + 0.7))
    fault = fault_of(a_run(stores, fabric, limits=only("colour_shift")))
    assert fault.check == "colour_shift"
    assert "channel order" in fault.mend


def test_a_discriminator_that_has_won_is_named_and_a_lucky_step_is_not(stores, fabric, monkeypatch):
    won = {"discriminator_accuracy": torch.tensor(1.0)}
    altered(monkeypatch, lambda outcome: Outcome(outcome.terms | won, outcome.output))
    run = a_run(stores, fabric, limits=only("discriminator_won"))
    run.watch.told_apart = 0.9795
    fault = fault_of(run, 2)  # 0.98 is passed at the second step
    assert fault.check == "discriminator_won"
    run = a_run(stores, fabric, limits=only("discriminator_won"))
    run.advance()


def test_a_loss_that_has_not_moved_is_named(stores, tmp_path):
    frozen = VAE | BUDGET | {"learning_rate": 1e-12}
    with pytest.raises(TrainingFault, match=r"stuck: at epoch 4\.44, after 160 images: .*Raise models") as caught:
        train(stores, tmp_path, "vae", frozen, common(only("stuck", after_images=160)))
    assert caught.value.check == "stuck"
    assert not (tmp_path / "out").exists()


def of_16_bits(scale: float) -> Fabric:
    """Return what a GPU without bf16 gets, on the CPU, with a scale of the loss to begin with."""
    scaler = torch.amp.GradScaler("cpu", init_scale=scale)
    fabric = Fabric(accelerator="cpu", devices=1, plugins=[MixedPrecision("16-mixed", "cpu", scaler)])
    fabric.launch()
    return fabric


def test_a_gradient_of_16_bits_that_overflows_is_left_out_until_the_scale_fits(stores):
    run = a_run(stores, of_16_bits(2.0**24), limits=only(overflow_steps=20))
    moved = []
    for _ in range(20):
        before = run.plain.to_posterior.weight.clone()
        run.advance()
        moved.append(not torch.equal(run.plain.to_posterior.weight, before))
    first = moved.index(True)
    assert 0 < first < 15
    assert moved == [False] * first + [True] * (20 - first)
    assert run.watch.seen["overflow_steps"].worst == first
    assert run.watch.overflows == 0
    assert run.state()[1]["scaler"]["scale"] == 2.0 ** (24 - first)


def test_gradients_of_16_bits_that_overflow_on_and_on_are_a_fault(stores):
    fault = fault_of(a_run(stores, of_16_bits(2.0**60), limits=only(overflow_steps=3)), 4)
    assert (fault.check, fault.value) == ("overflow_steps", 4)
    assert "Set train.precision to 32-true" in str(fault)


def test_a_loss_of_16_bits_that_is_no_number_is_never_left_out(stores, monkeypatch):
    altered(
        monkeypatch, lambda outcome: Outcome(outcome.terms | {"loss": outcome.terms["loss"] * math.nan}, outcome.output)
    )
    fault = fault_of(a_run(stores, of_16_bits(2.0**10), limits=only(overflow_steps=3)))
    assert (fault.check, "loss is nan" in str(fault)) == ("non_finite", True)


def test_nothing_is_refused_in_a_sound_run_and_the_worst_of_each_check_is_kept(stores, tmp_path):
    train(stores, tmp_path, "vae", VAE | BUDGET | {"budget_images": 960}, common({"after_images": 320}))
    lines = {line["check"]: line for line in json.loads((tmp_path / "out/checks.json").read_text())}
    assert set(lines) == set(checks.CHECKS)
    for name in ("targets", "diverged", "posterior_collapse", "dead_decoder", "colour_shift", "stuck"):
        assert lines[name]["worst"] is not None, name
    assert lines["discriminator_won"]["worst"] is None  # there is none
    assert lines["colour_shift"]["at_images"] >= 320


def test_every_check_has_a_limit_and_every_limit_a_check():
    limits = set(common().checks.model_dump()) - {"after_images"}
    assert limits == set(checks.CHECKS)


def test_a_loss_on_val_that_is_no_number_is_a_fault_too(stores, tmp_path, monkeypatch):
    evaluate, fresh = trainer.evaluate, iter([True])
    lost = {"loss": math.nan}
    monkeypatch.setattr(trainer, "evaluate", lambda *what: evaluate(*what) | ({} if next(fresh, False) else lost))
    with pytest.raises(TrainingFault, match=r"non_finite: at epoch 4\.44, after 160 images: loss is nan: .*overflowed"):
        train(stores, tmp_path, "vae", VAE | BUDGET, common(only()))


def test_a_check_that_is_switched_off_refuses_nothing(stores, fabric):
    run = a_run(stores, fabric, limits=only())
    with torch.no_grad():
        run.plain.to_posterior.bias[-1] = 100.0
    assert run.advance()["largest_logvar"] > 80
    assert run.step == 1
