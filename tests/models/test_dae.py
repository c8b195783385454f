import pytest
import torch

from morelike.models import dae, edm
from morelike.models.base import Batch, Form, create

SETTINGS = {"width": 8, "patch_px": "auto", "dropout": 0.0, "restore_share": 0.25}
VARIATIONS = {"method": "variations", "strength_sigma": 1.0, "steps": 4, "walkback_rounds": 3}


def batch_of(form: Form, count: int = 4) -> Batch:
    images = torch.rand(count, form.channels, form.height, form.width)
    noisy = (images + 0.1 * torch.randn_like(images)).clamp(0, 1)
    labels = torch.arange(count) % max(1, len(form.labels))
    return Batch(images, labels, images, noisy)


def noise_of(seed: int):
    chance = torch.Generator().manual_seed(seed)
    return lambda shape: torch.randn(2, *shape, generator=chance)


def gaussian_denoiser(std: float):
    """The exact denoiser of data N(0, std²): D(x; σ) = x · std² / (std² + σ²)."""
    return lambda x, sigma: x * (std**2 / (std**2 + sigma.view(-1, 1, 1, 1) ** 2))


def test_the_noise_levels_are_those_of_the_edm_paper():
    sigmas = edm.sigma_steps(80.0, 0.002, 18)
    i = torch.arange(18, dtype=torch.float64)
    paper = (80 ** (1 / 7) + i / 17 * (0.002 ** (1 / 7) - 80 ** (1 / 7))) ** 7
    torch.testing.assert_close(sigmas[:-1].double(), paper, rtol=1e-5, atol=1e-7)
    assert sigmas[-1] == 0


def test_sampling_with_the_exact_denoiser_of_a_gaussian_gives_that_gaussian():
    x = 80.0 * torch.randn(20_000, 1, 1, 1, generator=torch.Generator().manual_seed(0))
    made = edm.heun(gaussian_denoiser(0.5), x, edm.sigma_steps(80.0, 0.002, 40))
    assert made.std().item() == pytest.approx(0.5, rel=0.02)


def test_heun_is_of_second_order():
    x = torch.full((1, 1, 1, 1), 2.0, dtype=torch.float64)
    exact = 2.0 * 0.5 / (0.5**2 + 2.0**2) ** 0.5  # the ODE of N(0, 0.5²) from σ = 2 has a closed form

    def error(steps: int) -> float:
        sigmas = torch.linspace(2.0, 0.0, steps + 1, dtype=torch.float64)
        return abs(edm.heun(gaussian_denoiser(0.5), x, sigmas).item() - exact)

    assert error(160) < error(80) / 3.3
    assert error(80) < error(40) / 3.3


def test_an_untrained_network_weighs_all_noise_levels_alike():
    """EDM's weighting makes the loss of a zero network 1 in expectation when σ_data is that of the data."""
    form = Form(16, 16, 1, ("a",), sigma_data=0.5)
    model = create("dae", form, SETTINGS | {"restore_share": 0.0})
    data = (0.5 * torch.randn(512, 1, 16, 16, generator=torch.Generator().manual_seed(0)) + 1) / 2
    labels = torch.zeros(512, dtype=torch.long)
    loss = model(Batch(data, labels, data, data)).terms["loss"]
    assert loss.item() == pytest.approx(1.0, abs=0.02)


def test_no_noise_leaves_an_image_as_it_is():
    form = Form(16, 16, 1, ("a", "b"))
    model = create("dae", form, SETTINGS).eval()
    torch.nn.init.normal_(model.network.out[-1].weight)
    x = torch.rand(2, 1, 16, 16) * 2 - 1
    torch.testing.assert_close(model.denoise(x, torch.full((2,), 1e-5), torch.tensor([0, 1])), x, atol=1e-3, rtol=0)


def test_strength_zero_returns_the_source_and_the_maximum_forgets_it():
    form = Form(16, 16, 1, ("a", "b"))
    model = create("dae", form, SETTINGS).eval()
    labels, first, second = torch.tensor([0, 1]), torch.rand(2, 1, 16, 16), torch.rand(2, 1, 16, 16)
    torch.testing.assert_close(model.make(labels, first, noise_of(0), VARIATIONS | {"strength_sigma": 0}), first)
    most = VARIATIONS | {"strength_sigma": 80.0}
    made = [model.make(labels, source, noise_of(0), most) for source in (first, second)]
    torch.testing.assert_close(*made)
    weak = [model.make(labels, source, noise_of(0), VARIATIONS) for source in (first, second)]
    assert (weak[0] - weak[1]).abs().max() > 0.01


def test_walkback_of_one_round_is_a_variation_and_of_more_is_not():
    form = Form(16, 16, 1, ("a", "b"))
    model = create("dae", form, SETTINGS).eval()
    labels, sources = torch.tensor([0, 1]), torch.rand(2, 1, 16, 16)
    once = VARIATIONS | {"method": "walkback", "walkback_rounds": 1}
    variation = model.make(labels, sources, noise_of(0), VARIATIONS)
    torch.testing.assert_close(model.make(labels, sources, noise_of(0), once), variation)
    thrice = model.make(labels, sources, noise_of(0), once | {"walkback_rounds": 3})
    assert (thrice - variation).abs().max() > 0.01


@pytest.mark.parametrize(("height", "width", "channels"), [(28, 28, 1), (17, 23, 3), (64, 48, 3), (178, 218, 3)])
def test_any_size_comes_out_as_it_went_in(height, width, channels):
    form = Form(height, width, channels, ("a", "b"))
    model = create("dae", form, SETTINGS).eval()
    restored = model.restore(batch_of(form, 2))
    assert restored.shape == (2, channels, height, width)
    assert 0 <= restored.min() <= restored.max() <= 1


def test_the_label_and_the_kind_of_noise_reach_the_output():
    form = Form(16, 16, 1, ("a", "b"))
    model = create("dae", form, SETTINGS).eval()
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    x, sigma = torch.rand(1, 1, 16, 16), torch.ones(1)
    plain = model.denoise(x, sigma, torch.tensor([0]))
    assert (plain - model.denoise(x, sigma, torch.tensor([1]))).abs().max() > 1e-4
    assert (plain - model.denoise(x, sigma, torch.tensor([0]), dae.TWIN)).abs().max() > 1e-4


@pytest.mark.parametrize(("side", "patch"), [(16, 1), (17, 2), (28, 2), (32, 2), (33, 4), (128, 4), (129, 8)])
def test_the_stem_folds_large_images(side, patch):
    assert dae.patch_px("auto", Form(side, 8, 1, ("a",))) == patch
