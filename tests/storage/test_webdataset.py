"""Labels and attributes that lie beside an image in a tar."""

import pytest

from morelike.storage.sources import open_source
from tests.raw_trees import make_tar, placed, refused

LONG = b"x" * 256


def tar(tmp_path, **contents):
    return open_source(make_tar(tmp_path / "a.tar", a__jpg=b"A", b__jpg=b"B", b__cls=b"5", **contents))


@pytest.mark.parametrize(
    "contents",
    [
        {"a__json": b'{"label": "cat", "age": 3}'},
        {"a__json": b'{"age": 3, "cls": "cat"}'},
        {"a__cls": b"cat\r\n", "a__json": b'{"label": 9, "age": 3}'},
        {"a__json": b'{"label": 9, "age": 3}', "a__cls": b"cat"},
    ],
)
def test_json_gives_a_label_unless_cls_does_and_attributes(tmp_path, contents):
    source = tar(tmp_path, **contents)
    assert placed(source) == {"a.jpg": ("cat", ""), "b.jpg": ("5", "")}
    assert source.entries()[0].attributes == '{"age": "3"}'


def test_numbers_in_json_are_texts_as_they_stand(tmp_path):
    make_tar(tmp_path / "a.tar", a__jpg=b"A", a__json=b'{"label": 7}', b__jpg=b"B", b__json=b'{"label": "007"}')
    assert placed(open_source(tmp_path / "a.tar")) == {"a.jpg": ("7", ""), "b.jpg": ("007", "")}


@pytest.mark.parametrize(
    ("contents", "why"),
    [
        ({}, "no .cls or .json with a label, others in its tar have"),
        ({"a__cls": b" \n"}, "its .cls: it is empty"),
        ({"a__cls": LONG + b"1"}, "257 bytes, limit 256"),
        ({"a__cls": LONG * 10}, "too large"),
        ({"a__cls": b"caf\xe9"}, "not UTF-8"),
        ({"a__cls": b"../../x"}, "cannot name a folder"),
        ({"a__cls": b"a\nb"}, "cannot name a folder"),
        ({"a__json": b'{"label": ""}'}, "its .json: it is empty"),
        ({"a__json": b'{"label": ["cat"]}'}, "not one label"),
        ({"a__json": b'{"label": "a\\u0000"}'}, "cannot name a folder"),
        ({"a__json": b'{"label": "ca'}, "its .json cannot be read"),
        ({"a__json": b"[" * 100_000}, "its .json cannot be read"),
    ],
)
def test_a_label_that_cannot_be_one_is_a_finding(tmp_path, contents, why):
    source = tar(tmp_path, **contents)
    assert refused(source) == {"a.jpg": "no_label"}
    assert why in source.entries()[0].detail
    assert source.entries()[0].label == ""
    assert source.read("a.jpg") == b"A"


def test_two_long_labels_that_begin_alike_are_not_one_class(tmp_path):
    source = open_source(make_tar(tmp_path / "a.tar", a__jpg=b"A", a__cls=LONG + b"1", b__jpg=b"B", b__cls=LONG + b"2"))
    assert {(entry.label, entry.code) for entry in source.entries()} == {("", "no_label")}


def test_the_longest_label_is_whole(tmp_path):
    assert placed(tar(tmp_path, a__cls=LONG))["a.jpg"] == (LONG.decode(), "")


def test_json_without_labels_leaves_them_to_the_folders(tmp_path):
    archive = make_tar(tmp_path / "a.tar", "cat/1.jpg", "dog/2.jpg", **{"cat/1__json": b'{"age": 3}'})
    first, second = open_source(archive).entries()
    assert (first.label, first.attributes, second.label) == ("cat", '{"age": "3"}', "dog")


def test_a_shard_that_lost_its_labels_makes_no_class_of_its_own(tmp_path):
    make_tar(tmp_path / "raw/0.tar", a__jpg=b"A", a__cls=b"1")
    make_tar(tmp_path / "raw/1.tar", b__jpg=b"B")
    source = open_source(tmp_path / "raw")
    assert placed(source) == {"0.tar/a.jpg": ("1", "")}
    assert refused(source) == {"1.tar/b.jpg": "stray"}
