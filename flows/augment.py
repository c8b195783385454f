"""The pipeline under Prefect: one task per DVC stage, in DVC's order. Run ``python -m flows.augment``."""

import os
import signal
import sys

from dvc.exceptions import DvcException
from prefect import flow, get_run_logger, task
from prefect.states import Completed, Failed, State

from flows import artifacts, pipeline
from flows.stage_process import StageError, repro
from morelike.core.errors import MorelikeError, printable


@task(task_run_name="{stage}")
def run_stage(stage: str) -> State:
    """Let DVC bring one stage up to date; a stage that nothing changed for is skipped by DVC."""
    try:
        repro(stage, get_run_logger().info)
    except StageError as error:
        return Failed(message=error.message)
    return Completed(message=f"{stage} is up to date")


@flow(name="augment", flow_run_name="augment")
def augment(raw: str | None = None) -> State:
    """Run every stage of ``dvc.yaml``, stop at the first that fails, and leave artifacts.

    ``raw`` is the folder or file with the images, if not the one of last time; ``data.raw`` in ``params.yaml`` is set
    to it.
    """
    try:
        if raw:
            pipeline.use_images(raw)
        stages = pipeline.order()
    except (MorelikeError, FileNotFoundError, DvcException) as error:
        return Failed(message=printable(str(error)))
    for stage in stages:
        state = run_stage.with_options(name=stage)(stage, return_state=True)
        if state.is_failed():
            return Failed(message=state.message)
    try:
        report = artifacts.leave()
    except MorelikeError as error:
        return Failed(message=printable(str(error)))
    return Completed(message=f"the report: {os.path.relpath(report)}" if report else "every stage is up to date")


def main() -> None:
    """Run the flow; end with the failed stage's message and exit code 1. A signal ends it and all that it started."""
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))  # an exit stops Prefect's own server
    try:
        state = augment(return_state=True)
    except KeyboardInterrupt:
        sys.exit(130)
    if not state.is_completed():
        sys.exit(state.message)


if __name__ == "__main__":
    main()
