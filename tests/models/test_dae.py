import pytest
import torch

from morelike.models import dae, diffusion
from morelike.models.base import Batch, ImageSpec, make

SETTINGS = {"width": 8, "patch_px": "auto", "dropout": 0.0, "restore_share": 0.25}
VARIATIONS = dae.SynthesisSettings(method="variations", strength_sigma=1.0, steps=4, walkback_rounds=3)


def create(form: ImageSpec, **changes) -> dae.Model:
    return dae.Model(form, dae.Settings(budget_images=64, learning_rate=1e-3, **SETTINGS | changes))


def changed(**values) -> dae.SynthesisSettings:
    return VARIATIONS.model_copy(update=values)


def batch_of(form: ImageSpec, count: int = 4) -> Batch:
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
    sigmas = diffusion.sigma_steps(80.0, 0.002, 18)
    i = torch.arange(18, dtype=torch.float64)
    paper = (80 ** (1 / 7) + i / 17 * (0.002 ** (1 / 7) - 80 ** (1 / 7))) ** 7
    torch.testing.assert_close(sigmas[:-1].double(), paper, rtol=1e-5, atol=1e-7)
    assert sigmas[-1] == 0


def test_sampling_with_the_exact_denoiser_of_a_gaussian_gives_that_gaussian():
    x = 80.0 * torch.randn(20_000, 1, 1, 1, generator=torch.Generator().manual_seed(0))
    made = diffusion.heun(gaussian_denoiser(0.5), x, diffusion.sigma_steps(80.0, 0.002, 40))
    assert made.std().item() == pytest.approx(0.5, rel=0.02)


def test_heun_is_of_second_order():
    x = torch.full((1, 1, 1, 1), 2.0, dtype=torch.float64)
    exact = 2.0 * 0.5 / (0.5**2 + 2.0**2) ** 0.5  # the ODE of N(0, 0.5²) from σ = 2 has a closed form

    def error(steps: int) -> float:
        sigmas = torch.linspace(2.0, 0.0, steps + 1, dtype=torch.float64)
        return abs(diffusion.heun(gaussian_denoiser(0.5), x, sigmas).item() - exact)

    assert error(160) < error(80) / 3.3
    assert error(80) < error(40) / 3.3


def test_an_untrained_network_weighs_all_noise_levels_alike():
    """EDM's weighting makes the loss of a zero network 1 in expectation when σ_data is that of the data."""
    form = ImageSpec(16, 16, 1, ("a",), sigma_data=0.5)
    model = create(form, restore_share=0.0)
    data = (0.5 * torch.randn(512, 1, 16, 16, generator=torch.Generator().manual_seed(0)) + 1) / 2
    labels = torch.zeros(512, dtype=torch.long)
    loss = model(Batch(data, labels, data, data)).terms["loss"]
    assert loss.item() == pytest.approx(1.0, abs=0.02)


def test_no_noise_leaves_an_image_as_it_is():
    form = ImageSpec(16, 16, 1, ("a", "b"))
    model = create(form).eval()
    torch.nn.init.normal_(model.network.out[-1].weight)
    x = torch.rand(2, 1, 16, 16) * 2 - 1
    torch.testing.assert_close(model.denoise(x, torch.full((2,), 1e-5), torch.tensor([0, 1])), x, atol=1e-3, rtol=0)


def test_strength_zero_returns_the_source():
    model, source = create(ImageSpec(16, 16, 1, ("a", "b"))).eval(), torch.rand(2, 1, 16, 16)
    made = make(model, source, torch.tensor([0, 1]), noise_of(0), changed(strength_sigma=0.0))
    torch.testing.assert_close(made, source, rtol=0, atol=0)


@pytest.mark.parametrize("method", ["variations", "walkback"])
def test_the_settings_say_whether_another_source_would_have_given_another_image(method):
    model = create(ImageSpec(16, 16, 1, ("a", "b"))).eval()
    labels, first, second = torch.tensor([0, 1]), torch.rand(2, 1, 16, 16), torch.rand(2, 1, 16, 16)
    for sigma in (0.0, 1.0, 79.0, 80.0):
        settings = changed(method=method, strength_sigma=sigma)
        made = [make(model, source, labels, noise_of(0), settings) for source in (first, second)]
        assert settings.varies_a_source == (not torch.equal(*made)), sigma


