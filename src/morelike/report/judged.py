"""The tables on the verdict: rare and common classes, training sets, their differences, what val chose from."""

import statistics
from itertools import groupby

from morelike.core.settings import flattened
from morelike.judge.recipes import Recipe
from morelike.report import cells
from morelike.report.figures import arm_name

Row = dict[str, str]
CLASSES = {"balanced_accuracy": "all classes", "rare": "rare classes", "common": "common classes"}


def tables(summary: dict | None) -> dict:
    """Return the tables by name, from ``summary.json``; {} where no classifier was compared.

    ``glance`` holds the two training sets of the verdict over all, rare and common classes; ``arms`` has a row per
    training set, ``differences`` one per pair, ``trials`` one per recipe that val chose from; ``augment`` holds the
    settings of the classical augmentation that it chose.
    """
    if not summary or not summary["arms"]:
        return {}
    return {
        "glance": _glance(summary),
        "arms": [_arm(summary, arm) for arm in summary["arms"]],
        "differences": [_difference(pair) for pair in summary["differences"]],
        "trials": _trials(summary["trials"]),
        "augment": flattened(summary["recipes"][summary["roles"]["baseline"]]["augment"]).items(),
    }


def _glance(summary: dict) -> list[Row]:
    pair = summary["differences"][0]
    without, having = (summary["arms"][pair[key]] for key in ("baseline", "candidate"))
    return [
        {
            "classes": words,
            "without": cells.shares(without[key]),
            "with": cells.shares(having[key]),
            "difference": cells.points(pair[key]),
        }
        for key, words in CLASSES.items()
        if pair[key]
    ]


def _arm(summary: dict, arm: str) -> Row:
    figures, steps = summary["arms"][arm], summary["steps"][arm]
    return {
        "arm": arm_name(arm),
        "drawn": Recipe.model_validate(summary["recipes"][arm]).in_words(),
        "balanced_accuracy": cells.shares(figures["balanced_accuracy"]),
        **{key: cells.decimal(figures[key] and figures[key]["mean"]) for key in ("nll", "brier", "ece")},
        "steps": _steps(statistics.median(steps), arm not in summary["unended"]),
        "by_seed": ", ".join(map(cells.share, figures["by_seed"])),
    }


def _difference(pair: dict) -> Row:
    return {
        "pair": f"{arm_name(pair['candidate'])} − {arm_name(pair['baseline'])}",
        **{key: cells.points(pair[key]) for key in CLASSES},
        "nll": cells.changes(pair["nll"]),
    }


def _trials(trials: list[dict]) -> list[Row]:
    """Return a row per recipe that was tried; the question stands in the first row of those that it was asked of."""
    rows = []
    for question, of_question in groupby(trials, key=lambda trial: trial["question"]):
        for number, trial in enumerate(of_question):
            rows.append(
                {
                    "question": "" if number else question,
                    "tried": trial["tried"],
                    "nll": cells.decimal(trial["nll"]),
                    "above_best": f"{cells.decimal(trial['above_best'])} ± {cells.decimal(trial['standard_error'])}",
                    "chosen": "chosen" if trial["chosen"] else "",
                    "steps": _steps(trial["steps"], trial["ended"]),
                }
            )
    return rows


def _steps(steps: float, ended: bool) -> str:
    return f"{steps:,.0f}" + ("" if ended else ", not ended")
