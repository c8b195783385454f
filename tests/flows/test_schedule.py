"""The commands of docs/schedule.md, as processes: a scheduled run completes, a signal leaves nothing behind."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx
import psutil
import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
STAGES = """
stages:
  second: {cmd: cat first > second, deps: [first], outs: [second]}
  first: {cmd: echo 1 > first, outs: [first]}
"""


@contextlib.contextmanager
def running(command, log: Path, **settings):
    """Keep a command of Prefect running, its output in ``log``, and end it and all that it started."""
    command = [sys.executable, "-m", "prefect", *command]
    with log.open("w") as out:
        process = subprocess.Popen(command, stdout=out, stderr=out, start_new_session=True, **settings)
    try:
        yield
    finally:
        for number in (signal.SIGTERM, signal.SIGKILL):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, number)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(20)


def wait_until(true, seconds: float, what: str, log: Path):
    """Wait until ``true()`` gives something, and return it."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        found = true()
        if found:
            return found
        time.sleep(1)
    pytest.fail(f"no {what} within {seconds:g} s; {log.name} ends:\n{log.read_text()[-3000:]}")


def is_healthy(api: str) -> bool:
    try:
        return httpx.get(f"{api}/health").status_code == 200
    except httpx.TransportError:
        return False


def finished_by_schedule(api: str) -> list[dict]:
    runs = httpx.post(f"{api}/flow_runs/filter", json={}).json()
    return [run for run in runs if run["auto_scheduled"] and run["state_type"] in ("COMPLETED", "FAILED", "CRASHED")]


@pytest.mark.slow
def test_a_scheduled_run_completes_after_the_three_commands_of_the_readme(tmp_path, dvc_project):
    checkout = dvc_project(STAGES)
    for name in ("flows", "prefect.yaml", "prefect.toml"):
        source = ROOT / name
        shutil.copytree(source, checkout / name) if source.is_dir() else shutil.copy(source, checkout)
    nightly = (checkout / "prefect.yaml").read_text()
    assert "cron: 0 2 * * *" in nightly
    (checkout / "prefect.yaml").write_text(nightly.replace("cron: 0 2 * * *", 'cron: "* * * * *"'))

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    api = f"http://127.0.0.1:{port}/api"
    env = os.environ | {"PREFECT_HOME": str(tmp_path / "home"), "PREFECT_API_URL": api, "PWD": str(checkout)}
    server, worker = tmp_path / "server.log", tmp_path / "worker.log"

    with running(["server", "start", "--host", "127.0.0.1", "--port", str(port)], server, env=env, cwd=checkout):
        wait_until(lambda: is_healthy(api), 90, "answer of the server", server)
        with running(["worker", "start", "--pool", "morelike", "--type", "process"], worker, env=env, cwd=tmp_path):
            wait_until(lambda: httpx.get(f"{api}/work_pools/morelike").is_success, 90, "work pool", worker)
            deploy = [sys.executable, "-m", "prefect", "--no-prompt", "deploy", "--all"]
            subprocess.run(deploy, env=env, cwd=checkout, check=True, capture_output=True, timeout=90)
            run = wait_until(lambda: finished_by_schedule(api), 240, "finished run", worker)[0]
    assert run["state_type"] == "COMPLETED", f"{run['state']['message']}\n{worker.read_text()[-3000:]}"
    assert (checkout / "second").read_text() == "1\n"


def processes_with(home: str) -> list[psutil.Process]:
    """Return every process of that home of Prefect, whoever its parent is by now."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            found += [process] if process.environ().get("PREFECT_HOME") == home else []
    return found


@pytest.mark.slow
@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_ends_the_flow_its_stage_and_its_own_server(tmp_path, dvc_project, number, code):
    dvc_project("stages:\n  slow: {cmd: echo ready; exec sleep 300}\n")
    env = os.environ | {"PREFECT_HOME": str(tmp_path / "home"), "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-u", "-m", "flows.augment"]
    flow = subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    started, said = [], []
    for line in flow.stdout:
        said.append(line)
        if not started and line.rstrip().endswith(" - ready"):
            time.sleep(0.5)  # a line that is interrupted while it is printed may be printed twice
            started = processes_with(env["PREFECT_HOME"])
            flow.send_signal(number)
    assert flow.wait(60) == code
    assert len(started) >= 4, "the flow, its server, DVC and the stage"
    assert not psutil.wait_procs(started, timeout=20)[1]
    assert not processes_with(env["PREFECT_HOME"])
    assert "Traceback" not in "".join(said)
