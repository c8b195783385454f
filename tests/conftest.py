"""What many tests share: a throw-away home for Prefect, and no telemetry."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

# A shell that starts the tests in the background has SIGINT ignored, and every child would inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)

ROOT = Path(__file__).resolve().parent.parent

# Before anything imports prefect, which reads them once.
_PREFECT_HOME = tempfile.mkdtemp(prefix="morelike-prefect-")
os.environ |= {
    "PREFECT_HOME": _PREFECT_HOME,
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "120",
    "PREFECT_LOGGING_TO_API_WHEN_MISSING_FLOW": "ignore",
    "DVC_NO_ANALYTICS": "1",
    "DO_NOT_TRACK": "1",
    "HF_HUB_OFFLINE": "1",
    "OMP_WAIT_POLICY": "passive",  # two test files run at once: threads that wait must not take the other's cores
    "NO_PROXY": "127.0.0.1,localhost",
    "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
}
os.environ.pop("PREFECT_API_URL", None)


def pytest_sessionfinish():
    shutil.rmtree(_PREFECT_HOME, ignore_errors=True)


@pytest.fixture(scope="session")
def prefect_server():
    """A Prefect server on loopback for the whole session, with its database in a throw-away folder."""
    from prefect.testing.utilities import prefect_test_harness

    with prefect_test_harness(server_startup_timeout=120):
        yield


@pytest.fixture
def dvc_project(tmp_path, monkeypatch):
    """Make a small DVC project under git out of the text of a dvc.yaml, and go there."""

    def make(dvc_yaml: str, params_yaml: str = "") -> Path:
        subprocess.run(["git", "init", "--quiet", "."], cwd=tmp_path, check=True)
        subprocess.run([sys.executable, "-m", "dvc", "init", "--quiet"], cwd=tmp_path, check=True)
        (tmp_path / "dvc.yaml").write_text(dvc_yaml)
        (tmp_path / "params.yaml").write_text(params_yaml)
        monkeypatch.chdir(tmp_path)
        return tmp_path

    return make
