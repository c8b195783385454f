"""One stage of DVC as a child process."""

import os
import signal
import sys
import threading
import time

import psutil
import pytest

from flows.stage_process import StageError, reason, repro

SAYS = """
stages:
  good:
    cmd: echo one; echo two >&2
  bad:
    cmd: 'echo "bad: a.png: expected 3 channels, got 4" >&2; exit 1'
  killed:
    cmd: 'echo "killed: 5 of 9"; kill -KILL $$'
  missing:
    cmd: echo never
    deps: [nowhere.txt]
  slow:
    cmd: echo ready; exec sleep 297.125
"""


def test_output_of_a_stage_arrives_line_by_line(dvc_project):
    dvc_project(SAYS)
    lines = []
    repro("good", lines.append)
    assert "one" in lines
    assert "two" in lines


def test_a_failed_stage_raises_its_own_message(dvc_project):
    dvc_project(SAYS)
    with pytest.raises(StageError) as caught:
        repro("bad", lambda line: None)
    assert str(caught.value) == "bad: a.png: expected 3 channels, got 4"


def test_a_killed_stage_is_not_taken_for_its_last_progress_line(dvc_project):
    dvc_project(SAYS)
    with pytest.raises(StageError, match="exited with -9"):
        repro("killed", lambda line: None)


def test_an_error_of_dvc_itself_is_the_message(dvc_project):
    dvc_project(SAYS)
    with pytest.raises(StageError, match=r"nowhere\.txt"):
        repro("missing", lambda line: None)


def test_the_last_line_of_a_traceback_is_the_reason_when_the_stage_says_nothing():
    lines = ["export: 5 of 9", "Traceback (most recent call last):", "KeyError: 'row'", "ERROR: x, exited with 1"]
    assert reason("export", lines) == "KeyError: 'row'"


def test_an_interrupt_ends_the_stage_and_all_that_it_started(dvc_project):
    dvc_project(SAYS)
    before = {child.pid for child in psutil.Process().children(recursive=True)}

    def interrupt_once_ready(line: str) -> None:
        if line == "ready":
            timer = threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT))
            timer.start()

    with pytest.raises(KeyboardInterrupt):
        repro("slow", interrupt_once_ready)
    time.sleep(0.2)
    left = [child for child in psutil.Process().children(recursive=True) if child.pid not in before]
    assert not [child for child in left if child.status() != psutil.STATUS_ZOMBIE]
    assert not [
        process for process in psutil.process_iter(["cmdline"]) if process.info["cmdline"] == ["sleep", "297.125"]
    ]


def test_the_stage_runs_the_same_python_as_the_flow(dvc_project):
    dvc_project("stages:\n  which:\n    cmd: python -c 'import sys; print(sys.executable)'\n")
    lines = []
    repro("which", lines.append)
    assert sys.executable in lines
