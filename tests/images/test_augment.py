import pytest
import torch
from torchvision.transforms import v2

from morelike.images import augment, geometry
from morelike.images.settings import Augment

NOTHING = {"flip": False, "rotate_deg": 0, "translate": 0, "scale": 0, "brightness": 0, "contrast": 0}


def apply(images, seed=0, **settings):
    return augment.apply(images, Augment(**NOTHING | settings), torch.Generator().manual_seed(seed))


def test_nothing_asked_changes_nothing():
    images = torch.rand(4, 3, 9, 14)
    torch.testing.assert_close(apply(images), images, atol=1e-5, rtol=0)


@pytest.mark.parametrize("shape", [(32, 32), (24, 40)])
def test_a_rotation_is_that_of_torchvision(shape):
    ground = v2.functional.gaussian_blur(torch.rand(1, 1, *shape), 9, 3.0)
    ground[..., [0, -1], :] = ground[..., :, [0, -1]] = 0
    images = ground.expand(8, -1, -1, -1)
    chance = torch.Generator().manual_seed(3)
    angles = (torch.rand(8, 7, generator=chance)[:, 0] * 2 - 1) * 40
    ours = apply(images, seed=3, rotate_deg=40)
    theirs = torch.stack(
        [
            v2.functional.rotate(image, angle.item(), v2.InterpolationMode.BILINEAR)
            for image, angle in zip(images, angles, strict=True)
        ]
    )
    torch.testing.assert_close(ours[..., 2:-2, 2:-2], theirs[..., 2:-2, 2:-2], atol=0.02, rtol=0)


def test_what_comes_in_from_outside_has_the_colour_of_the_border():
    images = torch.full((6, 3, 16, 16), 0.7)
    images[:, :, 6:10, 6:10] = 0.1
    moved = apply(images, translate=0.3, rotate_deg=45)
    corners = moved[:, :, [0, 0, -1, -1], [0, -1, 0, -1]]
    torch.testing.assert_close(corners, torch.full_like(corners, 0.7), atol=1e-5, rtol=0)


def test_a_mirror_image_is_drawn_about_half_the_time_and_only_if_asked():
    images = torch.rand(400, 1, 8, 8)
    flipped = apply(images, flip=True)
    is_flipped = [torch.allclose(a, b.flip(-1), atol=1e-5) for a, b in zip(flipped, images, strict=True)]
    assert 140 < sum(is_flipped) < 260
    is_same = [torch.allclose(a, b, atol=1e-5) for a, b in zip(flipped, images, strict=True)]
    assert sum(is_same) + sum(is_flipped) == 400


def test_the_grid_is_that_of_torch():
    maps = torch.randn(5, 2, 3)
    theirs = torch.nn.functional.affine_grid(maps, [5, 1, 9, 14], align_corners=False)
    torch.testing.assert_close(geometry.affine_grid(maps, 9, 14), theirs)


def test_values_stay_in_range():
    images = apply(torch.rand(64, 3, 8, 8), brightness=1.0, contrast=0.9)
    assert images.min() >= 0
    assert images.max() <= 1


@pytest.mark.parametrize("shape", [(64, 1, 28, 28), (5, 3, 17, 31)])
def test_models_learn_from_the_very_same_bits_as_before(shape):
    """What a model is depends on each bit of what it learned from: sharing code must not change one."""
    settings = Augment(flip=True, rotate_deg=20, translate=0.1, scale=0.15, brightness=0.1, contrast=0.2)
    images = torch.rand(shape, generator=torch.Generator().manual_seed(1))
    theirs = written_out(images, settings, torch.Generator().manual_seed(2))
    assert torch.equal(augment.apply(images, settings, torch.Generator().manual_seed(2)), theirs)


def written_out(images, settings, generator):
    count, _, height, width = images.shape
    draws = torch.rand(count, 7, generator=generator) * 2 - 1
    angle = draws[:, 0] * torch.pi * settings.rotate_deg / 180
    zoom = 1 / (1 + draws[:, 1] * settings.scale)
    mirror = torch.where((draws[:, 2] > 0) & settings.flip, -1.0, 1.0)
    cos, sin, aspect = angle.cos() * zoom, angle.sin() * zoom, height / width
    right = torch.stack([cos * mirror, -sin * aspect, 2 * draws[:, 3] * settings.translate], 1)
    down = torch.stack([sin / aspect * mirror, cos, 2 * draws[:, 4] * settings.translate], 1)
    x, y = ((torch.arange(side) * 2 + 1) / side - 1 for side in (width, height))
    maps = torch.stack([right, down], 1)
    columns, rows = maps[:, :, 0, None] * x, maps[:, :, 1, None] * y + maps[:, :, 2, None]
    grid = (columns[:, :, None, :] + rows[:, :, :, None]).permute(0, 2, 3, 1)
    edges = [images[:, :, 0], images[:, :, -1], images[:, :, :, 0], images[:, :, :, -1]]
    border = torch.cat(edges, 2).mean(2)[:, :, None, None]
    moved = torch.nn.functional.grid_sample(images - border, grid, align_corners=False).add_(border)
    mean = moved.mean((1, 2, 3), keepdim=True)
    contrast = 1 + draws[:, 5].view(-1, 1, 1, 1) * settings.contrast
    brightness = draws[:, 6].view(-1, 1, 1, 1) * settings.brightness
    return moved.sub_(mean).mul_(contrast).add_(mean + brightness).clamp_(0, 1)
