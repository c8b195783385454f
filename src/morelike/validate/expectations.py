"""What must hold of the table of accepted images, as a Great Expectations suite."""

import os
from typing import Any

import pandas as pd

from morelike.validate.codes import CODES
from morelike.validate.policies import FaultRules
from morelike.validate.splitting import SPLITS

SHARES = (
    *("mean", "std", "min", "max", "mean_r", "mean_g", "mean_b"),
    *("blur", "dark", "light", "clipped_share", "transparent_share", "disagreement"),
)
KEPT = ("element_count", "unexpected_count", "missing_count", "observed_value", "partial_unexpected_index_list")
SEVERITIES = {"fail": "critical", "quarantine": "critical", "warn": "warning", "fix": "info", "ignore": "info"}
LIMITED = {  # fault code: the column that its limit applies to, and whether the limit is a minimum or a maximum
    "near_black": ("dark", "min_value"),
    "near_white": ("light", "max_value"),
    "blurred": ("blur", "max_value"),
    "low_information": ("entropy_bits", "min_value"),
    "decoders_disagree": ("disagreement", "max_value"),
}
FORBIDDEN_MODES = {"palette": ["P", "PA"], "cmyk": ["CMYK"], "lab": ["LAB"], "one_bit": ["1"]}
Expected = tuple[str, str, str, dict[str, Any]]  # in words, severity, expectation, arguments


def suite(fault_rules: FaultRules, labels: list[str], splits_given: bool) -> list[Any]:
    """Return the expectations; ``meta["rule"]`` says in words what must hold, ``severity`` how bad a breach is.

    ``ToBeBetween`` skips NaN, so one more expectation demands that no bounded column holds a null (one for all
    columns, as each expectation costs 10 ms). A fault code with policy ``fail`` or ``quarantine`` is critical, as no
    accepted image may have it; with policy ``warn`` it is a warning.
    """
    os.environ.setdefault("GX_ANALYTICS_ENABLED", "false")  # before the import: nothing is sent anywhere
    import great_expectations.expectations as gxe

    from morelike.validate import custom_expectations

    expected = [*_of_the_table(labels), *_of_columns(fault_rules), *_of_codes(fault_rules)]
    if not splits_given:
        arguments = {"column_A": "group", "column_B": "split"}
        rule = "near-duplicates and groups are in one split"
        expected.append((rule, "critical", "ExpectGroupsToShareOneValue", arguments))
    return [
        _kind(name, gxe, custom_expectations)(**arguments, meta={"rule": rule}, severity=severity)
        for rule, severity, name, arguments in expected
    ]


def check(table: pd.DataFrame, expectations: list[Any]) -> dict[str, Any]:
    """Validate ``table`` (a row per image, column ``file``) and return the results as a JSON value.

    The value holds no run id, time or path, so the same table always gives the same value. ``results`` has for each
    expectation ``rule``, ``severity``, ``success``, the ``expectation`` with its arguments, counts, and up to 20 files.
    ``success`` of the whole value is True if all critical expectations are met.
    """
    import great_expectations as gx
    from great_expectations.data_context.types.base import ProgressBarsConfig

    context = gx.get_context(mode="ephemeral")
    context.enable_analytics(False)
    context.variables.progress_bars = ProgressBarsConfig(globally=False)
    asset = context.data_sources.add_pandas("validate").add_dataframe_asset("images")
    batch = asset.add_batch_definition_whole_dataframe("all").get_batch({"dataframe": table})
    form = {"result_format": "SUMMARY", "unexpected_index_column_names": ["file"]}
    result = batch.validate(gx.ExpectationSuite("images", expectations=expectations), result_format=form)
    results = [_stripped(one) for one in result.to_json_dict()["results"]]
    return {
        "success": all(one["success"] for one in results if one["severity"] == "critical"),
        "expectations": len(results),
        "met": sum(one["success"] for one in results),
        "results": results,
    }


def breaches(result: dict[str, Any]) -> list[tuple[str, int, list[str]]]:
    """Return the broken critical rules of :func:`check`'s result: (rule, number of images, the first files)."""
    failed = [one for one in result["results"] if not one["success"] and one["severity"] == "critical"]
    return [
        (one["rule"], max(one["result"].get("unexpected_count", 1), 1), one["files"] or [one["error"] or "the table"])
        for one in failed
    ]


def _of_the_table(labels: list[str]) -> list[Expected]:
    digits = {"column": "phash", "regex": "^[0-9a-f]{16}$"}
    ordered = {"column_A": "max", "column_B": "min", "or_equal": True}
    scaled = {"column_A": "white", "column_B": "black"}
    positive = {"column": "std", "min_value": 0, "strict_min": True}
    split = {"column": "split", "value_set": list(SPLITS)}
    expected = [
        ("there are images", "ExpectTableRowCountToBeBetween", {"min_value": 1}),
        ("std is above 0", "ExpectColumnValuesToBeBetween", positive),
        ("every label is known", "ExpectColumnValuesToBeInSet", {"column": "label", "value_set": labels}),
        ("every file is listed once", "ExpectColumnValuesToBeUnique", {"column": "file"}),
        ("no two images have the same pixels", "ExpectColumnValuesToBeUnique", {"column": "pixel_sha256"}),
        ("every split is train, val or test", "ExpectColumnValuesToBeInSet", split),
        ("train, val and test all hold images", "ExpectColumnDistinctValuesToContainSet", split),
        ("min is at most max", "ExpectColumnPairValuesAToBeGreaterThanB", ordered),
        ("white is above black", "ExpectColumnPairValuesAToBeGreaterThanB", scaled),
        ("a perceptual hash is 16 hex digits", "ExpectColumnValuesToMatchRegex", digits),
    ]
    return [(rule, "critical", name, arguments) for rule, name, arguments in expected]


