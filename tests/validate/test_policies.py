from pathlib import Path

import pandas as pd
import pytest

from morelike.core import settings
from morelike.core.errors import ParamsError
from morelike.validate import policies, rules
from morelike.validate.codes import CODES, explain
from morelike.validate.errors import ValidationError
from morelike.validate.settings import FaultRule, Validate

RULES = settings.read(Path(__file__).resolve().parents[2] / "params.yaml").section("validate", Validate).codes


def found(code, count):
    return pd.concat([rules.finding(code, "so").assign(file=f"{row}.png") for row in range(count)], ignore_index=True)


def rules_with(code, **change):
    return RULES | {code: FaultRule(**(RULES[code].model_dump() | change))}


def test_the_rules_of_the_project_are_whole():
    policies.check_rules(RULES)


@pytest.mark.parametrize(
    ("rules", "key"),
    [
        (rules_with("truncated", policy="ignore"), "validate.codes.truncated.policy"),
        (rules_with("blurred", limit=None), "validate.codes.blurred.limit"),
        (rules_with("alpha", limit=1), "validate.codes.alpha.limit"),
        ({code: rule for code, rule in RULES.items() if code != "nan"}, "validate.codes.nan"),
        (RULES | {"nonsense": RULES["nan"]}, "validate.codes.nonsense"),
    ],
)
def test_a_rule_that_cannot_be_is_named(rules, key):
    with pytest.raises(ParamsError) as caught:
        policies.check_rules(rules)
    assert caught.value.key == key


@pytest.mark.parametrize(
    ("change", "count", "fails"),
    [
        ({"policy": "fail"}, 1, True),
        ({"policy": "quarantine", "at_most": 2}, 2, False),
        ({"policy": "quarantine", "at_most": 2}, 3, True),
        ({"policy": "quarantine", "at_most": "5%"}, 5, False),
        ({"policy": "quarantine", "at_most": "5%"}, 6, True),
        ({"policy": "warn", "at_most": 0}, 1, True),
        ({"policy": "warn", "at_most": None}, 100, False),
        ({"policy": "ignore", "at_most": 0}, 100, False),
    ],
)
def test_a_run_fails_over_the_count_or_share_that_is_allowed(change, count, fails):
    rules = rules_with("constant", **change)
    findings = policies.noted(found("constant", count), rules)
    if not fails:
        policies.check_limits(findings, rules, 100, "see there")
        return
    with pytest.raises(
        ValidationError, match=rf"constant: .*: {count} found.*0\.png.*validate\.codes\.constant.*see there"
    ):
        policies.check_limits(findings, rules, 100, "see there")


@pytest.mark.parametrize(("share", "count", "fails"), [("5%", 1, False), ("5%", 2, True), ("0%", 1, True)])
def test_a_share_of_a_few_files_allows_one(share, count, fails):
    rules = rules_with("constant", policy="quarantine", at_most=share)
    assert (policies.allowed(rules["constant"], 10) < count) == fails


def test_all_limits_that_are_broken_are_named():
    rules = rules_with("constant", policy="fail") | rules_with("nan", policy="fail")
    rules = rules | {"constant": FaultRule(policy="fail")}
    findings = policies.noted(pd.concat([found("nan", 2), found("constant", 3)]), rules)
    with pytest.raises(ValidationError, match=r"nan: .*Also: 3 constant"):
        policies.check_limits(findings, rules, 10, "")


def test_quarantine_takes_a_file_once_by_its_first_code_and_warnings_take_none():
    findings = pd.concat([found("near_black", 3), found("too_small", 2), found("constant", 2)], ignore_index=True)
    out = policies.quarantined(policies.noted(rules.gathered([findings]), RULES))
    assert out[["file", "code"]].to_numpy().tolist() == [["0.png", "constant"], ["1.png", "constant"]]


@pytest.mark.parametrize("code", CODES)
def test_every_code_says_what_it_means_and_what_to_do(code):
    said = explain(code)
    assert said.startswith(f"{code} (")
    assert len(said.splitlines()) >= 4


def test_explaining_what_is_no_code_names_those_that_are():
    with pytest.raises(ParamsError, match="truncated"):
        explain("nonsense")
