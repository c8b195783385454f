"""What becomes of what was found: each code's policy, and the counts or shares over which a run fails."""

from collections.abc import Mapping

import pandas as pd

from morelike.core.errors import ParamsError
from morelike.validate.codes import CODES
from morelike.validate.errors import ValidationError
from morelike.validate.settings import FaultRule

Rules = Mapping[str, FaultRule]


def check_rules(rules: Rules, path: str = "params.yaml") -> None:
    """Demand a rule for every code, of a policy that makes sense for it, with a limit where there is one.

    Raises:
        ParamsError: names the key.
    """
    if unknown := sorted(set(rules) - set(CODES)):
        raise ParamsError(path, f"validate.codes.{unknown[0]}", dict(rules[unknown[0]]), f"one of {', '.join(CODES)}")
    for name, code in CODES.items():
        key = f"validate.codes.{name}"
        if name not in rules:
            raise ParamsError(path, key, None, f"a policy: {', '.join(code.policies)}")
        if rules[name].policy not in code.policies:
            raise ParamsError(path, f"{key}.policy", rules[name].policy, f"one of {', '.join(code.policies)}")
        if (rules[name].limit is None) == bool(code.limit):
            raise ParamsError(path, f"{key}.limit", rules[name].limit, code.limit or "none: it has no limit")


def noted(findings: pd.DataFrame, rules: Rules) -> pd.DataFrame:
    """Return the findings whose code is not ignored, each with its ``policy``."""
    findings = findings.assign(policy=findings["code"].map({name: rule.policy for name, rule in rules.items()}))
    return findings[findings["policy"] != "ignore"].reset_index(drop=True)


def quarantined(findings: pd.DataFrame) -> pd.DataFrame:
    """Return the first finding of each file that puts it in quarantine, or that fails the run."""
    out = findings[findings["policy"].isin(["quarantine", "fail"]) & (findings["file"] != "")]
    return out.drop_duplicates("file")


def check_limits(findings: pd.DataFrame, rules: Rules, total: int, see: str) -> None:
    """Fail if a code with policy ``fail`` was found, or any code more often than its ``at_most`` allows.

    Raises:
        ValidationError: names the code, the count, the limit, the first files, and the other limits that are broken.
    """
    counts = findings["code"].value_counts()
    broken = [name for name in CODES if counts.get(name, 0) > allowed(rules[name], total)]
    if not broken:
        return
    worst = broken[0]
    those = findings[findings["code"] == worst]
    first = [f"{row.file or row.label or 'the set'} ({row.detail})" for row in those.itertuples()]
    others = f" Also: {', '.join(f'{counts[name]} {name}' for name in broken[1:])}." if broken[1:] else ""
    limit = "none" if rules[worst].policy == "fail" else f"{rules[worst].at_most} of {total}"
    advice = f"{CODES[worst].advice}{others} Or change validate.codes.{worst} in params.yaml; {see}"
    raise ValidationError(f"{worst}: {CODES[worst].about.rstrip('.')}", len(those), limit, first, advice)


def allowed(rule: FaultRule, total: int) -> float:
    """Return how often a code may be found among ``total`` files.

    >>> allowed(FaultRule(policy="quarantine", at_most="5%"), 200)
    10.0
    """
    if rule.policy == "fail":
        return 0.0
    if rule.at_most is None or rule.policy == "ignore":
        return float("inf")
    if isinstance(rule.at_most, str):
        return float(rule.at_most.rstrip("%")) / 100 * total
    return float(rule.at_most)
