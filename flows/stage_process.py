"""Runs one DVC stage as a child process: passes on its lines, its own message if it fails, and leaves no orphan."""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

SECONDS_TO_END = 10.0


class StageError(Exception):
    """A stage that failed; the text is the stage's own message."""

    def __init__(self, stage: str, message: str):
        self.stage, self.message = stage, message
        super().__init__(message)


def repro(stage: str, log: Callable[[str], None]) -> None:
    """Run ``dvc repro --single-item stage`` here and give each line of its output to ``log`` at once.

    An interrupt, or any other exception that arrives meanwhile, ends the child and all that it started.

    Raises:
        StageError: with the stage's own message, such as ``resize: a.png: expected ...``.
    """
    command = [sys.executable, "-m", "dvc", "repro", "--single-item", stage]
    lines = []
    with _child(command) as child:
        for line in child.stdout:
            lines.append(line.rstrip())
            if lines[-1]:
                log(lines[-1])
    if child.returncode != 0:
        raise StageError(stage, reason(stage, lines) or f"{stage}: exit code {child.returncode}")


def reason(stage: str, lines: list[str]) -> str:
    """Return the line in the output of a failed ``dvc repro`` that says why it failed.

    >>> reason("train@vae", ["train: 5 of 9", "train: loss is NaN", "ERROR: failed to run: ..., exited with 1"])
    'train: loss is NaN'
    """
    lines = [line.strip() for line in lines if line.strip()]
    first = next((number for number, line in enumerate(lines) if line.startswith("ERROR: ")), len(lines))
    own, of_dvc = lines[:first], lines[first:]
    if of_dvc and not of_dvc[0].endswith("exited with 1"):  # DVC's own error, or a killed stage
        return of_dvc[0].removeprefix("ERROR: ")
    starts = (stage.partition("@")[0] + ": ", "Traceback ")
    said = next((line for line in reversed(own) if line.startswith(starts)), "Traceback ")
    return said if said.startswith(starts[0]) else (own or of_dvc or [""])[-1]


def start(command: list[str], **options) -> subprocess.Popen:
    """Start a command of DVC as the leader of a session of its own; ``options`` are those of ``subprocess.Popen``.

    The stages that it runs find this Python as ``python``.
    """
    environment = options.pop("env", os.environ)
    path = os.pathsep.join([str(Path(sys.executable).parent), environment.get("PATH", os.defpath)])
    return subprocess.Popen(
        command,
        stderr=subprocess.STDOUT,
        env=environment | {"PATH": path, "PYTHONUNBUFFERED": "1"},
        start_new_session=True,
        **options,
    )


def end(child: subprocess.Popen) -> None:
    """Interrupt the child's whole group, as Ctrl-C does; kill what has not ended in time."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGINT)
    try:
        child.wait(SECONDS_TO_END)
    except subprocess.TimeoutExpired:
        pass
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
        child.wait()


@contextlib.contextmanager
def _child(command: list[str]):
    child = start(command, stdout=subprocess.PIPE, text=True, encoding="utf-8", errors="replace")
    try:
        yield child
        child.wait()
    except BaseException:
        end(child)
        raise
    finally:
        child.stdout.close()
