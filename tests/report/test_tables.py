"""What stands in the tables on the verdict and on likeness, held against the summary that they show."""

import copy

import pytest

from morelike.evaluate import arms
from morelike.judge.recipes import Recipe
from morelike.judge.selection import Choice
from morelike.report import cells, figures, judged, likeness
from tests import summaries

CLASSES = ["rare one", "b", "never made"]


@pytest.fixture(scope="module")
def summary(tmp_path_factory):
    return summaries.summary(tmp_path_factory.mktemp("summary"), CLASSES)


def test_every_training_set_has_a_name_of_its_own_and_a_row_with_how_it_is_drawn(summary):
    recipe = Recipe(augment=summaries.JUDGE.augment)
    assert set(figures.ARM_NAMES) == set(arms.recipes_of(Choice(recipe, recipe), summaries.JUDGE))
    rows = {row["arm"]: row for row in judged.tables(summary)["arms"]}
    assert list(rows) == [figures.arm_name(arm) for arm in summary["arms"]]
    assert len(rows) == len(figures.ARM_NAMES)
    assert rows["real + classical + synthetic"]["drawn"] == "25% synthetic (dae)"
    assert rows["real + classical"]["drawn"] == "real images alone"
    assert [row["steps"].endswith("not ended") for row in rows.values()] == [
        a == arms.CANDIDATE for a in summary["arms"]
    ]
    assert [row["by_seed"].count(",") + 1 for row in rows.values()] == [
        len(of["by_seed"]) for of in summary["arms"].values()
    ]


def test_rare_and_common_classes_stand_beside_each_other_where_there_are_both(summary):
    first = summary["differences"][0]
    tables = judged.tables(summary)
    assert [row["classes"] for row in tables["glance"]] == ["all classes", "rare classes", "common classes"]
    assert [row["difference"] for row in tables["glance"]] == [cells.points(first[key]) for key in judged.CLASSES]
    assert len(tables["differences"]) == len(summary["differences"])
    none_rare = copy.deepcopy(summary)
    none_rare["differences"][0] |= {"rare": None}
    assert [row["classes"] for row in judged.tables(none_rare)["glance"]] == ["all classes", "common classes"]


def test_figures_that_nothing_is_known_of_are_dashes(summary):
    unknown = copy.deepcopy(summary)
    unknown["differences"][0] |= {"nll": None, "rare": None}
    unknown["arms"][arms.CANDIDATE]["nll"] = None
    tables = judged.tables(unknown)
    assert tables["differences"][0]["nll"] == tables["differences"][0]["rare"] == cells.NOTHING
    assert [row["arm"] for row in tables["arms"] if row["nll"] == cells.NOTHING] == ["real + classical + synthetic"]


def test_every_trial_is_shown_its_question_once_and_what_did_not_end(summary):
    rows = judged.tables(summary)["trials"]
    assert [row["tried"] for row in rows] == [trial["tried"] for trial in summary["trials"]]
    assert [row["question"] for row in rows] == ["strength of augmentation", "", "share of synthetic images"]
    assert [row["chosen"] for row in rows] == ["chosen", "", "chosen"]
    assert rows[1]["above_best"] == "0.250 ± 0.062"
    assert [row["steps"] for row in rows] == ["1,234", "1,234, not ended", "1,234"]


def test_each_class_with_synthetic_images_and_each_space_has_its_likeness(summary):
    fidelity = summary["fidelity"]
    tables = likeness.tables(fidelity)
    rows, columns = tables["by_class"]
    assert [row["label"] for row in rows] == sorted(CLASSES[:2])
    assert all(set(row) == {key for key, _ in columns} for row in rows)
    assert rows[0]["stored"] == likeness.told_apart(fidelity["two_sample"]["stored"]["by_class"]["b"])
    assert [row["space"] for row in tables["spaces"]] == ["pixels", "", "random network", ""]
    assert tables["spaces"][2]["kid"] == cells.decimal(fidelity["coverage"]["random network"]["synthetic"]["kid"])
    assert tables["spaces"][0]["kid"] == cells.NOTHING
    near = [fidelity["memorisation"]["pixels"][f"perturbation_share{kind}"] for kind in ("", "_held_out")]
    assert near[0] != near[1]
    assert [row["perturbations"] for row in tables["spaces"][:2]] == [cells.share(one) for one in near]
    bands, spectrum = fidelity["spectrum"]["ratio"], tables["spectrum"][0][0]
    assert list(spectrum.values()) == [cells.decimal(ratio) for ratio in bands]


def test_the_band_of_the_margin_is_shaded_around_zero(summary):
    chart = figures.differences(summary | {"margin": 0.0375})
    assert '"x0":-0.0375' in chart
    assert '"x1":0.0375' in chart
