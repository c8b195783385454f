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
