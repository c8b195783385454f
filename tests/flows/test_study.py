"""The search of parameters: what it refuses, which trials it runs, and how they end."""

import math

import pytest
import yaml

from flows import pipeline, search
from flows.tuning import loop, results, space, workers
from flows.tuning.errors import TrialInterrupted
from flows.tuning.study import JOURNAL, Study
from morelike.core import settings
from morelike.core.errors import MorelikeError, ParamsError
from tests import tiny_project
from tests.searches import CHOICES, DROPOUT, RANGES, RATE, TARGET, TEXT, WIDTH, study, take, with_search


@pytest.mark.parametrize(
    ("changes", "key", "said"),
    [
        ({"metric": "val_loss"}, "search.metric", "FILE:KEY"),
        ({"method": "guess"}, "search.method", "'grid', 'random' or 'tpe'"),
        ({"trials": 0}, "search.trials", "greater than or equal to 1"),
        ({"space": {}}, "search.space", "at least 1"),
        ({"space": {RATE: {"low": 1, "high": 2, "bas": 3}}}, f"search.space.{RATE}.bas", "no such key"),
        ({"space": {RATE: {"low": 1.0}}}, f"search.space.{RATE}", "either choices, or low and high"),
        ({"space": {RATE: {"low": 2.0, "high": 1.0}}}, f"search.space.{RATE}", "low below high"),
        ({"space": {RATE: {"low": 0.0, "high": 1.0, "log": True}}}, f"search.space.{RATE}", "a low above 0"),
        ({"space": {"models.dae.depth": {"choices": [1]}}}, "search.space.models.dae.depth", "a parameter of params"),
        ({"space": {"evaluate.width": {"choices": [8]}}}, "search.space.evaluate.width", "that decides the metric"),
        ({"space": {WIDTH: {"choices": [8, 12]}}}, f"search.space.{WIDTH}", "multiple of 8, got 12"),
        ({"space": {WIDTH: {"low": 8, "high": 64}}}, f"search.space.{WIDTH}", "multiple of 8, got 9"),
        ({"space": {WIDTH: {"low": 8.0, "high": 64.0}}}, f"search.space.{WIDTH}", "integer"),
        ({"space": {DROPOUT: {"low": 0.0, "high": 1.5}}}, f"search.space.{DROPOUT}", "less than 1, got 1.5"),
        ({"method": "grid", "space": RANGES}, f"search.space.{RATE}", "a step, or choices, for a grid"),
        ({"method": "grid", "space": {WIDTH: {"low": 8, "high": 10**7, "step": 8}}}, "search.space", "100,000 cells"),
        ({"space": {"models.dae.budget_images": {"choices": [1, 2]}}}, "search.pruner", "unequal budgets"),
    ],
)
def test_what_cannot_be_searched_is_refused_in_one_line_before_anything_runs(changes, key, said):
    with pytest.raises(ParamsError) as caught:
        space.check(with_search(**changes), TARGET)
    assert caught.value.key == key
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("file", ["evaluate.json", "export.json"])
def test_a_metric_that_no_training_writes_is_refused_for_it_may_know_of_the_test_split(file):
    metric = f"reports/metrics/{file}:gain"
    target = pipeline.target(metric.partition(":")[0], tiny_project.ROOT)
    with pytest.raises(ParamsError, match="must never see the test split") as caught:
        space.check(with_search(metric=metric), target)
    assert (caught.value.key, caught.value.got) == ("search.metric", metric)


def test_an_unknown_key_of_the_search_is_refused():
    with pytest.raises(ParamsError, match=r"search\.mthod: expected no such key"):
        space.check(yaml.safe_dump(pipeline.replaced(yaml.safe_load(TEXT), {"search.mthod": "tpe"})), TARGET)


def test_the_search_that_the_project_comes_with_can_run():
    target = pipeline.target("reports/metrics/train-dae.json", tiny_project.ROOT)
    _, chosen, _ = space.check(TEXT, target)
    assert target.stage == "train@dae"
    assert chosen.metric_key == "val_loss"


def test_params_without_a_search_are_as_good_as_ever_and_cannot_be_searched():
    values = yaml.safe_load(TEXT)
    del values["search"]
    settings.check(settings.Params(values), models=True)
    with pytest.raises(ParamsError, match="a section that says what to search"):
        space.check(yaml.safe_dump(values), None)


def test_an_item_of_a_list_is_a_parameter_like_any_other():
    key = "corrupt.recipes.gaussian.0.std"
    *_, drawn = space.check(with_search(space={key: {"low": 0.1, "high": 0.2}}), TARGET)
    assert list(drawn) == [key]


# Which trials there are


def test_a_grid_is_every_cell_once_and_ends_there(tmp_path):
    grid = study(tmp_path, method="grid", space=CHOICES, trials=100)
    tried = take(grid, 7)
    assert len(tried) == grid.total == 6
    assert {tuple(values.values()) for values in tried} == {(a, b) for a in (0.001, 0.01) for b in (0.0, 0.1, 0.2)}


