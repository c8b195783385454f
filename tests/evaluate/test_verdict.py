"""Planted predictions give the verdict they were planted for."""

import numpy as np
import pytest

from morelike.evaluate.ladder import ARMS
from morelike.evaluate.settings import Evaluate
from morelike.evaluate.verdict import Judged, rare_classes, summarise

SETTINGS = Evaluate(seeds=3, steps=1, batch_size=1, learning_rate=1, width=8, confidence=0.95, bootstrap=500)


def judged(candidate_accuracy: float, baseline_accuracy: float, classes: int = 3) -> Judged:
    random = np.random.default_rng(0)
    targets = np.repeat(np.arange(classes), 100)
    accuracy = {"real+both": candidate_accuracy, "real+classical": baseline_accuracy}
    right = np.stack([random.random((3, len(targets))) < accuracy.get(arm, 0.5) for arm in ARMS])
    predicted = np.where(right, targets, (targets + 1) % classes)
    return Judged(list(ARMS), list("abc")[:classes], predicted, targets, np.array([100, 49, 50]), 70)


@pytest.mark.parametrize(
    ("candidate", "baseline", "expected"),
    [(0.9, 0.7, "helps"), (0.7, 0.9, "harms"), (0.8, 0.8, "does not help")],
)
def test_planted_predictions_give_their_verdict(candidate, baseline, expected):
    summary = summarise(judged(candidate, baseline), SETTINGS, seed=0)
    assert summary["verdict"] == expected
    difference = summary["differences"][0]
    assert (difference["candidate"], difference["baseline"]) == ("real+both", "real+classical")
    arms = summary["arms"]
    assert difference["balanced_accuracy"]["mean"] == pytest.approx(
        arms["real+both"]["balanced_accuracy"]["mean"] - arms["real+classical"]["balanced_accuracy"]["mean"]
    )


def test_the_sentence_names_the_numbers_the_seeds_and_the_test_count():
    summary = summarise(judged(0.9, 0.7), SETTINGS, seed=0)
    difference = summary["differences"][0]["balanced_accuracy"]
    sentence = summary["sentence"]
    assert sentence.startswith("Helps:")
    for part in (f"{100 * difference['low']:+.1f} to {100 * difference['high']:+.1f}", "3 training seeds", "300 test"):
        assert part in sentence


def test_a_class_is_rare_below_half_of_the_largest():
    assert rare_classes(np.array([100, 49, 50])).tolist() == [False, True, False]
    summary = summarise(judged(0.9, 0.7), SETTINGS, seed=0)
    assert summary["rare_classes"] == ["b"]
    assert summary["arms"]["real"]["rare"] == pytest.approx(summary["arms"]["real"]["recall"]["b"])


def test_the_same_seed_gives_the_same_intervals():
    assert summarise(judged(0.9, 0.8), SETTINGS, seed=5) == summarise(judged(0.9, 0.8), SETTINGS, seed=5)
    assert summarise(judged(0.9, 0.8), SETTINGS, seed=5) != summarise(judged(0.9, 0.8), SETTINGS, seed=6)


def test_a_class_in_test_alone_is_named_and_changes_no_figure():
    known = judged(0.9, 0.7)
    targets = np.concatenate([known.targets, np.full(50, 3)])
    predicted = np.concatenate([known.predicted, np.zeros((5, 3, 50), int)], axis=2)
    more = Judged(known.arms, list("abcd"), predicted, targets, np.array([100, 49, 50, 0]), 70)
    without, beside = (summarise(one, SETTINGS, seed=0) for one in (known, more))
    assert beside["classes_not_in_train"] == ["d"]
    assert beside["arms"]["real"]["recall"]["d"]["mean"] == 0
    for key in ("verdict", "chance", "rare_classes"):
        assert beside[key] == without[key]
    for arm, figures in without["arms"].items():
        means = [one["arms"][arm]["balanced_accuracy"]["mean"] for one in (without, beside)]
        assert means[0] == pytest.approx(means[1])
        assert beside["arms"][arm]["by_seed"] == pytest.approx(figures["by_seed"])
    assert beside["sentence"].endswith("300 test images). Left out, as no real train image shows them: d.")
