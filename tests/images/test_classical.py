"""The augmentation of a classifier: what it promises of every image, and torchvision's transforms as a reference."""

import pytest
import torch
from torchvision.transforms import v2

from morelike.images import augment, geometry
from morelike.images.classical import classical
from morelike.images.settings import Augment, Classical

MOST = Classical(
    flip=True,
    rotate_deg=30,
    translate=0.2,
    scale=0.3,
    brightness=0.3,
    contrast=0.5,
    shear_deg=20,
    elastic=0.05,
    operations=3,
    operation_strength=1,
    erase=0.4,
    mix="none",
)
NOTHING = MOST.scaled(0).model_copy(update={"flip": False})
SAME_AS_NOTHING = NOTHING.model_dump(include=set(Augment.model_fields))
SHAPES = [(5, 1, 28, 28), (6, 3, 17, 30), (1, 1, 9, 8), (3, 3, 1, 1)]


def chance(seed=0):
    return torch.Generator().manual_seed(seed)


def noise(*shape, seed=0):
    return torch.rand(*shape, generator=chance(seed))


def changed(images, seed=0, **settings):
    return classical(images, NOTHING.model_copy(update=settings), chance(seed))


def smooth(*shape):
    """Return an image of blobs that are dark at the border, where interpolation would differ."""
    image = v2.functional.gaussian_blur(noise(*shape), 9, 3.0)
    return image * geometry.boxes(*torch.tensor([[0.4], [1.0]]), torch.tensor([[0.5, 0.5]]), *shape[2:])


@pytest.mark.parametrize("shape", SHAPES)
def test_zero_strengths_change_no_bit(shape):
    images = noise(*shape)
    assert torch.equal(classical(images, NOTHING, chance()), images)
    assert torch.equal(changed(images, operations=4), images)


@pytest.mark.parametrize("shape", SHAPES)
def test_all_of_it_keeps_shape_and_range_leaves_its_input_alone_and_repeats(shape):
    images = noise(*shape)
    before = images.clone()
    after = classical(images, MOST, chance())
    assert (after.shape, after.dtype) == (images.shape, torch.float32)
    assert after.isfinite().all()
    assert after.min() >= 0
    assert after.max() <= 1
    assert torch.equal(images, before)
    assert torch.equal(after, classical(images, MOST, chance()))


@pytest.mark.parametrize("name", ["rotate_deg", "brightness", "operation_strength", "erase"])
def test_no_change_is_made_in_place(name):
    images = noise(4, 3, 12, 12)
    before = images.clone()
    assert not torch.equal(changed(images, **{name: getattr(MOST, name), "operations": 1}), before)
    assert torch.equal(images, before)


def test_an_image_does_not_depend_on_the_others_of_its_batch():
    images = noise(8, 3, 15, 12)
    others = images.clone()
    others[1:] = noise(7, 3, 15, 12, seed=1)
    torch.testing.assert_close(classical(images, MOST, chance())[0], classical(others, MOST, chance())[0])


@pytest.mark.parametrize("name", ["rotate_deg", "elastic", "contrast", "operation_strength", "erase"])
def test_turning_one_thing_off_leaves_the_flips_as_they_are(name):
    images = smooth(1, 1, 28, 28).expand(40, -1, -1, -1)
    flipped = (changed(images, flip=True) == images.flip(3)).all((1, 2, 3))
    weak = {name: getattr(MOST, name) * 1e-4, "operations": 1}
    near = (changed(images, flip=True, **weak) - images.flip(3)).abs().amax((1, 2, 3)) < 0.05
    assert torch.equal(flipped, near)


def test_flips_are_exact_and_about_half():
    images = noise(200, 1, 6, 9)
    after = changed(images, flip=True)
    flipped = (after == images.flip(3)).all((1, 2, 3))
    assert torch.equal(after[~flipped], images[~flipped])
    assert 70 < flipped.sum() < 130


@pytest.mark.parametrize("shape", [(32, 32), (24, 41)])
def test_the_affine_part_is_that_of_torchvision(shape):
    height, width = shape
    image = smooth(1, 1, height, width)
    draws = torch.rand(12, 5, generator=chance(4)) * 2 - 1
    angle, slant, zoom = draws[:, 0] * 0.5, draws[:, 1] * 0.3, 1 + draws[:, 2] * 0.2
    shift = draws[:, 3:] * torch.tensor([0.2 * width, 0.2 * height])
    linear = torch.linalg.inv(  # of what is new from what was, in pixels
        torch.stack([torch.stack([angle.cos(), angle.sin()], 1), torch.stack([-angle.sin(), angle.cos()], 1)], 1)
        @ torch.stack([torch.tensor([[1.0, -k], [0.0, 1.0]]) for k in slant.tan()])
        * zoom[:, None, None]
    )
    maps = geometry.affine_maps(angle, slant.tan(), 1 / zoom, -(linear @ shift[:, :, None])[:, :, 0], height / width)
    maps[:, :, 2] *= 2 / torch.tensor([width, height])
    ours = geometry.resample(image.expand(12, -1, -1, -1), geometry.affine_grid(maps, height, width))
    degrees = 180 / torch.pi
    theirs = torch.cat(
        [
            v2.functional.affine(
                image,
                angle=-angle[row].item() * degrees,
                translate=shift[row].tolist(),
                scale=zoom[row].item(),
                shear=[slant[row].item() * degrees, 0.0],
                interpolation=v2.InterpolationMode.BILINEAR,
            )
            for row in range(12)
        ]
    )
    assert (image - theirs).abs().amax((1, 2, 3)).min() > 0.05, "the maps are too weak to test anything"
    torch.testing.assert_close(ours, theirs, atol=2e-4, rtol=0)


