"""The battery's generators are what they are called; the judge's verdicts on them, in small form, are slow."""

from collections import Counter

import numpy as np
import pandas as pd
import pytest

from benchmarks.battery import __main__ as battery
from benchmarks.battery import cases, generators, judging, running, worlds
from benchmarks.battery.cases import CASES
from morelike.judge.field import Field
from morelike.judge.recipes import Recipe
from morelike.storage.shards import ShardStore, ShardWriter

LABELS = ("dash", "pole")


@pytest.fixture(scope="module")
def pool(tmp_path_factory):
    """600 random images of two classes, in clusters of three."""
    folder, random = tmp_path_factory.mktemp("pool"), np.random.default_rng(0)
    writer = ShardWriter(folder, 12, 12, 1)
    writer.append(random.integers(20, 230, (600, 12, 12, 1), np.uint8))
    names, clusters = [f"{row}.png" for row in range(600)], np.arange(600) // 3
    index = {"file": names, "label": [LABELS[row % 2] for row in range(600)], "cluster": clusters}
    writer.close(pd.DataFrame(index | {"group": [f"patient {number}" for number in clusters]}))
    return ShardStore(folder)


@pytest.fixture(scope="module")
def world(pool):
    return worlds.drawn(pool, 0)


def as_bytes(images: np.ndarray) -> list[bytes]:
    return [image.tobytes() for image in images]


def by_label(images: np.ndarray, labels: np.ndarray) -> set[tuple[str, bytes]]:
    return set(zip(labels.tolist(), as_bytes(images), strict=True))


def test_roles_of_a_draw_share_neither_images_nor_clusters(pool):
    seen = []
    for number in range(5):
        drawn = worlds.drawn(pool, number)
        clusters = [set(pool.index["cluster"].iloc[rows]) for rows in drawn.rows.values()]
        assert sum(map(len, clusters)) == len(set().union(*clusters))
        for role, rows in drawn.rows.items():
            counts = Counter(drawn.labels(role))
            assert len(set(rows)) == len(rows)
            assert all(worlds.AT_LEAST[role] <= counts[label] <= worlds.AT_MOST[role] for label in LABELS)
        assert min(Counter(drawn.labels("train")).values()) == worlds.RARE_TRAIN
        seen.append(drawn.rows["train"].tobytes())
    assert len(set(seen)) == 5
    assert worlds.drawn(pool, 4).rows["train"].tobytes() == seen[-1]


def test_a_larger_dose_of_the_oracle_holds_the_smaller_and_none_is_an_image_of_another_role(world):
    doses = [by_label(made.images, made.labels) for made in (generators.oracle(s)(world) for s in (0.25, 0.5, 1))]
    assert doses[0] < doses[1] < doses[2] == by_label(world.images("held_back"), world.labels("held_back"))
    for role in ("train", "val", "test"):
        assert not doses[2] & by_label(world.images(role), world.labels(role))


@pytest.mark.parametrize("name", [name for name in CASES if name not in (*cases.DOSES, "same set twice")])
def test_each_generator_gives_as_many_images_with_the_labels_of_those_held_back(world, name):
    made, again = CASES[name][0](world), CASES[name][0](world)
    assert made.images.dtype == np.uint8
    assert made.images.shape == (len(world.rows["held_back"]), 12, 12, 1)
    assert Counter(made.labels) == Counter(world.labels("held_back"))
    assert np.array_equal(made.images, again.images)


def test_copies_are_images_of_their_class_and_named_source(world):
    train = dict(zip(world.files("train"), by_file(world, "train"), strict=True))
    for made in (generators.copier(world), generators.one_mode(world)):
        shown = zip(made.labels.tolist(), as_bytes(made.images), strict=True)
        assert [train[source] for source in made.sources] == list(shown)
    test = by_label(world.images("test"), world.labels("test"))
    made = generators.copies_of_test(world)
    assert by_label(made.images, made.labels) <= test


def by_file(world, role: str) -> list[tuple[str, bytes]]:
    return list(zip(world.labels(role).tolist(), as_bytes(world.images(role)), strict=True))


def test_one_mode_is_one_image_per_class_and_a_constant_one_for_all(world):
    made = generators.one_mode(world)
    assert len(by_label(made.images, made.labels)) == len(LABELS)
    made = generators.constant(world)
    assert np.ptp(made.images) == 0
    assert abs(float(made.images.mean()) - world.images("train").mean()) < 1


@pytest.mark.parametrize("make", [generators.blurred_copier, generators.watermarked, generators.classical_only])
def test_changed_copies_differ_from_every_train_image(world, make):
    made = make(world)
    assert not set(as_bytes(made.images)) & set(as_bytes(world.images("train")))


def test_a_watermark_is_the_same_on_all_and_leaves_the_rest(world):
    plain, made = generators.copier(world).images, generators.watermarked(world).images
    side = generators.MARK_PX
    assert len(set(as_bytes(made[:, -side:, -side:]))) == 1
    assert np.array_equal(plain[:, :-side], made[:, :-side])


def test_shuffled_labels_are_as_many_of_each_and_mostly_wrong(world):
    right, made = generators.oracle(1)(world), generators.shuffled_labels(world)
    assert np.array_equal(made.images, right.images)
    assert 0.2 < (made.labels == right.labels).mean() < 0.8  # of two classes


