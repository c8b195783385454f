"""quality: PSNR and SSIM against torchmetrics and their laws."""

import numpy as np
import pytest
import torch
from torchmetrics.functional.image import peak_signal_noise_ratio, structural_similarity_index_measure

from morelike.images.errors import NormalisationError
from morelike.images.quality import IDENTICAL_PSNR_DB, psnr_db, ssim


def pair(shape, strength, seed=0):
    rng = np.random.default_rng(seed)
    reference = rng.integers(0, 256, shape).cumsum(axis=1).cumsum(axis=2) // 40 % 256
    noisy = (reference + rng.normal(0, strength, shape)).clip(0, 255)
    return noisy.astype(np.uint8), reference.astype(np.uint8)


def tensor(images):
    return torch.from_numpy(images).permute(0, 3, 1, 2).double() / 255


@pytest.mark.parametrize("shape", [(4, 28, 28, 1), (3, 33, 20, 3), (2, 11, 64, 3)])
@pytest.mark.parametrize("strength", [2, 30])
def test_both_agree_with_torchmetrics(shape, strength):
    noisy, reference = pair(shape, strength)
    theirs = peak_signal_noise_ratio(tensor(noisy), tensor(reference), data_range=1.0, reduction="none", dim=(1, 2, 3))
    assert psnr_db(noisy, reference) == pytest.approx(theirs.numpy(), abs=1e-5)
    theirs = structural_similarity_index_measure(
        tensor(noisy), tensor(reference), sigma=1.5, kernel_size=11, data_range=1.0, reduction="none"
    )
    assert ssim(noisy, reference) == pytest.approx(theirs.numpy(), abs=1e-6)


def test_one_level_of_difference_everywhere_is_48_db():
    images = np.full((1, 8, 8, 3), 100, np.uint8)
    assert psnr_db(images + np.uint8(1), images) == pytest.approx(20 * np.log10(255))


def test_an_identical_pair_has_the_highest_finite_psnr_and_an_ssim_of_1():
    _, images = pair((2, 16, 16, 3), 5)
    assert list(psnr_db(images, images)) == [IDENTICAL_PSNR_DB] * 2
    assert ssim(images, images) == pytest.approx([1, 1])


def test_neither_depends_on_which_of_the_two_is_the_reference():
    noisy, reference = pair((3, 20, 20, 1), 20)
    assert psnr_db(noisy, reference) == pytest.approx(psnr_db(reference, noisy))
    assert ssim(noisy, reference) == pytest.approx(ssim(reference, noisy))


def test_an_image_does_not_depend_on_the_others_in_its_batch():
    noisy, reference = pair((5, 20, 20, 3), 20)
    assert ssim(noisy, reference)[3] == ssim(noisy[3:4], reference[3:4])[0]
    assert psnr_db(noisy, reference)[3] == psnr_db(noisy[3:4], reference[3:4])[0]


@pytest.mark.parametrize("shape", [(1, 1, 1, 1), (2, 5, 3, 3), (1, 10, 40, 1), (1, 8, 8, 3)])
def test_images_smaller_than_the_window_have_an_ssim_too(shape):
    noisy, reference = pair(shape, 60)
    values = ssim(noisy, reference)
    assert values.shape == (shape[0],)
    assert (np.abs(values) <= 1).all()


def test_pairs_of_different_form_are_refused():
    noisy, reference = pair((2, 12, 12, 3), 5)
    for wrong in (noisy[:1], noisy.astype(np.float32), noisy[0]):
        with pytest.raises(NormalisationError, match="two uint8 N×H×W×C arrays of one shape"):
            psnr_db(wrong, reference)
