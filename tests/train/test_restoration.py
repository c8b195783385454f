"""What is said of restored noise: tuned per kind, the mean of the images, measured as torchmetrics measures."""

import cv2
import numpy as np
import pandas as pd
import pytest
import torch
from torchmetrics.functional.image import peak_signal_noise_ratio

from morelike.train import restoration
from tests.pictures import picture

CLEAN = np.stack([picture(16, 16, 1, seed=seed) for seed in range(4)])
KINDS = np.array(["salt", "haze", "salt", "haze"])


def spoiled() -> np.ndarray:
    """Return the images with single white pixels, or a shade lighter."""
    noisy = CLEAN // 2 + 20
    for image, kind in zip(noisy, KINDS, strict=True):
        image[3::5, 2::5] = 255 if kind == "salt" else image[3::5, 2::5]
    return noisy


def test_each_denoiser_is_tuned_by_itself_for_each_kind():
    rows = [("salt", "a", 1, 20.0), ("salt", "a", 2, 24.0), ("salt", "b", 1, 22.0), ("haze", "a", 1, 30.0)]
    rows += [("salt", "a", 1, 30.0), ("salt", "a", 2, 24.0), ("salt", "b", 1, 28.0), ("haze", "a", 2, 29.0)]
    columns = ["noise", "denoiser", "strength", "psnr_classical_db"]
    best = restoration.tuned(pd.DataFrame(rows, columns=columns).assign(ssim_classical=0.5))
    haze, *salt = best[columns].to_numpy().tolist()
    assert haze == ["haze", "a", 1, 30.0]
    assert salt == [["salt", "a", 1, 25.0], ["salt", "b", 1, 25.0]]


def test_the_classical_denoisers_are_measured_as_torchmetrics_does_on_direct_calls_of_opencv():
    noisy = spoiled()
    tried = restoration.classical(noisy, CLEAN, KINDS)
    median = tried[(tried["denoiser"] == "median") & (tried["strength"] == 3)]
    assert median["noise"].tolist() == KINDS.tolist()
    for image, clean, found in zip(noisy, CLEAN, median["psnr_classical_db"], strict=True):
        direct = torch.from_numpy(cv2.medianBlur(image, 3) / 255.0)
        expected = peak_signal_noise_ratio(direct, torch.from_numpy(clean[..., 0] / 255.0), data_range=1.0)
        assert found == pytest.approx(expected.item(), abs=1e-4)


@pytest.mark.parametrize("name", ["salt", "all"])
def test_the_comparison_holds_the_model_against_the_best_denoiser_of_each_kind(name):
    kinds = np.where(KINDS == "salt", name, KINDS)[:3]
    examples = pd.DataFrame({"recipe": kinds, "row": [7, 8, 9], "label": "a"})
    for when, shift in (("before", 0.0), ("after", 10.0)):
        examples[f"psnr_{when}_db"] = np.array([10.0, 20.0, 30.0]) + shift
        examples[f"ssim_{when}"] = np.array([0.1, 0.2, 0.3]) + shift / 100
    best = pd.DataFrame(
        {
            "noise": [name, name, "haze", "haze"],
            "denoiser": ["median", "Gaussian"] * 2,
            "strength": [3.0, 0.5] * 2,
            "psnr_classical_db": [25.0, 24.0, 40.0, 12.0],
            "ssim_classical": [0.5, 0.9, 0.8, 0.1],
        }
    )
    table = restoration.comparison(examples, best)
    rows = {(of.noise, of.images): of for of in table.itertuples()}
    assert list(rows)[-1] == ("all", 3)
    assert rows[name, 2].denoiser == "median, 3 px"
    assert rows[name, 2][4:] == pytest.approx((20.0, 0.2, 25.0, 0.5, 30.0, 0.3))
    assert rows["haze", 1][4:] == pytest.approx((20.0, 0.2, 40.0, 0.8, 30.0, 0.3))
    assert rows["all", 3][4:] == pytest.approx((20.0, 0.2, 30.0, 0.6, 30.0, 0.3))