@pytest.mark.parametrize("method", ["grid", "random"])
def test_the_values_of_a_trial_depend_neither_on_how_many_run_at_once_nor_on_stops(tmp_path, method):
    wanted = {"method": method, "space": CHOICES, "trials": 5}
    one_by_one = take(study(tmp_path / "1", **wanted), 5)
    at_once = study(tmp_path / "2", **wanted)
    assert [at_once.next().params for _ in range(5)] == one_by_one
    stopped = [take(study(tmp_path / "3", **wanted), 1)[0] for _ in range(5)]
    assert stopped == one_by_one


def test_another_seed_tries_other_values(tmp_path):
    wanted = {"method": "random", "space": RANGES, "trials": 2}
    assert take(study(tmp_path / "1", seed=1, **wanted), 2) != take(study(tmp_path / "2", seed=2, **wanted), 2)


def test_bayesian_search_goes_where_it_was_good(tmp_path):
    tpe = study(tmp_path, method="tpe", space=RANGES, trials=40)
    tried = take(tpe, 40, bowl)
    first, last = ([bowl(values) for values in part] for part in (tried[:10], tried[-10:]))
    assert sorted(last)[5] < sorted(first)[5] / 2


def test_trials_of_a_search_that_died_are_begun_anew_with_the_same_number_and_values(tmp_path):
    wanted = {"method": "tpe", "space": RANGES, "trials": 3}
    dead = study(tmp_path, **wanted)
    done, begun = dead.next(), dead.next()
    dead.complete(done, 1.0, "x")
    heir = study(tmp_path, **wanted)
    again, new = heir.next(), heir.next()
    assert (again.number, again.params) == (begun.number, begun.params)
    assert new.number == 2
    assert heir.next() is None
    heir.complete(again, 2.0, "x")
    heir.complete(new, 3.0, "x")
    assert [trial.value for trial in heir.finished()] == [1.0, 2.0, 3.0]
    assert study(tmp_path, **wanted | {"trials": 4}).next().number == 3


def test_half_a_line_of_a_killed_search_is_forgotten(tmp_path):
    first = study(tmp_path, method="random", space=RANGES)
    first.complete(first.next(), 1.0, "x")
    journal = tmp_path / JOURNAL
    journal.write_bytes(journal.read_bytes() + b'{"op_code": 4, "wor')
    (tmp_path / f"{JOURNAL}.lock").symlink_to(journal)
    second = study(tmp_path, method="random", space=RANGES)
    second.complete(second.next(), 2.0, "x")
    assert [trial.value for trial in study(tmp_path, method="random", space=RANGES).finished()] == [1.0, 2.0]


# How trials end


class FakeJob:
    """A trial whose evaluations and end are known; it is over after the last of them."""

    def __init__(self, values: list[float], error: str = ""):
        self.name, self.values, self.error, self.shown, self.ended = "experiment", values, error, 0, False

    def evaluations(self):
        return [(64 * number, value) for number, value in enumerate(self.values[: self.shown], 1)]

    def is_over(self):
        self.shown += 1
        return self.shown > len(self.values)

    def value(self):
        if self.error:
            raise MorelikeError(self.error)
        return min(self.values)

    def end(self):
        self.ended = True

    forget = end


def run(trials: Study, jobs: list, at_once: int = 1) -> list[str]:
    """Run a study on jobs, one per trial, and return what was said."""
    said = []
    loop.run(trials, range(at_once), lambda worker, number, values: jobs[number], said.append, pause_s=0)
    return said


def test_a_trial_worse_than_the_median_is_stopped_and_keeps_what_it_had(tmp_path):
    jobs = [FakeJob([3.0, 2.0, 1.0]), FakeJob([3.0, 2.0, 1.0]), FakeJob([9.0, 8.0, 7.0]), FakeJob([3.0, 1.0, 0.5])]
    trials = study(tmp_path, method="random", space=RANGES, trials=4, prune_after_trials=2, prune_after_evaluations=1)
    run(trials, jobs)
    rows = results.rows(trials)
    assert [row["state"] for row in rows] == ["completed", "completed", "pruned", "completed"]
    assert (rows[2]["val_loss"], rows[2]["images_seen"]) == (8.0, 128)  # the first evaluation is too early to judge by
    assert jobs[2].ended
    assert trials.best().number == 3


@pytest.mark.parametrize("at_once", [1, 2])
def test_a_failed_trial_is_noted_with_its_message_and_stops_nothing(tmp_path, at_once):
    jobs = [FakeJob([3.0]), FakeJob([math.nan], "train: loss is NaN"), FakeJob([2.0])]
    trials = study(tmp_path, method="random", space=RANGES, trials=3, pruner="none")
    said = run(trials, jobs, at_once)
    rows = results.rows(trials)
    assert [row["state"] for row in rows] == ["completed", "failed", "completed"]
    assert rows[1]["message"] == "train: loss is NaN"
    assert any("trial 1: failed: train: loss is NaN" in line for line in said)


