import math

import pytest
import torch
from torch.distributions import Independent, Normal, kl_divergence

from morelike.models import vae
from morelike.models.base import Batch, ImageSpec

SETTINGS = {"width": 8, "latent_dims": 4, "beta": 1.0, "beta_warmup_images": 100.0, "logvar_bound": 3.0}


def create(form: ImageSpec, **changes) -> vae.Model:
    return vae.Model(form, vae.Settings(budget_images=64, learning_rate=1e-3, **SETTINGS | changes))


def batch_of(form: ImageSpec, count: int = 4, images_seen: int = 0, seed: int = 0) -> Batch:
    images = torch.rand(count, form.channels, form.height, form.width, generator=torch.Generator().manual_seed(seed))
    labels = torch.arange(count) % max(1, len(form.labels))
    return Batch(images, labels, images, images, seed, images_seen)


def test_kl_is_that_of_torch_distributions():
    mean, logvar = torch.randn(5, 3), torch.randn(5, 3)
    theirs = kl_divergence(Normal(mean, (logvar / 2).exp()), Normal(0, 1))
    torch.testing.assert_close(vae.kl_to_standard_normal(mean, logvar), theirs)


def test_reconstruction_is_the_gaussian_log_likelihood_at_its_best_sigma():
    target, output = torch.rand(6, 3, 5, 7), torch.rand(6, 3, 5, 7)
    ours = vae.optimal_gaussian_nll((output - target).square())

    def nll(sigma: float) -> float:
        return -Independent(Normal(output, sigma), 3).log_prob(target).mean().item()

    best = (output - target).square().mean().sqrt().item()
    assert ours.item() == pytest.approx(nll(best), rel=1e-5)
    assert ours.item() < nll(best * 1.1)
    assert ours.item() < nll(best * 0.9)


def test_a_perfect_reconstruction_has_a_finite_loss():
    assert math.isfinite(vae.optimal_gaussian_nll(torch.zeros(2, 1, 4, 4)).item())


def test_log_variance_stays_within_its_bound_whatever_the_weights():
    form = ImageSpec(16, 16, 1, ("a", "b"))
    model = create(form)
    torch.nn.init.constant_(model.to_posterior.bias, 1e4)
    logvar = model.posterior(batch_of(form).images, torch.zeros(4, dtype=torch.long))[1]
    assert logvar.abs().max() <= SETTINGS["logvar_bound"]


def test_beta_warms_up_with_the_images_seen_and_is_whole_when_evaluating():
    form = ImageSpec(16, 16, 1, ("a", "b"))
    model = create(form)

    def share_of_kl(seen: int) -> float:
        terms = model(batch_of(form, images_seen=seen)).terms
        return ((terms["loss"] - terms["reconstruction"]) / terms["kl"]).item()

    assert [round(share_of_kl(seen), 3) for seen in (0, 50, 100, 1000)] == [0, 0.5, 1, 1]
    model.eval()
    assert share_of_kl(0) == pytest.approx(1, abs=1e-3)


def test_latents_have_the_mean_and_spread_of_the_posterior():
    form = ImageSpec(8, 8, 1, ("a",))
    model = create(form)
    seen = []
    model.decode = lambda latents, labels: seen.append(latents) or torch.zeros(len(latents), 1, 8, 8)
    images = torch.rand(1, 1, 8, 8).expand(20_000, -1, -1, -1)
    labels = torch.zeros(20_000, dtype=torch.long)
    model(Batch(images, labels, images, images, 1))
    mean, logvar = model.posterior(images[:1], labels[:1])
    torch.testing.assert_close(seen[0].mean(0), mean[0], atol=0.05, rtol=0)
    torch.testing.assert_close(seen[0].std(0), (logvar[0] / 2).exp(), atol=0.05, rtol=0)


@pytest.mark.parametrize(("height", "width"), [(28, 28), (17, 23), (178, 218)])
def test_any_size_comes_out_as_it_went_in_within_the_range_of_pixels(height, width):
    form = ImageSpec(height, width, 3, ("a", "b"))
    model = create(form).eval()
    restored = model.restore(batch_of(form, 2))
    prior = vae.SynthesisSettings(method="prior", temperature=1.0)
    made = model.generate(torch.tensor([0, 1]), lambda shape: torch.randn(2, *shape), prior)
    for images in (restored, made):
        assert images.shape == (2, 3, height, width)
        assert 0 <= images.min() <= images.max() <= 1


def test_latents_of_a_class_are_sampled_from_the_gaussian_that_they_follow():
    chance = torch.Generator().manual_seed(0)
    labels = torch.arange(6000) % 2
    mix = torch.tensor([[1.0, 0.0], [0.8, 0.5]], dtype=torch.float64)
    codes = torch.randn(6000, 2, generator=chance, dtype=torch.float64) @ mix.T + 3.0 * labels[:, None]
    centres, factors = vae.gaussian_of_each_class(codes, torch.full_like(codes, 0.01), labels, 3)
    for label in (0, 1):
        mine = codes[labels == label]
        torch.testing.assert_close(centres[label], mine.mean(0))
        expected = torch.cov(mine.T) + 0.01 * torch.eye(2)
        torch.testing.assert_close(factors[label] @ factors[label].T, expected, atol=0.02, rtol=0)
    torch.testing.assert_close(factors[2], torch.eye(2, dtype=torch.float64))


def test_a_class_of_one_image_can_still_be_sampled():
    codes = torch.randn(9, 4, dtype=torch.float64)
    labels = torch.tensor([0] * 8 + [1])
    factors = vae.gaussian_of_each_class(codes, torch.full_like(codes, 0.01), labels, 2)[1]
    assert torch.isfinite(factors).all()
    assert factors[1].diag().min() > 0


def test_new_images_follow_the_latents_that_were_fitted():
    form = ImageSpec(16, 16, 1, ("a", "b"))
    model = create(form).eval()
    seen = []
    model.decode = lambda latents, labels: seen.append(latents) or torch.zeros(len(latents), 1, 16, 16)
    batch = batch_of(form, 64)
    model.finish([batch])
    labels = torch.zeros(4000, dtype=torch.long)
    aggregate = vae.SynthesisSettings(method="aggregate", temperature=1.0)
    model.generate(labels, lambda shape: torch.randn(4000, *shape), aggregate)
    latents = model.encode(batch.stored, batch.labels)[batch.labels == 0]
    torch.testing.assert_close(seen[0].mean(0), latents.mean(0), atol=0.15, rtol=0)


def test_the_decoder_is_never_surer_than_half_a_grey_level():
    assert math.exp(vae.MIN_LOG_SIGMA) * 255 == pytest.approx(0.5)
