"""The recipe in the words of torchvision: expressions that it takes, with the strengths that were asked for."""

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.transforms import v2

from morelike.images import geometry
from morelike.images.settings import Classical
from morelike.judge import as_torchvision
from tests.judging import CLASSICAL

NOTHING = CLASSICAL.scaled(0).model_copy(update={"flip": False, "mix": "none", "operations": 0})
HEIGHT, WIDTH = 21, 16


def evaluated(expressions):
    return [eval(one, {"v2": v2, "__builtins__": {}}) for one in expressions]


def composed(**changes):
    changed = Classical.model_validate(NOTHING.model_dump() | changes)
    return v2.Compose(evaluated(as_torchvision.transforms(changed, HEIGHT, WIDTH)))


@pytest.fixture
def picture():
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8))


@pytest.fixture
def plain(picture):
    return torch.from_numpy(np.array(picture)).permute(2, 0, 1) / 255


@pytest.fixture(autouse=True)
def seeded():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        yield


def test_strengths_of_zero_leave_the_image_as_it_is(picture, plain):
    torch.testing.assert_close(composed()(picture), plain)


def test_all_at_once_gives_images_in_range_and_of_the_same_shape(picture):
    transform = v2.Compose(evaluated(as_torchvision.transforms(CLASSICAL, HEIGHT, WIDTH)))
    for _ in range(20):
        image = transform(picture)
        assert (image.shape, image.dtype) == ((3, HEIGHT, WIDTH), torch.float32)
        assert 0 <= image.min() <= image.max() <= 1


@pytest.mark.parametrize(
    "changes",
    [
        *({"rotate_deg": 20}, {"shear_deg": 20}, {"translate": 0.2}, {"scale": 0.3}, {"elastic": 0.05}),
        *({"brightness": 0.3}, {"contrast": 0.3}, {"erase": 0.5}, {"operations": 2, "operation_strength": 0.9}),
        {"flip": True},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_each_strength_changes_the_image(changes, picture, plain):
    transform = composed(**changes)
    assert any(not torch.allclose(transform(picture), plain) for _ in range(8))


@pytest.mark.parametrize(("height", "width"), [(28, 28), (40, 30)])
def test_elastic_shifts_are_as_large_and_as_smooth_as_the_judge_has_them(height, width):
    found = as_torchvision.transforms(NOTHING.model_copy(update={"elastic": 0.036}), height, width)
    (elastic,) = [one for one in evaluated(found) if isinstance(one, v2.ElasticTransform)]
    frame = max(height, width) // 2
    framed = torch.zeros(1, height + 2 * frame, width + 2 * frame)
    theirs = torch.cat([elastic.make_params([framed])["displacement"] for _ in range(100)])
    theirs = theirs[:, frame:-frame, frame:-frame] * torch.tensor([framed.shape[2], framed.shape[1]]) / 2  # pixels
    points = torch.randn(300, 2, geometry.CONTROL_POINTS, geometry.CONTROL_POINTS)
    ours = geometry.elastic_field(points * 0.036 * max(height, width), height, width)
    for axis in (1, 2):
        slopes = [float(field.diff(dim=axis).std()) for field in (theirs, ours)]
        assert slopes[0] == pytest.approx(slopes[1], rel=0.1)
    assert float(theirs.std()) == pytest.approx(float(ours.std()), rel=0.06)


def test_shifts_are_shares_of_the_image_not_of_its_frame(plain):
    found = as_torchvision.transforms(NOTHING.model_copy(update={"translate": 0.25}), HEIGHT, WIDTH)
    pad, affine = (one for one in evaluated(found) if isinstance(one, (v2.Pad, v2.RandomAffine)))
    framed = pad(plain)
    shifts = np.abs([affine.make_params([framed])["translate"] for _ in range(200)])
    assert shifts.max(axis=0).tolist() == pytest.approx([0.25 * WIDTH, 0.25 * HEIGHT], abs=1)


def test_no_more_is_erased_than_was_asked_for(picture):
    transform, plain = composed(erase=0.25), composed()(picture)
    erased = [float((transform(picture) != plain).any(0).float().mean()) for _ in range(100)]
    assert max(erased) == pytest.approx(0.25, abs=0.04)
    assert np.mean(erased) == pytest.approx(0.125, abs=0.03)


@pytest.mark.parametrize(("mix", "kind"), [("none", None), ("mixup", v2.MixUp), ("cutmix", v2.CutMix)])
def test_what_mixes_a_batch_gives_labels_that_sum_to_one(mix, kind):
    found = evaluated(as_torchvision.batch_transforms(NOTHING.model_copy(update={"mix": mix}), 3))
    assert [type(one) for one in found] == ([kind] if kind else [])
    for one in found:
        labels = one(torch.rand(4, 1, 8, 8), torch.tensor([0, 1, 2, 1]))[1]
        torch.testing.assert_close(labels.sum(1), torch.ones(4))
