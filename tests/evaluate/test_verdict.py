"""Planted predictions give the verdict that they were planted for, and the headline says it."""

import dataclasses
import json

import numpy as np
import pytest
import sklearn.metrics
from scipy.special import log_softmax

from morelike.evaluate import verdict
from morelike.evaluate.verdict import Arms, rare_classes, summarise

ARMS = Arms(none="real", plain="plain", baseline="classical", candidate="both", recipe="both")
CLASSES, COUNTS = list("abc"), np.array([100, 49, 50])  # b is rare


def said(targets: np.ndarray, accuracy: np.ndarray, seed: int, seeds: int = 5, classes: int = 3) -> np.ndarray:
    """Return log-probabilities, seeds×images×classes, that are right as often as ``accuracy``, images, says."""
    random = np.random.default_rng(seed)
    right = random.random(len(targets)) < accuracy
    logits = random.normal(0, 0.5, (seeds, len(targets), classes))
    logits[:, np.arange(len(targets)), np.where(right, targets, (targets + 1) % classes)] += 3
    return log_softmax(logits, -1).astype(np.float32)


def planted(
    candidate: float | list[float], baseline: float | list[float], per_class: int = 200, **other
) -> verdict.Tested:
    """Return a test whose two main arms have these accuracies, of all classes or of each."""
    targets = np.repeat(np.arange(3), per_class)
    accuracies = {"real": 0.3, "plain": 0.5, "classical": baseline, "both": candidate}
    spread = {arm: np.broadcast_to(accuracy, 3)[targets] for arm, accuracy in accuracies.items()}
    values = {
        "classes": CLASSES,
        "targets": targets,
        "clusters": np.arange(len(targets)),
        "grouped": False,
        "real_counts": COUNTS,
        "log_probabilities": {arm: said(targets, accuracy, seed=0) for arm, accuracy in spread.items()},
        "arms": ARMS,
        "advice": "light warps and 25% synthetic images",
    }
    return verdict.Tested(**values | other)


def summary_of(test: verdict.Tested, margin: float = 0.01, confidence: float = 0.95, openings: int = 1) -> dict:
    return summarise(test, margin, confidence, openings)


@pytest.mark.parametrize(
    ("candidate", "baseline", "per_class", "expected", "words"),
    [
        (0.9, 0.7, 200, "helps", "The synthetic images help: +"),
        (0.7, 0.9, 200, "harms", "The synthetic images harm: -"),
        (0.8, 0.8, 200, "no useful difference", "make no useful difference: +0.0 points"),
        (0.8, 0.8, 4, "cannot tell", "this test cannot tell: +0.0 points"),
    ],
)
def test_planted_predictions_give_their_verdict(candidate, baseline, per_class, expected, words):
    summary = summary_of(planted(candidate, baseline, per_class))
    assert summary["verdict"] == expected
    assert words in summary["sentence"]
    assert ("could have seen a difference of" in summary["sentence"]) == (expected == "cannot tell")
    json.dumps(summary, allow_nan=False)


def test_the_first_difference_is_the_one_of_the_verdict_and_each_is_the_difference_of_its_arms():
    summary = summary_of(planted(0.9, 0.7))
    pairs = [(one["candidate"], one["baseline"]) for one in summary["differences"]]
    assert pairs[0] == ("both", "classical")
    assert set(pairs[1:]) == {("both", "real"), ("both", "plain"), ("classical", "real"), ("classical", "plain")}
    for found in summary["differences"]:
        for figure in ("balanced_accuracy", "rare", "common", "nll"):
            one, other = (summary["arms"][found[part]][figure]["mean"] for part in ("candidate", "baseline"))
            assert found[figure]["mean"] == pytest.approx(one - other)
            assert found[figure]["low"] <= found[figure]["mean"] <= found[figure]["high"]


def test_no_arm_is_compared_with_itself_and_no_pair_twice():
    arms = Arms(none="real", plain="classical", baseline="classical", candidate="both", recipe="classical")
    assert arms.pairs() == [("both", "classical"), ("classical", "real")]
    more = dataclasses.replace(arms, also=(("folder", "classical"), ("both", "classical")))
    assert more.pairs() == [("both", "classical"), ("classical", "real"), ("folder", "classical")]


def test_the_figures_of_an_arm_are_scikit_learns():
    test = planted([0.9, 0.6, 0.7], 0.5)
    figures = summary_of(test)["arms"]["both"]
    predicted = test.log_probabilities["both"].argmax(-1)
    by_seed = [sklearn.metrics.balanced_accuracy_score(test.targets, one) for one in predicted]
    recalls = [sklearn.metrics.recall_score(test.targets, one, average=None) for one in predicted]
    assert figures["by_seed"] == pytest.approx(by_seed)
    assert figures["balanced_accuracy"]["mean"] == pytest.approx(np.mean(by_seed))
    assert [figures["recall"][name]["mean"] for name in CLASSES] == pytest.approx(np.mean(recalls, axis=0))
    assert figures["rare"] == figures["recall"]["b"]
    assert figures["common"]["mean"] == pytest.approx(np.mean(recalls, axis=0)[[0, 2]].mean())
    probabilities = np.exp(test.log_probabilities["both"].astype(np.float64))
    losses = [sklearn.metrics.log_loss(test.targets, one / one.sum(1, keepdims=True)) for one in probabilities]
    assert figures["nll"]["mean"] == pytest.approx(np.mean(losses), abs=1e-6)