def test_strengths_are_the_largest_changes():
    """A box moves and grows at most as far as the settings say, and in a large batch nearly so far."""
    image = torch.zeros(1, 1, 41, 81)
    image[:, :, 13:28, 33:48] = 1
    images = image.expand(400, -1, -1, -1)
    moved = changed(images, translate=0.1)
    rows, columns = (torch.arange(side) - side // 2 for side in (41, 81))
    mass = moved.sum((1, 2, 3))
    right = (moved.sum((1, 2)) * columns).sum(1) / mass
    down = (moved.sum((1, 3)) * rows).sum(1) / mass
    assert 7.8 < right.abs().max() < 8.11
    assert 3.9 < down.abs().max() < 4.11
    areas = changed(images, scale=0.3).sum((1, 2, 3)).sqrt() / 15
    assert 0.68 < areas.min() < 0.75
    assert 1.25 < areas.max() < 1.32


def test_a_slant_is_at_most_what_the_settings_say():
    image = torch.zeros(1, 1, 61, 61)
    image[:, :, 20:41, 20:41] = 1
    moved = changed(image.expand(400, -1, -1, -1), shear_deg=20)[:, 0]
    place = torch.arange(61) - 30
    slants = (moved * place[:, None] * place).sum((1, 2)) / (moved * place[:, None] ** 2).sum((1, 2))
    most = torch.tensor(20.0).deg2rad().tan()
    assert 0.97 * most < slants.abs().max() < 1.01 * most


@pytest.mark.parametrize(
    "settings", [{"rotate_deg": 25}, {"translate": 0.1}, {"contrast": 0.4}, {"brightness": 0.2}, {"rotate_deg": 180}]
)
def test_what_models_learn_from_too_is_changed_as_for_them(settings):
    """Both make these draws at the same places of a row."""
    images = noise(12, 3, 18, 25)
    theirs = augment.apply(images, Augment(**SAME_AS_NOTHING | settings), chance())
    torch.testing.assert_close(changed(images, **settings), theirs, atol=1e-5, rtol=0)


def test_the_elastic_field_has_the_spread_that_is_asked_for_and_is_smooth():
    shifts = torch.randn(500, 2, 5, 5, generator=chance()) * 3
    field = geometry.elastic_field(shifts, 29, 45)
    assert field.shape == (500, 29, 45, 2)
    torch.testing.assert_close(field[:, ::7, ::11].permute(0, 3, 1, 2), shifts, atol=1e-4, rtol=0)
    assert field[:, ::7, ::11].std() == pytest.approx(3, rel=0.05)
    assert (field[:, 1:] - field[:, :-1]).std() < 0.3 * field.std()  # independent neighbours differ by 1.4
    assert (field[:, :, 1:] - field[:, :, :-1]).std() < 0.2 * field.std()
    theirs = torch.nn.functional.interpolate(shifts, (29, 45), mode="bicubic", align_corners=True)
    torch.testing.assert_close(field.permute(0, 3, 1, 2), theirs, atol=1e-4, rtol=0)


@pytest.mark.parametrize(("height", "width"), [(29, 29), (21, 41), (41, 21)])
def test_elastic_shifts_are_a_share_of_the_longer_side(height, width):
    for ramp, side in (
        (torch.linspace(0.25, 0.75, width).expand(400, 1, height, width), width),
        (torch.linspace(0.25, 0.75, height)[:, None].expand(400, 1, height, width), height),
    ):
        middle = changed(ramp, elastic=0.03)[:, 0, height // 2, width // 2]  # a control point
        assert ((middle - 0.5) * 2 * (side - 1)).std() == pytest.approx(0.03 * max(height, width), rel=0.12)


def test_what_comes_in_from_outside_has_the_colour_of_the_border():
    colour = torch.tensor([0.9, 0.7, 0.4])
    images = colour[:, None, None].expand(8, 3, 16, 16).clone()
    images[:, :, 6:10, 6:10] = 0.1
    moved = changed(images, rotate_deg=45, translate=0.1, shear_deg=20, elastic=0.02)
    corners = moved[:, :, [0, 0, -1, -1], [0, -1, 0, -1]]
    torch.testing.assert_close(corners, colour[:, None].expand(8, 3, 4), atol=1e-5, rtol=0)
    assert not torch.allclose(moved, images, atol=0.05)


@pytest.mark.parametrize("shape", [(28, 28), (13, 40)])
def test_no_more_is_erased_than_asked_and_the_rest_stays(shape):
    images = noise(300, 3, *shape)
    after = changed(images, erase=0.3)
    erased = (after != images).any(1)
    shares = erased.float().mean((1, 2))
    assert shares.max() <= 0.3
    assert shares.max() > 0.2
    assert 0.1 < shares.mean() < 0.15
    mean = images.mean((2, 3), keepdim=True).expand_as(images)
    kept = torch.where(erased[:, None], mean, images)
    assert torch.equal(after, kept)
    for sides in (1, 2):
        assert erased.any(sides).any(0).all(), "an edge is never reached"


def test_scaled_multiplies_what_has_a_strength_up_to_its_bound():
    twice = MOST.scaled(2)
    assert (twice.rotate_deg, twice.shear_deg, twice.elastic) == (60, 40, 0.1)
    assert (twice.flip, twice.operations, twice.mix) == (MOST.flip, MOST.operations, MOST.mix)
    assert MOST.scaled(1) == MOST
    far = MOST.scaled(1e9)
    assert (far.rotate_deg, far.shear_deg, far.elastic, far.erase) == (180, 60, 0.25, 1)
    assert 0.999 < far.contrast < 1
