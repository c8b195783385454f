"""folders: whatever a class is called, its folder can be made, listed and unpacked anywhere."""

import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from morelike.storage import folders

PARTS = [
    "a",
    "A",
    "e\u0301",
    "\u00e9",
    "CON",
    "nul",
    ".",
    " ",
    "/",
    "\\",
    "\u202e",
    "\x1b",
    "\n",
    "=",
    "-",
    "1",
    "x" * 90,
]


@given(st.sets(st.lists(st.sampled_from(PARTS), min_size=1, max_size=4).map("".join), max_size=30))
@example({"..", ".", "a", "A", "_"})
def test_every_label_gets_a_folder_of_its_own_that_every_system_can_hold(labels):
    named = folders.names(sorted(labels))
    assert set(named) == labels
    twins = [unicodedata.normalize("NFC", name).casefold() for name in named.values()]
    assert len(set(twins)) == len(labels)
    for name in named.values():
        assert 0 < len(name.encode()) < 250
        assert name.isprintable() or unicodedata.category(max(name)) == "Mn"
        assert not set(name) & set('<>:"/\\|?*\u202e\n\x1b')
        assert not name.endswith((".", " "))
        assert not name.startswith((".", "=", "@"))
        assert name.partition(".")[0].upper() not in ("CON", "NUL", "PRN", "AUX", "COM1")


def test_a_label_that_is_safe_is_its_folder():
    labels = ["Alpha", "ünï", "-1", "+1", "console", "a.b", "日本"]
    assert folders.names(labels) == dict(zip(labels, labels, strict=True))


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        (["α", "b c"], ["α", "b c"]),
        (["a/b", "a\\b", "A_B"], ["a_b", "a_b-2", "A_B-3"]),
        ([".hidden", "__x", "end.", ".."], ["_hidden", "_x", "end_", "_"]),
        (["x" * 300], ["x" * 200]),
        (["CON", "nul.txt", "console", "com1", "Lpt³"], ["_CON", "_nul.txt", "console", "_com1", "_Lpt³"]),
        (["a\u202egnp", "\x1b[2J", "a\x7f"], ["a_gnp", "_[2J", "a_"]),
        (["=1+1", "-1", "@x", "-x"], ["_=1+1", "-1", "_@x", "_-x"]),
        (["\u00e9", "e\u0301", "E\u0301"], ["\u00e9", "e\u0301-2", "E\u0301-3"]),
    ],
)
def test_folder_names_change_only_what_a_file_system_or_loader_cannot_hold(labels, expected):
    assert list(folders.names(labels).values()) == expected
