"""Mixed images carry the labels of what they show."""

import pytest
import torch

from morelike.images.mixing import mixed

CLASSES = 4


def batch(count=64, height=12, width=9):
    """Return flat images, each of a value of its own, and one-hot targets: an image's pixels tell its parts."""
    values = torch.arange(1, count + 1) / (2 * count)
    targets = torch.nn.functional.one_hot(torch.arange(count) % CLASSES, CLASSES).float()
    return values.view(-1, 1, 1, 1).expand(-1, 3, height, width).clone(), targets


def mix(kind, seed=0, **shape):
    images, targets = batch(**shape)
    return images, targets, *mixed(images, targets, kind, torch.Generator().manual_seed(seed))


def test_none_changes_nothing_and_draws_nothing():
    generator = torch.Generator().manual_seed(0)
    images, targets = batch()
    after, labels = mixed(images, targets, "none", generator)
    assert torch.equal(after, images)
    assert torch.equal(labels, targets)
    assert torch.equal(torch.rand(3, generator=generator), torch.rand(3, generator=torch.Generator().manual_seed(0)))


@pytest.mark.parametrize("kind", ["mixup", "cutmix"])
@pytest.mark.parametrize("count", [1, 2, 64])
def test_targets_stay_distributions_and_images_in_range(kind, count):
    _, targets, after, labels = mix(kind, count=count)
    assert labels.min() >= 0
    torch.testing.assert_close(labels.sum(1), torch.ones(count))
    assert after.min() >= 0
    assert after.max() <= 0.5
    assert labels.shape == targets.shape


def test_mixup_blends_pixels_and_targets_by_one_share():
    images, targets, after, labels = mix("mixup")
    others = torch.randperm(64, generator=torch.Generator().manual_seed(0))
    own, other = images[:, 0, 0, 0], images[others][:, 0, 0, 0]
    told = other != own
    share = ((after[:, 0, 0, 0] - own) / (other - own))[told]
    assert after.amax((1, 2, 3)).sub(after.amin((1, 2, 3))).max() < 1e-6
    expected = targets[told] + share[:, None] * (targets[others] - targets)[told]
    torch.testing.assert_close(labels[told], expected, atol=1e-4, rtol=0)
    assert share.min() < 0.1
    assert share.max() > 0.9


def test_cutmix_puts_one_box_of_another_image_in_and_weighs_the_labels_by_its_area():
    images, targets, after, labels = mix("cutmix")
    others = torch.randperm(64, generator=torch.Generator().manual_seed(0))
    taken = (after != images).any(1)
    assert torch.equal(after, torch.where(taken[:, None], images[others], images))
    boxes = taken.any(2)[:, :, None] & taken.any(1)[:, None, :]
    assert torch.equal(taken, boxes)
    share = taken.float().mean((1, 2))[:, None]
    torch.testing.assert_close(labels, targets + share * (targets[others] - targets))
    assert 0.2 < share.mean() < 0.5


@pytest.mark.parametrize("kind", ["mixup", "cutmix"])
def test_the_same_generator_mixes_the_same_and_no_global_state_is_touched(kind):
    before = torch.get_rng_state()
    assert torch.equal(mix(kind)[2], mix(kind)[2])
    assert not torch.equal(mix(kind)[2], mix(kind, seed=1)[2])
    assert torch.equal(torch.get_rng_state(), before)
