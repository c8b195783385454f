"""From predictions to the verdict: every number with its interval, and one plain sentence."""

from dataclasses import asdict, dataclass

import numpy as np

from morelike.core import randomness
from morelike.evaluate.ladder import BASELINE, CANDIDATE
from morelike.evaluate.settings import Evaluate
from morelike.evaluate.statistics import Interval, bootstrap_recalls, interval, recalls, verdict

RARE_SHARE = 0.5  # a class is rare with fewer real train images than this share of the largest class
PAIRS = [(CANDIDATE, BASELINE), ("real+classical", "real"), ("real+synthetic", "real"), ("synthetic", "real")]
WORDS = {"helps": "Helps", "does not help": "Does not help, as far as can be told", "harms": "Harms"}


@dataclass(frozen=True)
class Judged:
    """What the classifiers predicted for the test split.

    Attributes:
        arms: names, in order.
        classes: names, in order.
        predicted: int arms×seeds×images.
        targets: int images.
        real_counts: int classes, the real train images of each.
        synthetic_count: synthetic train images in all.
    """

    arms: list[str]
    classes: list[str]
    predicted: np.ndarray
    targets: np.ndarray
    real_counts: np.ndarray
    synthetic_count: int


def rare_classes(real_counts: np.ndarray) -> np.ndarray:
    """Return which classes have fewer than half the real train images of the largest, bool."""
    return np.asarray(real_counts) < RARE_SHARE * np.max(real_counts)


def summarise(judged: Judged, settings: Evaluate, seed: int) -> dict:
    """Return the verdict, the sentence, and per arm and pair of arms every figure with its interval.

    Balanced accuracy is the mean recall over the classes that have test images, as scikit-learn's
    ``balanced_accuracy_score``, but for those without a real train image: nothing could learn them. ``rare`` is the
    same over the rare classes alone, for information: the verdict is on the paired difference in balanced accuracy
    between the candidate and the baseline.
    """
    correct = judged.predicted == judged.targets
    random = randomness.generator(seed, "evaluate", "bootstrap")
    count = len(judged.classes)
    estimate = recalls(correct, judged.targets, count)
    resampled = bootstrap_recalls(correct, judged.targets, count, settings.bootstrap, random)
    tested = ~np.isnan(estimate[0, 0])
    counted = tested & (judged.real_counts > 0)
    subsets = {"balanced_accuracy": counted, "rare": counted & rare_classes(judged.real_counts)}

    def figures(chosen: dict[str, np.ndarray], signs: dict[str, int]) -> dict:
        """Return each subset's signed sum over arms of mean recall, with its interval."""
        result = {}
        for name, classes in chosen.items():
            if not classes.any():
                result[name] = None
                continue
            at = {judged.arms.index(arm): sign for arm, sign in signs.items()}
            mean = sum(sign * estimate[arm][:, classes].mean() for arm, sign in at.items())
            draws = sum(sign * resampled[:, arm][:, classes].mean(1) for arm, sign in at.items())
            result[name] = asdict(interval(mean, draws, settings.confidence))
        return result

    one_class = {name: tested & (np.arange(count) == k) for k, name in enumerate(judged.classes)}
    arms = {
        arm: figures(subsets, {arm: 1})
        | {"by_seed": estimate[number][:, counted].mean(1).tolist(), "recall": figures(one_class, {arm: 1})}
        for number, arm in enumerate(judged.arms)
    }
    differences = [{"candidate": a, "baseline": b} | figures(subsets, {a: 1, b: -1}) for a, b in PAIRS]
    return {
        "verdict": verdict(Interval(**differences[0]["balanced_accuracy"])),
        "sentence": _sentence(arms, Interval(**differences[0]["balanced_accuracy"]), judged, settings),
        "chance": 1 / int(counted.sum()),
        "arms": arms,
        "differences": differences,
        "rare_classes": _named(judged, subsets["rare"]),
        "classes_without_test_images": _named(judged, ~tested),
        "classes_not_in_train": _named(judged, tested & ~counted),
    }


def _named(judged: Judged, chosen: np.ndarray) -> list[str]:
    return [name for name, one in zip(judged.classes, chosen, strict=True) if one]


def _sentence(arms: dict, difference: Interval, judged: Judged, settings: Evaluate) -> str:
    before, after = (arms[arm]["balanced_accuracy"]["mean"] for arm in (BASELINE, CANDIDATE))
    counted = judged.real_counts[judged.targets] > 0
    unknown = sorted({judged.classes[target] for target in judged.targets[~counted]})
    left_out = f" Left out, as no real train image shows them: {', '.join(unknown)}." if unknown else ""
    return (
        f"{WORDS[verdict(difference)]}: with the {judged.synthetic_count:,} synthetic images added to the real ones, "
        f"both augmented classically, balanced accuracy is {after:.1%} instead of {before:.1%}, "
        f"a difference of {100 * difference.mean:+.1f} points ({settings.confidence:.0%} confidence interval "
        f"{100 * difference.low:+.1f} to {100 * difference.high:+.1f}; {judged.predicted.shape[1]} training seeds, "
        f"{int(counted.sum()):,} test images).{left_out}"
    )