def test_a_trial_that_something_outside_ended_is_no_result_and_is_left_for_the_next_run(tmp_path):
    class Interrupted(FakeJob):
        def value(self):
            raise TrialInterrupted("exited with 130")

    trials = study(tmp_path, method="random", space=RANGES, trials=2)
    run(trials, [Interrupted([1.0]), FakeJob([1.0])])
    assert [row["number"] for row in results.rows(trials)] == [1]
    assert study(tmp_path, method="random", space=RANGES, trials=2).next().number == 0


def test_values_that_do_not_go_together_fail_the_trial_alone(tmp_path):
    def start(worker, number, values):
        if number == 0:
            raise ParamsError("params.yaml", "export.mix", 2, "1")
        return FakeJob([1.0])

    trials = study(tmp_path, method="random", space=RANGES, trials=2)
    loop.run(trials, [0], start, lambda line: None, pause_s=0)
    assert [row["state"] for row in results.rows(trials)] == ["failed", "completed"]


def test_an_interrupt_ends_what_runs_and_leaves_it_for_the_next_run(tmp_path):
    jobs = [FakeJob([1.0]), FakeJob([1.0] * 9)]
    trials = study(tmp_path, method="random", space=RANGES, trials=2)

    def tick():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        loop.run(trials, [0, 1], lambda worker, number, values: jobs[number], lambda line: None, tick, 0)
    assert jobs[1].ended
    assert study(tmp_path, method="random", space=RANGES, trials=2).next().number == 1


def test_importance_sums_to_one_and_names_what_matters(tmp_path):
    trials = study(tmp_path, method="random", space=RANGES, trials=30)
    take(trials, 3, bowl)
    assert trials.importance() == {}
    take(trials, 27, bowl)
    shares = trials.importance()
    assert sum(shares.values()) == pytest.approx(1)
    assert list(shares) == [RATE, DROPOUT]
    assert shares[RATE] > 0.6


def test_importance_of_trials_all_alike_is_not_told(tmp_path):
    trials = study(tmp_path, method="random", space=RANGES, trials=6)
    take(trials, 6, lambda values: 1.0)
    assert trials.importance() == {}


def test_the_winner_is_params_yaml_with_its_comments_and_a_search_without_one_leaves_none(tmp_path):
    trials = study(tmp_path, method="random", space=RANGES, trials=2)
    assert results.write(trials, TEXT, tmp_path / "out") is None
    take(trials, 2, bowl)
    winning = results.write(trials, TEXT, tmp_path / "out")
    assert settings.read(tmp_path / "out/params.yaml").value(RATE) == trials.best().params[RATE]
    assert [line.partition("#")[2] for line in winning.splitlines()] == [
        line.partition("#")[2] for line in TEXT.splitlines()
    ]
    table = (tmp_path / "out/trials.csv").read_text().splitlines()
    assert table[0] == f"number,state,val_loss,{RATE},{DROPOUT},images_seen,experiment,message"
    assert len(table) == 3


def test_only_whole_lines_with_numbers_are_evaluations(tmp_path):
    log = tmp_path / "val_loss.tsv"
    assert workers.read_evaluations(log) == []
    log.write_text("step\tval_loss\n64\t1.5\n128\tnan\n192\t1.25\n256\t1.")
    assert workers.read_evaluations(log) == [(64, 1.5), (192, 1.25)]


def test_a_study_is_known_by_what_its_trials_share(tmp_path):
    target = pipeline.target("reports/metrics/train-dae.json", tiny_project.ROOT)
    lock = {"validate": {"deps": [{"path": "src/morelike/storage/sources.py", "md5": "1"}]}}

    def known(changes: dict, lock: dict = lock) -> str:
        text = pipeline.with_values(TEXT, changes)
        given, chosen, _ = space.check(text, target)
        return search.identity(given.values, chosen, target, lock, tiny_project.ROOT)

    same = known({})
    assert known({"search.trials": 99, "search.workers": 2}) == same
    assert known({"models.dae.learning_rate": 0.5}) == same, "the winner, applied, must not begin another study"
    assert known({"evaluate.max_steps": 7}) == same
    other = [{"search.pruner": "none"}, {"models.dae.width": 8}, {"search.space": CHOICES}, {"seed": 1}]
    names = [known(changes) for changes in other]
    names.append(known({}, {"validate": {"deps": [{"path": "src/morelike/storage/sources.py", "md5": "2"}]}}))
    assert len({same, *names}) == 6


def bowl(values: dict) -> float:
    """Return a loss whose least is at a learning rate of 0.001, and to which dropout matters a little."""
    return (math.log10(values[RATE]) + 3) ** 2 + 0.1 * values[DROPOUT]


# With DVC
