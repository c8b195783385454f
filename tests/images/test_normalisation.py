"""normalisation: every planted fault is caught by its own message, and sound arrays pass."""

import numpy as np
import pytest

from morelike.images import pixels
from morelike.images.errors import NormalisationError
from morelike.images.normalisation import check_batch, check_channel_order, check_pair

SHAPE = (3, 6, 5)
NAMES = [f"cat/{number}.png" for number in range(4)]


def levels(seed=0, count=4):
    return np.random.default_rng(seed).integers(0, 256, (count, 6, 5, 3), dtype=np.uint8)


def sound():
    return pixels.to_float(levels())


def planted(row, value):
    images = sound()
    images[row, 1, 2, 3] = value
    return images


def scaled_by_its_own_range(images):
    low, high = images.min(axis=(1, 2, 3), keepdims=True), images.max(axis=(1, 2, 3), keepdims=True)
    with np.errstate(invalid="ignore"):
        return (images - low) / (high - low)


def with_a_constant_image():
    images = sound()
    images[2] = 0.5
    return scaled_by_its_own_range(images)


FAULTS = {
    "a planted NaN": (planted(2, np.nan), r"not finite: 1 of 90 values of row 12 \(cat/2\.png\) are NaN"),
    "an infinity": (planted(1, np.inf), r"not finite: 1 of 90 values of row 11 \(cat/1\.png\) are infinite"),
    "a zero range": (
        with_a_constant_image(),
        r"every value of row 12 \(cat/2\.png\) is NaN: a division by a zero range",
    ),
    "0 to 255 levels": (
        sound() * np.float32(255),
        r"not normalised: .* row 10 \(cat/0\.png\): these are 0 to 255 levels",
    ),
    "a subtracted mean": (sound() - np.float32(0.5), r"out of range: .* row 10 \(cat/0\.png\): a mean was subtracted"),
    "too bright": (planted(3, 1.2), r"out of range: expected values in \[0, 1\], .* row 13 \(cat/3\.png\): clip"),
    "channels last": (
        np.ascontiguousarray(sound().transpose(0, 2, 3, 1)),
        r"wrong shape: expected N×3×6×5 .*channels stand last",
    ),
    "another size": (sound()[:, :, :5], r"wrong shape: expected N×3×6×5 .*got \(4, 3, 5, 5\)"),
    "no batch": (sound()[0], r"wrong shape: .*got \(3, 6, 5\)"),
    "float64": (sound().astype(np.float64), r"wrong dtype: expected float32, got float64"),
    "uint8": (levels().transpose(0, 3, 1, 2), r"wrong dtype: expected float32, got uint8"),
    "nothing": (sound()[:0], "an empty batch"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_every_fault_has_a_message_of_its_own(fault):
    images, message = FAULTS[fault]
    with pytest.raises(NormalisationError, match=message):
        check_batch(images, SHAPE, NAMES, first_row=10)


def test_no_two_faults_share_a_message():
    messages = []
    for images, _ in FAULTS.values():
        with pytest.raises(NormalisationError) as caught:
            check_batch(images, SHAPE, NAMES)
        messages.append(str(caught.value))
    assert len(set(messages)) == len(messages)


def test_a_sound_batch_passes_with_its_range():
    images = planted(0, 1.0)
    images[1, 0, 0, 0] = 0.0
    assert check_batch(images, SHAPE, NAMES) == (0.0, 1.0)


def test_the_order_of_red_and_blue_is_proven_against_a_second_decoder():
    images = levels()
    measured = check_channel_order(images, images.copy(), NAMES)
    assert measured == {"images": 4, "told_apart": 4, "grey": 0, "max_difference_levels": 0.0}


def test_a_single_image_with_red_and_blue_swapped_is_named():
    images = levels()
    images[2] = images[2, :, :, ::-1]
    with pytest.raises(NormalisationError, match=r"red and blue are swapped in cat/2\.png \(1 of 4 files\)"):
        check_channel_order(images, levels(), NAMES)


def test_grey_images_cannot_tell_red_from_blue_and_are_counted_as_such():
    grey = np.repeat(levels()[..., :1], 3, axis=3)
    assert check_channel_order(grey[..., ::-1], grey, NAMES)["grey"] == 4
    assert check_channel_order(grey[..., :1], grey[..., :1], NAMES)["grey"] == 4


def test_small_differences_between_decoders_pass_and_another_picture_does_not():
    images = levels().clip(3, 252)
    nearly = (images + np.random.default_rng(1).integers(-2, 3, images.shape)).astype(np.uint8)
    assert 0 < check_channel_order(nearly, images, NAMES)["max_difference_levels"] < 2
    other = images.copy()
    other[1] = other[1, ::-1]
    with pytest.raises(NormalisationError, match=r"two decoders disagree on cat/1\.png|swapped in cat/1\.png"):
        check_channel_order(other, images, NAMES)


def test_pixels_to_compare_must_be_of_one_shape():
    with pytest.raises(NormalisationError, match="wrong shape: expected two uint8 arrays of one shape"):
        check_channel_order(levels()[:, :5], levels(), NAMES)


def test_a_noisy_input_and_its_target_pass():
    noisy = sound() + np.random.default_rng(1).normal(0, 0.5, sound().shape).astype(np.float32)
    check_pair(noisy, sound(), NAMES)
    check_pair(levels(1), levels(2), NAMES)


def mirrored_by_stride_two(side):
    """What a stride-2 convolution and its transpose make of a side: the faces report's 109 came back as 110."""
    return 2 * -(-side // 2)


PAIRS = {
    "a target left in 0 to 255 levels": (
        sound(),
        sound() * np.float32(255),
        r"not on one scale: the input reaches 1, the target 255, .*the target was left in 0 to 255 levels",
    ),
    "an input left in 0 to 255 levels": (sound() * np.float32(255), sound(), r"the input was left in 0 to 255 levels"),
    "an odd size": (
        np.zeros((4, 1, mirrored_by_stride_two(109), 178), np.float32),
        np.zeros((4, 1, 109, 178), np.float32),
        r"differ in shape.*109 is odd: a stride of 2 cannot mirror it; pad",
    ),
    "other rows": (sound()[:3], sound(), "differ in shape.*pair them anew"),
    "another dtype": (sound().astype(np.float64), sound(), "differ in dtype: float64 and float32"),
}


@pytest.mark.parametrize("fault", PAIRS)
def test_a_pair_that_cannot_be_learned_from_is_named(fault):
    inputs, targets, said = PAIRS[fault]
    with pytest.raises(NormalisationError, match=said) as caught:
        check_pair(inputs, targets, NAMES, first_row=10)
    assert "row 10 (cat/0.png)" in str(caught.value)