def _of_columns(fault_rules: FaultRules) -> list[Expected]:
    least_px = fault_rules["too_small"].limit
    bounds = {name: (0.0, 1.0) for name in SHARES} | {
        "colourfulness": (0.0, 2.0),
        "entropy_bits": (0.0, 8.0),
        "width_px": (least_px, None),
        "height_px": (least_px, None),
        "frames": (1, None),
        "bits": (1, 64),
        "group": (0, None),
    }
    filled = ["file", "label", "split", "phash", "pixel_sha256", "black", "white", *bounds]
    between = "ExpectColumnValuesToBeBetween"
    expected = [(_in_words(*name_bounds), between, _between(*name_bounds)) for name_bounds in bounds.items()]
    expected.append(("nothing is null", "ExpectColumnsToHoldNoNull", {"column_list": filled}))
    return [(rule, "critical", name, arguments) for rule, name, arguments in expected]


def _of_codes(fault_rules: FaultRules) -> list[Expected]:
    """Return what is expected for each fault code that can be seen in a column."""
    expected = []
    for code, (column, side) in LIMITED.items():
        limit = fault_rules[code].limit
        words = f"{CODES[code].limit.split(',')[0]} is at {'least' if side == 'min_value' else 'most'} {limit:g}"
        expected.append((code, words, "ExpectColumnValuesToBeBetween", {"column": column, side: limit}))
    for code, modes in FORBIDDEN_MODES.items():
        words = f"mode is not {' or '.join(modes)}"
        expected.append((code, words, "ExpectColumnValuesToNotBeInSet", {"column": "mode", "value_set": modes}))
    named = {"column": "profile", "value_set": [""]}
    one_frame = {"column": "frames", "max_value": 1}
    turned = {"column": "orientation", "value_set": list(range(2, 9))}
    aspect = {"column_A": "width_px", "column_B": "height_px", "most": fault_rules["odd_aspect"].limit}
    deep, deeper = ({"column": "numbers", "value_set": kinds} for kinds in (["int16"], ["int32", "float"]))
    expected += [
        ("icc_profile", "no colour profile but sRGB", "ExpectColumnValuesToBeInSet", named),
        ("animated", "one frame or page", "ExpectColumnValuesToBeBetween", one_frame),
        ("orientation", "stored upright", "ExpectColumnValuesToNotBeInSet", turned),
        ("sixteen_bit", "no whole numbers of 10 to 16 bits", "ExpectColumnValuesToNotBeInSet", deep),
        ("thirty_two_bit", "no floats, nor 32 bits or more", "ExpectColumnValuesToNotBeInSet", deeper),
        ("odd_aspect", f"long side / short side is at most {aspect['most']:g}", "ExpectAspectToBeAtMost", aspect),
    ]
    return [
        (f"{code}: {words}", SEVERITIES[fault_rules[code].policy], name, args) for code, words, name, args in expected
    ]


def _kind(name: str, *modules: Any) -> Any:
    return next(getattr(module, name) for module in modules if hasattr(module, name))


def _between(column: str, bounds: tuple[float, float | None]) -> dict[str, Any]:
    return {"column": column, "min_value": bounds[0], "max_value": bounds[1]}


def _in_words(column: str, bounds: tuple[float, float | None]) -> str:
    low, high = bounds
    return f"{column} is at least {low:g}" if high is None else f"{column} lies in [{low:g}, {high:g}]"


def _stripped(one: dict[str, Any]) -> dict[str, Any]:
    config = one["expectation_config"]
    arguments = {key: value for key, value in sorted(config["kwargs"].items()) if key != "batch_id"}
    kept = {key: one["result"][key] for key in KEPT if key in one["result"]}
    files = [row["file"] for row in kept.pop("partial_unexpected_index_list", None) or []]
    return {
        "rule": config["meta"]["rule"],
        "severity": config["severity"],
        "success": one["success"],
        "expectation": config["type"],
        "arguments": arguments,
        "result": kept,
        "files": files,
        "error": _error(one["exception_info"]),
    }


def _error(info: dict[str, Any]) -> str | None:
    """Return the message of the exception that an expectation raised, None if it raised none.

    Great Expectations nests it under the metric that raised it.
    """
    infos = [info, *(inner for inner in info.values() if isinstance(inner, dict))]
    return next((one["exception_message"] for one in infos if one.get("exception_message")), None)
