"""The headline: what to train with, what it gains, whether the synthetic images had a part, and what that rests on."""

from morelike.judge.statistics import CANNOT_TELL, HARMS, HELPS, NO_DIFFERENCE

SAID = {
    HELPS: "The synthetic images help",
    HARMS: "The synthetic images harm",
    NO_DIFFERENCE: "The synthetic images make no useful difference",
    CANNOT_TELL: "Whether the synthetic images help, this test cannot tell",
}


def headline(summary: dict) -> str:
    """Return a few sentences in plain words; ``summary`` is as :func:`morelike.evaluate.verdict.summarise` makes it."""
    parts = [_advice(summary), _synthetic(summary), _basis(summary), _openings(summary), _left_out(summary)]
    return " ".join(filter(None, parts))


def _advice(summary: dict) -> str:
    roles = summary["roles"]
    accuracy = summary["arms"][roles["recipe"]]["balanced_accuracy"]["mean"]
    said = f"Train with {summary['advice']}: balanced accuracy {accuracy:.1%}"
    gains = [
        f"{_points(found['balanced_accuracy'])} over {words}"
        for part, words in (("none", "no augmentation"), ("plain", "plain augmentation"))
        if (found := _difference(summary, roles["recipe"], roles[part]))
    ]
    return ", ".join([said, " and ".join(gains)] if gains else [said]) + "."


def _synthetic(summary: dict) -> str:
    found = summary["differences"][0]
    said = f"{SAID[summary['verdict']]}: {_points(found['balanced_accuracy'])} with them"
    if summary["verdict"] == NO_DIFFERENCE:
        said += f", within ±{100 * summary['margin']:.3g}"
    if found["rare"] and found["common"]:
        said += f"; rare classes {_points(found['rare'])}, common ones {_points(found['common'])}"
    if summary["verdict"] == CANNOT_TELL:
        said += f"; it could have seen a difference of {100 * summary['smallest_visible']:.1f} points"
    return f"{said}."


def _basis(summary: dict) -> str:
    groups = summary["groups"]
    said = f"Intervals of {100 * summary['confidence']:.3g}%, {summary['seeds']} training seeds, "
    said += f"{summary['test_images']:,} test images"
    if groups is not None:
        return f"{said} of {groups:,} groups."
    return f"{said}. No groups are known: if images that belong together lie in train and test, all this is too good."


def _openings(summary: dict) -> str:
    if summary["openings"] == 1:
        return "The test split was opened once."
    return f"The test split was opened {summary['openings']} times, and the intervals are the wider for it."


def _left_out(summary: dict) -> str:
    unknown = summary["classes_not_in_train"]
    return f"Left out, as no real train image shows them: {', '.join(unknown)}." if unknown else ""


def _difference(summary: dict, one: str, other: str) -> dict | None:
    pairs = (pair for pair in summary["differences"] if (pair["candidate"], pair["baseline"]) == (one, other))
    return next(pairs, None)


def _points(found: dict) -> str:
    mean, low, high = (f"{round(100 * found[key], 1) + 0.0:+.1f}" for key in ("mean", "low", "high"))
    return f"{mean} points ({low} to {high})"