def results(**verdicts: list[tuple[str, float]]) -> pd.DataFrame:
    rows = [(case.replace("_", " "), *of) for case, all_of in verdicts.items() for of in all_of]
    found = pd.DataFrame(rows, columns=["case", "verdict", "difference"])
    return found.assign(
        case=found["case"].replace({f"oracle {d}": f"oracle {d}%" for d in (25, 50, 100)}), rare=0.0, common=0.0
    )


def kept(found: pd.DataFrame) -> dict[str, bool]:
    return dict(zip(found["case"], found["kept"], strict=True))


def test_the_table_counts_verdicts_and_says_which_rules_are_broken():
    found = cases.table(
        results(
            oracle_25=[("helps", 0.01)] * 18 + [("cannot tell", 0.0)] * 2,
            oracle_50=[("helps", 0.02)] * 17 + [("cannot tell", 0.0)] * 3,
            copier=[("helps", 0.0)] + [("cannot tell", 0.0)] * 19,
            noise=[("helps", 0.0)] * 2 + [("harms", 0.0)] * 18,
            same_set_twice=[("harms", 0.0)] * 2 + [("no useful difference", 0.0)] * 18,
            labels_shuffled=[("harms", -0.1)] * 20,
            copies_of_test=[("refused", float("nan"))] * 19 + [("helps", 0.1)],
        )
    )
    assert kept(found) == {
        "oracle 25%": True,
        "oracle 50%": False,
        "same set twice": False,
        "copier": True,
        "noise": False,
        "labels shuffled": True,
        "copies of test": False,
    }
    row = found.set_index("case").loc["noise"]
    assert (row["draws"], row["helps"], row["harms"]) == (20, 2, 18)
    assert "| copier | 20 | 1 | 0 | 19 | 0 | 0 | +0.0 |" in cases.as_markdown(found)


def test_an_oracle_that_does_not_rise_with_its_dose_breaks_its_rule():
    helping = {f"oracle_{dose}": [("helps", 0.03 - dose / 10_000)] * 20 for dose in (25, 50, 100)}
    assert not any(kept(cases.table(results(**helping))).values())


@pytest.fixture(scope="module")
def judge():
    return battery.judge_settings(battery.HERE / "judge.yaml")


def test_copies_of_test_images_are_refused_before_anything_is_trained(world, judge, tmp_path):
    found = judging.judged(world, "copies of test", judge, tmp_path / "state")
    assert found["verdict"] == "refused"
    assert not (tmp_path / "state").exists()


def test_the_baseline_of_a_draw_is_found_again_whichever_generator_is_judged(world, judge, tmp_path):
    digests = {}
    for case in ("copier", "constant", "same set twice"):
        store = judging.write(world, CASES[case][0](world), tmp_path / case, case)
        train, new = store.index["split"] == "train", store.index["synthetic"]
        assert (train | ~new).all()
        assert np.isnan(store.index.loc[~new, "nearest_distance"]).all()
        field = Field(store, "val", judge, tmp_path)
        tasks = [field.task(Recipe(synthetic=share, augment=judge.augment), 0.01, 0) for share in (0.0, 0.25)]
        digests[case] = [task.images for task in tasks]
    assert len({of_real for of_real, _ in digests.values()}) == 1
    assert len({of_both for _, of_both in digests.values()}) == 3
    copies = ShardStore(tmp_path / "copier").index.query("synthetic")
    assert (copies["nearest_distance"] < 0.001).all()


def test_a_run_goes_on_with_what_is_missing(pool, judge, tmp_path, monkeypatch):
    asked = []

    def judged(world, case, settings, state):
        asked.append((world.number, case))
        return {
            "verdict": "helps",
            "difference": {"mean": 0.02, "low": 0.01, "high": 0.03},
            "rare": None,
            "common": None,
        }

    monkeypatch.setattr(judging, "judged", judged)
    work = running.Work(pool.folder, tmp_path, judge, (0, 2), core=None)
    running.run(work)
    assert len(asked) == len(set(asked)) == 2 * len(CASES)
    running.verdict_path(tmp_path, 2, "noise").unlink()
    asked.clear()
    running.run(work)
    assert asked == [(2, "noise")]
    found = running.results(tmp_path, 3)
    assert len(found) == 2 * len(CASES)
    assert set(found["difference"]) == {0.02}


@pytest.fixture(scope="module")
def digits(tmp_path_factory):
    """Pool and state of two draws of the digits, shared by the cases."""
    home = tmp_path_factory.mktemp("digits")
    return worlds.pool_of_digits(home / "pool"), home / "state"


@pytest.mark.slow
@pytest.mark.parametrize(
    "case", ["oracle 100%", "same set twice", "copier", "noise", "constant", "labels shuffled", "copies of test"]
)
def test_the_judge_says_of_two_draws_of_the_digits_what_is_true(digits, judge, case):
    pool, state = digits
    found = [judging.judged(worlds.drawn(pool, draw), case, judge, state / str(draw)) for draw in (0, 1)]
    assert CASES[case][1].holds(Counter(one["verdict"] for one in found)), found
    if case == "oracle 100%":
        assert min(one["difference"]["mean"] for one in found) > judge.margin
