"""The flow on a small DVC project, against a throw-away Prefect server."""

import asyncio

import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import ArtifactFilter, FlowRunFilter, LogFilter
from prefect.logging.handlers import APILogHandler

from flows import artifacts
from flows.augment import augment

TWO_STAGES = """
stages:
  judge:
    cmd: >-
      echo judging; echo '{"verdict": "helps", "gain": 0.25}' > reports/metrics/evaluate.json
    deps: [counted]
    metrics: [reports/metrics/evaluate.json]
  count:
    matrix: {kind: [a]}
    cmd: >-
      echo counting; echo x > counted; echo page > reports/index.html;
      echo '{"train": {"seven": 12}}' > reports/metrics/export.json
    outs: [counted, reports/index.html]
    metrics: [reports/metrics/export.json]
"""
BROKEN = """
stages:
  third: {cmd: touch third, deps: [second], outs: [third]}
  second:
    cmd: 'echo "second: b.png: 3 files are not images" >&2; exit 1'
    deps: [first]
    outs: [second]
  first: {cmd: touch first, outs: [first]}
"""


@pytest.fixture
def project(dvc_project):
    def make(dvc_yaml):
        root = dvc_project(dvc_yaml)
        (root / "reports" / "metrics").mkdir(parents=True)
        return root

    return make


def seen(run_id) -> dict:
    """Return what the server knows of a run: its tasks in order, its artifacts by key."""

    async def ask():
        async with get_client() as client:
            run = FlowRunFilter(id={"any_": [run_id]})
            tasks = await client.read_task_runs(flow_run_filter=run)
            left = await client.read_artifacts(artifact_filter=ArtifactFilter(flow_run_id={"any_": [run_id]}))
            return {
                "tasks": [task.name for task in sorted(tasks, key=lambda task: task.start_time)],
                "artifacts": {artifact.key: artifact for artifact in left},
            }

    return asyncio.run(ask())


def lines_in_log(run_id) -> list[str]:
    """Return the log of a run as the server has it, once all lines are there."""

    async def ask():
        await APILogHandler.aflush()
        async with get_client() as client:
            return [log.message for log in await client.read_logs(LogFilter(flow_run_id={"any_": [run_id]}))]

    return asyncio.run(ask())


def test_a_run_has_a_task_per_stage_in_order_its_lines_in_the_log_and_three_artifacts(prefect_server, project):
    root = project(TWO_STAGES)
    (root / "reports/metrics/train-old.json").write_text('{"left_by": "a stage that is gone"}')
    state = augment(return_state=True)
    assert state.is_completed()
    assert state.message == "the report: reports/index.html"
    run = seen(state.state_details.flow_run_id)
    assert run["tasks"] == ["count@a", "judge"]
    assert "judging" in lines_in_log(state.state_details.flow_run_id)
    assert "## helps" in run["artifacts"]["verdict"].data
    assert "0.25" in run["artifacts"]["verdict"].data
    assert "left_by" not in run["artifacts"]["verdict"].data
    assert "seven" in str(run["artifacts"]["counts"].data)
    assert (root / "reports" / "index.html").as_uri() in run["artifacts"]["report"].data


def test_a_failed_stage_fails_the_run_with_its_own_message_and_nothing_after_it_runs(prefect_server, project):
    root = project(BROKEN)
    state = augment(return_state=True)
    assert state.is_failed()
    assert state.message == "second: b.png: 3 files are not images"
    assert seen(state.state_details.flow_run_id)["tasks"] == ["first", "second"]
    assert not (root / "third").exists()


def test_images_that_are_not_there_fail_the_run_before_any_stage(prefect_server, project):
    project(BROKEN)
    state = augment(raw="nowhere", return_state=True)
    assert state.is_failed()
    assert state.message.startswith("nowhere: no such folder or file")
    assert not seen(state.state_details.flow_run_id)["tasks"]


def test_the_counts_are_whole_numbers_of_the_two_stages_that_count_images():
    metrics = {"export": {"train": {"a|b": 3}, "share": 0.5}, "validate": {"quarantined": {"empty": 2}}, "x": {"n": 1}}
    assert artifacts.table(metrics) == [
        {"stage": "validate", "what": "quarantined.empty", "images": 2},
        {"stage": "export", "what": "train.a|b", "images": 3},
    ]
    assert "train.a\\|b" in artifacts.markdown(metrics)


def test_a_list_of_numbers_is_one_cell_and_an_empty_one_says_so():
    text = artifacts.markdown({"export": {"mean_colour": [0.12345, 0.5], "found": {}}})
    assert "| export | mean_colour | 0.1235, 0.5 |" in text
    assert "| export | found | none |" in text


def test_without_an_evaluation_there_is_no_verdict_rather_than_a_made_up_one():
    assert artifacts.markdown({"export": {"n": 1}}).startswith("## No verdict")
