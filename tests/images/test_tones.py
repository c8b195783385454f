"""Tone operations beside torchvision's, and what all of them promise."""

import pytest
import torch
from torchvision.transforms.v2 import functional as F

from morelike.images import tones


def images(count=6, channels=3, height=11, width=14):
    return torch.rand(count, channels, height, width, generator=torch.Generator().manual_seed(0)) * 0.8 + 0.1


def amount(value, count=6):
    return torch.full((count, 1, 1, 1), float(value))


@pytest.mark.parametrize("operation", tones.OPERATIONS)
@pytest.mark.parametrize("channels", [1, 3])
def test_amount_zero_changes_no_stored_value(operation, channels):
    stored = (images(channels=channels) * 255).round()
    after = operation(stored / 255, amount(0)) * 255
    torch.testing.assert_close(after, stored, atol=1e-3, rtol=0)


@pytest.mark.parametrize("operation", tones.OPERATIONS)
def test_a_flat_image_stays_flat_and_finite(operation):
    for value in (0.0, 0.3, 1.0):
        for strength in (-1, 1):
            after = operation(torch.full((2, 3, 5, 5), value), amount(strength, 2))
            assert after.isfinite().all()
            assert after.amax((2, 3)).sub(after.amin((2, 3))).max() < 1e-6


@pytest.mark.parametrize("value", [-1, -0.4, 0.4, 1])
def test_operations_are_those_of_torchvision_where_it_has_them(value):
    ground = images()
    theirs = F.adjust_gamma(ground, tones.GAMMA_MOST**value)
    torch.testing.assert_close(tones.gamma(ground, amount(value)), theirs)
    pale = ground.mean(1, keepdim=True)  # torchvision weighs channels; grey by their mean is F's blend with it
    torch.testing.assert_close(tones.colour(ground, amount(value)), pale + (1 + value) * (ground - pale))


def test_stretch_at_its_most_is_autocontrast_of_grey_images():
    ground = images(channels=1)
    torch.testing.assert_close(tones.stretch(ground, amount(1)), F.autocontrast(ground), atol=1e-5, rtol=0)


def test_the_blur_is_a_binomial_filter():
    kernel = torch.tensor([1.0, 2, 1])
    kernel = (kernel[:, None] * kernel / 16).expand(3, 1, 3, 3)
    theirs = torch.nn.functional.conv2d(images(), kernel, groups=3)
    torch.testing.assert_close(tones.sharpness(images(), amount(-1))[:, :, 1:-1, 1:-1], theirs)
    sharper = tones.sharpness(images(), amount(0.5))
    assert sharper.std() > images().std()


def test_posterized_images_have_as_many_levels_as_promised():
    ramp = torch.linspace(0, 1, 1024).view(1, 1, 32, 32)
    assert len(tones.posterize(ramp, amount(1, 1)).unique()) == 16
    assert len(tones.posterize(ramp, amount(-0.5, 1)).unique()) == 64


def test_each_image_gets_the_operations_drawn_for_it_in_their_order():
    ground = images()
    chosen = torch.tensor([[0, 1], [1, 2], [2, 1], [3, 4], [4, 0], [5, 5]])
    amounts = torch.linspace(-0.9, 0.9, 12).view(6, 2)
    together = tones.operate(ground, chosen, amounts)
    for row in range(6):
        alone = ground[row : row + 1]
        for place in range(2):
            operation = tones.OPERATIONS[chosen[row, place]]
            alone = operation(alone, amounts[row, place].view(1, 1, 1, 1)).clamp(0, 1)
        torch.testing.assert_close(together[row : row + 1], alone)
    assert torch.equal(together[:1], tones.operate(ground[:1], chosen[:1], amounts[:1]))


def test_contrast_and_brightness_are_those_of_torchvision():
    ground = images(channels=1)
    after = tones.adjusted(ground.clone(), torch.full((6,), 0.2), torch.full((6,), -0.05))
    theirs = torch.stack([F.adjust_contrast(image, 1.2) - 0.05 for image in ground]).clamp(0, 1)
    torch.testing.assert_close(after, theirs, atol=0.02, rtol=0)  # it clamps before the brightness
