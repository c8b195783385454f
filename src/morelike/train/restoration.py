"""How well noise is taken out of val images: by a model, and by OpenCV's denoisers, tuned for each kind of noise."""

import numpy as np
import pandas as pd

from morelike.images import quality
from morelike.images.denoise import DENOISERS

NUMBERS = [f"{what.format(when)}" for when in ("before", "classical", "after") for what in ("psnr_{}_db", "ssim_{}")]


def measured(images: np.ndarray, clean: np.ndarray, when: str) -> pd.DataFrame:
    """Return ``psnr_WHEN_db`` and ``ssim_WHEN`` of each image; both are uint8 N×H×W×C."""
    return pd.DataFrame(
        {f"psnr_{when}_db": quality.psnr_db(images, clean), f"ssim_{when}": quality.ssim(images, clean)}
    )


def classical(noisy: np.ndarray, clean: np.ndarray, kinds: np.ndarray) -> pd.DataFrame:
    """Measure every denoiser of OpenCV at every strength.

    Args:
        noisy: uint8 N×H×W×C; ``clean``: what they were.
        kinds: of noise, N names.

    Returns:
        A row per image, denoiser and strength: noise, denoiser, strength, psnr_classical_db, ssim_classical.
    """
    found = []
    for name, denoiser in DENOISERS.items():
        for strength in denoiser.strengths:
            restored = np.stack([denoiser(image, strength) for image in noisy])
            about = pd.DataFrame({"noise": kinds, "denoiser": name, "strength": strength})
            found.append(pd.concat([about, measured(restored, clean, "classical")], axis=1))
    return pd.concat(found, ignore_index=True)


def tuned(tried: pd.DataFrame) -> pd.DataFrame:
    """Return the means of each denoiser at the strength of the highest PSNR for each kind of noise, the best first."""
    means = tried.groupby(["noise", "denoiser", "strength"], as_index=False).mean()
    best_first = means.sort_values(["noise", "psnr_classical_db"], ascending=[True, False], kind="stable")
    return best_first.drop_duplicates(["noise", "denoiser"]).reset_index(drop=True)


def comparison(examples: pd.DataFrame, best: pd.DataFrame) -> pd.DataFrame:
    """Return a row per kind of noise and one for all images: the noisy ones, the best classical denoiser, the model.

    Args:
        examples: a row per image: ``recipe``, and PSNR and SSIM ``before`` and ``after`` the model.
        best: of :func:`tuned`. The best for each kind of noise is what the model is held against, on all images too.
    """
    first = best.drop_duplicates("noise").set_index("noise")
    rows = examples.rename(columns={"recipe": "noise"}).join(first, on="noise")
    names = [f"{of.denoiser}, {of.strength:g} {DENOISERS[of.denoiser].unit}" for of in first.itertuples()]
    kinds = rows.groupby("noise")[NUMBERS].mean().reset_index()
    kinds.insert(1, "images", rows.groupby("noise").size().to_numpy())
    kinds.insert(2, "denoiser", names)
    total = {"noise": "all", "images": len(rows), "denoiser": "the best for each", **rows[NUMBERS].mean()}
    return pd.concat([kinds, pd.DataFrame([total])], ignore_index=True)
