"""Apply each fault code's policy to the findings, and fail the run if a code was found too often."""

from collections.abc import Mapping

import pandas as pd

from morelike.core.errors import ParamsError
from morelike.validate.codes import CODES
from morelike.validate.errors import ValidationError
from morelike.validate.settings import FaultRule

FaultRules = Mapping[str, FaultRule]


def check_rules(fault_rules: FaultRules, path: str = "params.yaml") -> None:
    """Check that every fault code has a rule, with a policy it can have, and a limit exactly if it takes one.

    Raises:
        ParamsError: if one has not; names the key.
    """
    if unknown := sorted(set(fault_rules) - set(CODES)):
        raise ParamsError(
            path, f"validate.codes.{unknown[0]}", dict(fault_rules[unknown[0]]), f"one of {', '.join(CODES)}"
        )
    for name, code in CODES.items():
        key = f"validate.codes.{name}"
        if name not in fault_rules:
            raise ParamsError(path, key, None, f"a policy: {', '.join(code.policies)}")
        if fault_rules[name].policy not in code.policies:
            raise ParamsError(path, f"{key}.policy", fault_rules[name].policy, f"one of {', '.join(code.policies)}")
        if (fault_rules[name].limit is None) == bool(code.limit):
            raise ParamsError(path, f"{key}.limit", fault_rules[name].limit, code.limit or "none: it has no limit")


def noted(findings: pd.DataFrame, fault_rules: FaultRules) -> pd.DataFrame:
    """Return the findings whose code is not ignored, each with its ``policy``."""
    findings = findings.assign(policy=findings["code"].map({name: rule.policy for name, rule in fault_rules.items()}))
    return findings[findings["policy"] != "ignore"].reset_index(drop=True)


def quarantined(findings: pd.DataFrame) -> pd.DataFrame:
    """Return the first finding of each file whose policy is ``quarantine`` or ``fail``."""
    out = findings[findings["policy"].isin(["quarantine", "fail"]) & (findings["file"] != "")]
    return out.drop_duplicates("file")


def check_limits(findings: pd.DataFrame, fault_rules: FaultRules, total: int, see: str) -> None:
    """Check that no code with policy ``fail`` was found, and no code more often than its ``at_most`` allows.

    Raises:
        ValidationError: names the code, the count, the limit, the first files, and the other codes found too often.
    """
    counts = findings["code"].value_counts()
    broken = [name for name in CODES if counts.get(name, 0) > allowed(fault_rules[name], total)]
    if not broken:
        return
    worst = broken[0]
    those = findings[findings["code"] == worst]
    first = [f"{row.file or row.label or 'the set'} ({row.detail})" for row in those.itertuples()]
    others = f" Also: {', '.join(f'{counts[name]} {name}' for name in broken[1:])}." if broken[1:] else ""
    limit = "none" if fault_rules[worst].policy == "fail" else f"{fault_rules[worst].at_most} of {total}"
    advice = f"{CODES[worst].advice}{others} Or change validate.codes.{worst} in params.yaml; {see}"
    raise ValidationError(f"{worst}: {CODES[worst].about.rstrip('.')}", len(those), limit, first, advice)


def allowed(rule: FaultRule, total: int) -> float:
    """Return how often a code may be found among ``total`` files; a share above 0 is at least one file.

    >>> allowed(FaultRule(policy="quarantine", at_most="5%"), 200)
    10.0
    >>> allowed(FaultRule(policy="quarantine", at_most="5%"), 4)
    1.0
    """
    if rule.policy == "fail":
        return 0.0
    if rule.at_most is None or rule.policy == "ignore":
        return float("inf")
    if isinstance(rule.at_most, str):
        return of_share(float(rule.at_most.rstrip("%")) / 100, total)
    return float(rule.at_most)


def of_share(share: float, total: int) -> float:
    """Return how many of ``total`` files a share allows: at least one, as one bad file of four says little; of 0, none.

    >>> of_share(0.2, 4), of_share(0.2, 10), of_share(0.0, 10)
    (1.0, 2.0, 0.0)
    """
    return max(share * total, 1.0) if share else 0.0
