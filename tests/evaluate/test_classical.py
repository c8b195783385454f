"""The classical arm does what its settings say, no more."""

import numpy as np
import torch

from morelike.evaluate.classical import augment
from morelike.images.settings import Augment

STILL = {"flip": False, "rotate_deg": 0, "translate": 0, "scale": 0, "brightness": 0, "contrast": 0}


def changed(images: torch.Tensor, **settings) -> torch.Tensor:
    return augment(images, Augment(**(STILL | settings)), np.random.default_rng(0))


def test_settings_of_zero_leave_the_images_alone():
    images = torch.rand(4, 3, 9, 12, generator=torch.Generator().manual_seed(0))
    assert torch.allclose(changed(images), images, atol=1e-6)


def test_flip_mirrors_about_half_of_the_images():
    images = torch.rand(64, 1, 5, 8, generator=torch.Generator().manual_seed(0))
    flipped = [torch.allclose(new, old.flip(-1)) for new, old in zip(changed(images, flip=True), images, strict=True)]
    assert 16 < sum(flipped) < 48


def test_what_comes_in_from_outside_has_the_colour_of_the_border():
    colour = torch.tensor([0.9, 0.7, 0.4])[:, None, None]
    images = colour.expand(8, 3, 16, 16).clone()
    images[:, :, 6:10, 6:10] = 0.1
    moved = changed(images, rotate_deg=45, translate=0.1)
    for row, column in ((0, 0), (0, -1), (-1, 0), (-1, -1)):
        assert torch.allclose(moved[:, :, row, column], colour[:, 0, 0].expand(8, 3), atol=1e-4)
    assert not torch.allclose(moved, images, atol=0.05)


def test_tone_stays_within_its_settings_and_the_range():
    images = torch.full((200, 1, 4, 4), 0.5)
    moved = changed(images, brightness=0.2)
    assert 0.15 < (moved - images).abs().max() <= 0.2 + 1e-6
    assert changed(torch.ones(50, 1, 4, 4), brightness=0.2, contrast=0.5).max() <= 1


def test_each_image_gets_its_own_draw_and_the_same_seed_the_same_draws():
    images = torch.rand(1, 1, 12, 12, generator=torch.Generator().manual_seed(0)).expand(2, 1, 12, 12)
    moved = changed(images, rotate_deg=30, translate=0.1, scale=0.2)
    assert not torch.allclose(moved[0], moved[1], atol=1e-3)
    assert torch.equal(moved, changed(images, rotate_deg=30, translate=0.1, scale=0.2))
