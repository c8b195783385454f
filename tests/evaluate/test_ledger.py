"""The ledger counts the questions that a test split has answered, and loses none."""

import json
import subprocess
import sys

import pytest

from morelike.core.errors import DamagedFile
from morelike.core.files import write_text
from morelike.evaluate.ledger import Opening, open_test, split_digest


def open_many(path, test, questions):
    for question in questions:
        open_test(path, test, question)


def test_a_new_question_is_a_new_opening_and_the_same_again_is_not(tmp_path):
    ledger = tmp_path / "kept" / "openings.json"
    asked = [open_test(ledger, "test", question) for question in ("a", "b", "a", "c", "b")]
    assert [one.number for one in asked] == [1, 2, 1, 3, 2]
    assert [one.first for one in asked] == [True, True, False, True, False]


def test_each_test_split_is_counted_apart(tmp_path):
    ledger = tmp_path / "openings.json"
    open_test(ledger, "one", "a")
    assert open_test(ledger, "other", "b") == Opening(1, first=True)


def test_the_same_questions_give_the_same_bytes(tmp_path):
    for name in ("one", "other"):
        open_many(tmp_path / name, "test", ["a", "b", "a"])
    assert (tmp_path / "one").read_bytes() == (tmp_path / "other").read_bytes()


def test_the_level_is_divided_by_the_number_of_openings():
    levels = [1 - Opening(number, first=True).confidence(0.95) for number in (1, 2, 5)]
    assert levels == pytest.approx([0.05, 0.025, 0.01])


def test_the_digest_depends_on_pixels_and_labels_and_not_on_the_order():
    images = [("aa", "cat"), ("bb", "dog"), ("cc", "cat")]
    assert split_digest(images) == split_digest(reversed(images))
    assert split_digest(images) != split_digest([("aa", "dog"), ("bb", "dog"), ("cc", "cat")])
    assert split_digest(images) != split_digest(images[:2])


@pytest.mark.parametrize(
    "damaged", ['{"test": ["a"', "[]", '{"test": "a"}', '{"test": [1]}', '{"test": ["a", "a"]}', ""]
)
def test_a_damaged_ledger_is_refused_and_left_as_it_is(tmp_path, damaged):
    ledger = tmp_path / "openings.json"
    write_text(ledger, damaged)
    with pytest.raises(DamagedFile, match="put back a copy") as caught:
        open_test(ledger, "test", "b")
    assert str(ledger) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert ledger.read_text() == damaged


def test_processes_that_open_at_once_lose_no_question(tmp_path):
    ledger = tmp_path / "openings.json"
    code = "import sys; from morelike.evaluate.ledger import open_test\n"
    code += "for number in range(20): open_test(sys.argv[1], 'test', f'{sys.argv[2]} {number}')"
    runs = [subprocess.Popen([sys.executable, "-c", code, str(ledger), str(run)]) for run in range(3)]
    assert [run.wait() for run in runs] == [0, 0, 0]
    assert len(json.loads(ledger.read_text())["test"]) == 60
