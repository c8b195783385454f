"""grouping: a rule gives images that belong together one name."""

import pytest

from morelike.core import settings
from morelike.core.errors import ParamsError
from morelike.storage.errors import SourceError
from morelike.storage.grouping import check_rule, grouped
from morelike.storage.labels import Entry
from morelike.storage.settings import Data


def groups_of(rule, names, attributes="{}"):
    return [entry.group for entry in grouped([Entry(name, attributes=attributes) for name in names], rule)]


@pytest.mark.parametrize(
    ("rule", "named"),
    [
        (r"(p\d+)_", ["p1", "p12"]),
        (r"/p\d+", ["/p1", "/p12"]),
        (r"(\w)/(?P<group>p\d+)_", ["p1", "p12"]),
        (r"p(?:2|1(2))", ["", "2"]),
        (r"^[^/]+", ["a", "b"]),
    ],
)
def test_a_path_is_named_by_the_group_called_group_else_the_first_one_else_the_whole_match(rule, named):
    assert groups_of(rule, ["a/p1_left.png", "b/p12_right.png"]) == named


def test_a_file_that_a_rule_says_nothing_of_keeps_its_group():
    entries = [Entry("p1_a.png"), Entry("stack.tif#0001", group="stack.tif"), Entry("p2.tif#0001", group="p2.tif")]
    assert [entry.group for entry in grouped(entries, r"(p\d+)")] == ["p1", "stack.tif", "p2"]
    assert grouped(entries, None) == entries


def test_a_column_of_the_table_of_labels_names_groups():
    row = '{"age": "50", "patient": "007"}'
    assert groups_of("column:patient", ["a.png"], row) == ["007"]
    with pytest.raises(SourceError, match=r"column:papyrus.*no image has .* labels: age, patient"):
        groups_of("column:papyrus", ["a.png"], row)


def test_a_rule_that_matches_no_path_is_shown_beside_one():
    with pytest.raises(SourceError, match=r"'\(q\\\\d\+\)' matches no path: .* a/p1\.png"):
        groups_of(r"(q\d+)", ["a/p1.png"])


@pytest.mark.parametrize("rule", ["(p", "column:", ".*", ""])
def test_a_rule_that_names_nothing_is_refused(rule):
    with pytest.raises(ValueError, match=r"a regular expression|the name of a column"):
        check_rule(rule)


def test_a_regular_expression_that_is_none_is_refused_when_the_settings_are_read():
    params = settings.parse("data: {raw: here, background: white, groups: '(p'}")
    with pytest.raises(ParamsError, match=r"data\.groups: expected a regular expression: missing \), .* got '\(p'"):
        params.section("data", Data)
