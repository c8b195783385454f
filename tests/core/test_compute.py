"""compute: the same answers in the same order on any number of workers; deaths are told."""

import importlib
import os
import subprocess
import sys
import time

import pytest

from morelike.core import compute
from morelike.core.compute import ComputeError
from morelike.images.errors import ImageError

WORK = """
import os, signal, time
import cv2
from morelike.images.errors import ImageError

def square(number):
    time.sleep(0.02 if number % 3 == 0 else 0)
    return number * number


def fail_at_3(number):
    if number == 3:
        raise ImageError("truncated", "3.png")
    return number


def die_at_3(number):
    if number == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return number


def threads_of_opencv(_):
    return cv2.getNumThreads()
"""


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    """A module that worker processes can import, which this one they cannot."""
    folder = tmp_path_factory.mktemp("work")
    (folder / "work_of_test_compute.py").write_text(WORK)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(folder))
        yield importlib.import_module("work_of_test_compute")


@pytest.mark.parametrize("workers", [1, 2, 3])
def test_results_come_in_order_whatever_the_number_of_workers(work, workers):
    assert list(compute.map_ordered(work.square, range(25), workers)) == [n * n for n in range(25)]


@pytest.mark.parametrize("items", [[], [4], [4, 5]])
def test_few_items_are_no_trouble(work, items):
    assert list(compute.map_ordered(work.square, iter(items), 2)) == [n * n for n in items]


@pytest.mark.parametrize("workers", [1, 2])
def test_items_are_taken_as_they_are_needed_and_not_all_at_once(work, workers):
    taken = []

    def items():
        for number in range(100):
            taken.append(number)
            yield number

    results = compute.map_ordered(work.square, items(), workers)
    next(results)
    assert len(taken) <= 2 * workers + 2
    results.close()


@pytest.mark.parametrize("workers", [1, 2])
def test_an_error_in_a_worker_is_raised_here_with_its_values(work, workers):
    results = compute.map_ordered(work.fail_at_3, range(10), workers)
    with pytest.raises(ImageError) as caught:
        list(results)
    assert (caught.value.code, caught.value.detail) == ("truncated", "3.png")
    assert str(caught.value) == "truncated: 3.png"


def test_a_worker_that_is_killed_is_told_and_not_waited_for(work):
    with pytest.raises(ComputeError, match="worker processes died, most often because memory ran out"):
        list(compute.map_ordered(work.die_at_3, range(10), 2))


def test_workers_leave_the_cores_to_each_other(work):
    assert set(compute.map_ordered(work.threads_of_opencv, range(4), 2)) == {1}


ORPHANS = """
import os, time
from morelike.core import compute

def pid(_):
    time.sleep(0.1)
    return os.getpid()

if __name__ == "__main__":
    for number in compute.map_ordered(pid, range(10_000), 2):
        print(number, flush=True)
"""


def runs(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    with open(f"/proc/{pid}/stat") as status:
        return status.read().rpartition(")")[2].split()[0] != "Z"


@pytest.mark.skipif(not os.path.exists("/proc/self/stat"), reason="looks into /proc")
def test_workers_end_with_their_parent_even_if_it_is_killed(tmp_path):
    (tmp_path / "orphans.py").write_text(ORPHANS)
    parent = subprocess.Popen([sys.executable, str(tmp_path / "orphans.py")], stdout=subprocess.PIPE, text=True)
    workers = {int(parent.stdout.readline()) for _ in range(6)}
    assert all(runs(pid) for pid in workers)
    parent.kill()
    parent.wait()
    parent.stdout.close()
    for _ in range(100):
        if not any(runs(pid) for pid in workers):
            return
        time.sleep(0.1)
    pytest.fail(f"workers {workers} outlived their parent")


def test_chunks_are_all_items_in_order():
    assert compute.chunks(list(range(7)), 3) == [[0, 1, 2], [3, 4, 5], [6]]
    assert compute.chunks([], 3) == []
