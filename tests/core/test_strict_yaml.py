"""YAML is read as DVC reads it, and an odd document is refused before it costs anything."""

import itertools
import time
from pathlib import Path

import pytest

from morelike.core import settings, strict_yaml
from morelike.core.errors import ParamsError

ROOT = Path(__file__).resolve().parents[2]
NUMBERS = ["010", "1:30", "1e-05", "0x1F", "0o17", "0b11", "1_000", ".5", "1.", "-.inf", "+3", "08", "1_0.5", "12e03"]
WORDS = ["no", "on", "yes", "Off", "~", "null", "''", "true", "True", "a"]


LAUGHS = "a: &a [lol]\n" + "".join(
    f"{b}: &{b} [*{a}, *{a}, *{a}, *{a}, *{a}]\n" for a, b in itertools.pairwise("abcdefghij")
)


@pytest.mark.parametrize(
    ("document", "said"),
    [
        ("seed: 1\ndata: {}\nseed: 2\n", "line 3: the key 'seed' is already in line 1; keep one"),
        ("data:\n  raw: a\n  raw: b\n", "line 3: the key 'raw' is already in line 2"),
        (LAUGHS, "more than 100,000 values with its aliases written out"),
        ("a: &a [*a]\n", "nested deeper than 50 levels"),
        ("a: " + "[" * 900 + "]" * 900, "nested deeper than 50 levels"),
        ("a: " + "9" * 5000, "Exceeds the limit"),
        ("a: !!python/object:os.system x\n", "line 1: could not determine a con"),
        ("a: [", "line 1: "),
        ("a: 1\n---\nb: 2\n", "line 2: but found another document"),
    ],
)
def test_an_odd_document_is_refused_at_once_in_a_short_line(document, said):
    begun = time.monotonic()
    with pytest.raises(ParamsError) as caught:
        settings.parse(document)
    assert said in str(caught.value)
    assert len(str(caught.value)) < 200
    assert time.monotonic() - begun < 5


def test_an_alias_and_a_merge_are_read():
    assert strict_yaml.load("a: &a {x: 1, y: 2}\nb: {<<: *a, y: 3}\n")["b"] == {"x": 1, "y": 3}


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ("seed: 0".encode("utf-16"), "expected text encoded as UTF-8; save it as such, got 'byte 0xff at place 0'"),
        ("data: {raw: 'é'}".encode("latin-1"), "expected text encoded as UTF-8"),
        ("seed: 0".encode("utf-16-le"), "expected valid YAML"),
        (b"", "expected sections of settings"),
        (None, "expected a file that this user can read, got 'Is a directory'"),
    ],
)
def test_a_file_that_holds_no_text_is_one_line(tmp_path, data, said):
    path = tmp_path / "params.yaml"
    path.mkdir() if data is None else path.write_bytes(data)
    with pytest.raises(ParamsError) as caught:
        settings.read(path)
    assert said in str(caught.value)
    assert str(caught.value).isprintable()


def test_a_mark_of_byte_order_is_no_part_of_the_first_key(tmp_path):
    (tmp_path / "params.yaml").write_text((ROOT / "params.yaml").read_text(), encoding="utf-8-sig")
    assert settings.read(tmp_path / "params.yaml").seed == 0