def test_walkback_of_one_round_is_a_variation_and_of_more_is_not():
    model = create(ImageSpec(16, 16, 1, ("a", "b"))).eval()
    labels, sources = torch.tensor([0, 1]), torch.rand(2, 1, 16, 16)
    variation = model.vary(sources, labels, noise_of(0), VARIATIONS)
    once = model.vary(sources, labels, noise_of(0), changed(method="walkback", walkback_rounds=1))
    torch.testing.assert_close(once, variation)
    thrice = model.vary(sources, labels, noise_of(0), changed(method="walkback"))
    assert (thrice - variation).abs().max() > 0.01


@pytest.mark.parametrize(("height", "width", "channels"), [(28, 28, 1), (17, 23, 3), (64, 48, 3), (178, 218, 3)])
def test_any_size_comes_out_as_it_went_in(height, width, channels):
    form = ImageSpec(height, width, channels, ("a", "b"))
    model = create(form).eval()
    batch = batch_of(form, 2)
    assert model.restore(batch).shape == (2, channels, height, width)
    assert model(batch).output.shape == (2, channels, height, width)


def test_a_restoration_is_the_denoised_twin_cut_to_the_range_of_pixels():
    model = create(ImageSpec(16, 16, 1, ("a", "b"))).eval()
    torch.nn.init.normal_(model.network.out[-1].weight, std=9.0)
    batch = batch_of(model.spec, 8)
    plain = (model.denoise(batch.noisy * 2 - 1, torch.full((8,), dae.TWIN_SIGMA), torch.full((8,), 2)) + 1) / 2
    assert plain.min() < 0  # there is something to cut
    assert plain.max() > 1
    torch.testing.assert_close(model.restore(batch), plain.clamp(0, 1))


def test_a_restoration_depends_on_the_noisy_image_alone():
    """Whoever has a noisy image knows neither the clean one nor its label."""
    model = create(ImageSpec(16, 16, 1, ("a", "b"))).eval()
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    batch = batch_of(model.spec, 4)
    unknown = torch.zeros_like(batch.stored)
    blind = Batch(unknown, 1 - batch.labels, unknown, batch.noisy, seed=9)
    torch.testing.assert_close(model.restore(blind), model.restore(batch), rtol=0, atol=0)
    alone = Batch(unknown[:1], batch.labels[:1], unknown[:1], batch.noisy[:1])
    torch.testing.assert_close(model.restore(alone), model.restore(batch)[:1])


def test_what_is_learned_from_twins_is_what_restores_them():
    """The loss on a batch of twins alone is the weighted error of the restoration, before it is cut to the range."""
    model = create(ImageSpec(16, 16, 1, ("a", "b")), restore_share=0.999).eval()
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.02)
    batch = batch_of(model.spec, 8)
    of_twins = batch.of_share(model.twin_share)
    assert of_twins[1:].all()
    error = (2 * (model.restore(batch) - batch.stored)).square().mean((1, 2, 3))[of_twins].mean()
    scale = (dae.TWIN_SIGMA**2 + 0.5**2) / (dae.TWIN_SIGMA * 0.5) ** 2
    assert model(batch).terms["restoration"].item() == pytest.approx(scale * error.item(), rel=0.05)


def test_the_label_and_the_mark_of_a_twin_reach_the_output():
    form = ImageSpec(16, 16, 1, ("a", "b"))
    model = create(form).eval()
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    x, sigma = torch.rand(1, 1, 16, 16), torch.ones(1)
    plain = model.denoise(x, sigma, torch.tensor([0]))
    assert (plain - model.denoise(x, sigma, torch.tensor([1]))).abs().max() > 1e-4
    assert (plain - model.denoise(x, sigma, torch.tensor([2]))).abs().max() > 1e-4


@pytest.mark.parametrize(("side", "patch"), [(16, 1), (17, 2), (28, 2), (32, 2), (33, 4), (128, 4), (129, 8)])
def test_the_stem_folds_large_images(side, patch):
    assert dae.patch_px("auto", ImageSpec(side, 8, 1, ("a",))) == patch
