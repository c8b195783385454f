"""isolation: an item that ends its process costs nothing but its own result."""

import importlib
import subprocess
import sys

import pytest

from morelike.core import isolation
from morelike.core.isolation import Died

WORK = """
import os, signal
from morelike.core import isolation
from morelike.images.errors import ImageError

def careful(number):
    with isolation.limited(0.2):
        if number == 3:
            os.kill(os.getpid(), signal.SIGKILL)
        if number == 4:
            sum(range(10**11))  # does not return to the interpreter in time
        if number == 5:
            raise ImageError("truncated", "5.png")
        return number * number
"""


@pytest.fixture(scope="module")
def careful(tmp_path_factory):
    """A function that other processes can import, which they cannot from here."""
    folder = tmp_path_factory.mktemp("work")
    (folder / "work_of_test_isolation.py").write_text(WORK)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(folder))
        yield importlib.import_module("work_of_test_isolation").careful


def test_results_come_in_order_and_each_death_is_told_with_its_cause(careful):
    assert list(isolation.map_surviving(careful, [1, 3, 2, 4, 3])) == [1, Died(False), 4, Died(True), Died(False)]


def test_what_is_raised_is_raised_here(careful):
    results = isolation.map_surviving(careful, [1, 5, 2])
    assert next(results) == 1
    with pytest.raises(Exception, match=r"5\.png"):
        next(results)


def test_the_limit_is_of_what_is_inside_alone():
    code = (
        "import time\nfrom morelike.core import isolation\n"
        "def work(seconds):\n    end = time.process_time() + seconds\n    while time.process_time() < end: pass\n"
        "for _ in range(3):\n    with isolation.limited(0.1):\n        work(0.05)\n"
        "work(0.15)\n"
        "with isolation.limited(None):\n    work(0.15)\n"
        "print('alive')\n"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout == "alive\n"