def test_rare_classes_that_gain_and_common_ones_that_lose_both_stand_in_the_headline():
    test = planted([0.70, 0.95, 0.70], [0.75, 0.60, 0.75])
    summary = summary_of(test)
    first = summary["differences"][0]
    assert first["rare"]["low"] > 0 > first["common"]["high"]
    for figure, words in (("rare", "rare classes"), ("common", "common ones")):
        assert f"{words} {100 * first[figure]['mean']:+.1f} points" in summary["sentence"]


def test_without_rare_classes_there_is_no_figure_of_them():
    summary = summary_of(planted(0.9, 0.7, real_counts=np.array([100, 100, 100])))
    assert summary["differences"][0]["rare"] is None
    assert summary["differences"][0]["common"] == summary["differences"][0]["balanced_accuracy"]
    assert "rare" not in summary["sentence"]


def test_the_headline_begins_with_what_to_train_with_and_what_that_gains():
    summary = summary_of(planted(0.9, 0.7))
    accuracy = summary["arms"]["both"]["balanced_accuracy"]["mean"]
    start = f"Train with light warps and 25% synthetic images: balanced accuracy {accuracy:.1%}, "
    assert summary["sentence"].startswith(start)
    for pair, words in ((("both", "real"), "no augmentation"), (("both", "plain"), "plain augmentation")):
        found = next(one for one in summary["differences"] if (one["candidate"], one["baseline"]) == pair)
        gain = found["balanced_accuracy"]
        expected = (
            f"{100 * gain['mean']:+.1f} points ({100 * gain['low']:+.1f} to {100 * gain['high']:+.1f}) over {words}"
        )
        assert expected in summary["sentence"]


def test_the_headline_says_what_it_rests_on():
    alone = summary_of(planted(0.9, 0.7))["sentence"]
    assert "Intervals of 95%, 5 training seeds, 600 test images. No groups are known" in alone
    assert "opened once" in alone
    grouped = planted(0.9, 0.7, grouped=True, clusters=np.arange(600) // 20)
    again = summary_of(grouped, confidence=0.975, openings=2)["sentence"]
    assert "Intervals of 97.5%, 5 training seeds, 600 test images of 30 groups." in again
    assert "opened 2 times" in again


def test_images_that_stand_and_fall_together_make_the_interval_wider():
    test = planted(0.9, 0.9)
    group_right = said(np.arange(30) // 10, np.full(30, 0.8), seed=3)
    together = dict(test.log_probabilities, both=group_right.repeat(20, axis=1))
    test = dataclasses.replace(test, log_probabilities=together)
    grouped = dataclasses.replace(test, grouped=True, clusters=np.arange(600) // 20)
    widths = [
        found["high"] - found["low"]
        for found in (summary_of(one)["arms"]["both"]["balanced_accuracy"] for one in (test, grouped))
    ]
    assert widths[1] > 3 * widths[0]


def test_where_nothing_tells_how_images_vary_the_verdict_is_cannot_tell():
    summary = summary_of(planted(0.9, 0.5, grouped=True, clusters=np.arange(600) // 200))
    found = summary["differences"][0]
    assert summary["verdict"] == "cannot tell"
    assert (found["balanced_accuracy"]["low"], found["balanced_accuracy"]["high"], found["nll"]) == (-1, 1, None)


def test_a_class_is_rare_below_half_of_the_largest():
    assert rare_classes(COUNTS).tolist() == [False, True, False]
    assert summary_of(planted(0.9, 0.7))["rare_classes"] == ["b"]


def test_a_class_in_test_alone_is_named_and_changes_no_figure():
    known = planted(0.9, 0.7)
    more = dataclasses.replace(
        known,
        classes=list("abcde"),
        targets=np.concatenate([known.targets, np.full(50, 3)]),
        clusters=np.arange(650),
        real_counts=np.array([100, 49, 50, 0, 7]),
        log_probabilities={
            arm: np.concatenate(
                [np.pad(one, [(0, 0), (0, 0), (0, 2)], constant_values=-40), np.full((5, 50, 5), -1.6)], 1
            )
            for arm, one in known.log_probabilities.items()
        },
    )
    without, beside = (summary_of(one) for one in (known, more))
    assert beside["classes_not_in_train"] == ["d"]
    assert beside["classes_without_test_images"] == ["e"]
    assert beside["arms"]["real"]["recall"]["d"]["mean"] == 0
    assert beside["arms"]["real"]["recall"]["e"] is None
    assert beside["sentence"] == without["sentence"] + " Left out, as no real train image shows them: d."
    for arm, figures in without["arms"].items():
        for figure in ("balanced_accuracy", "nll", "brier", "ece", "by_seed"):
            assert beside["arms"][arm][figure] == pytest.approx(figures[figure], rel=1e-6)
