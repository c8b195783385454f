"""What must hold of the table of accepted images, as a Great Expectations suite."""

import os
from typing import Any

import pandas as pd

SHARES = ("mean", "std", "min", "max", "mean_r", "mean_g", "mean_b")
KEPT = ("element_count", "unexpected_count", "missing_count", "observed_value", "partial_unexpected_index_list")


def suite(min_size_px: int, labels: list[str], splits_given: bool) -> list[Any]:
    """Return the expectations; ``meta["rule"]`` of each says in words what must hold.

    ``ToBeBetween`` skips NaN, so every column that is bounded is also expected to hold no null.
    """
    os.environ.setdefault("GX_ANALYTICS_ENABLED", "false")  # before the import: nothing is sent anywhere
    import great_expectations.expectations as gxe

    bounds = {name: (0.0, 1.0) for name in SHARES} | {
        "colourfulness": (0.0, 2.0),
        "width_px": (min_size_px, None),
        "height_px": (min_size_px, None),
        "frames": (1, None),
        "group": (0, None),
    }
    rules = [
        ("there are images", gxe.ExpectTableRowCountToBeBetween, {"min_value": 1}),
        ("std is above 0", gxe.ExpectColumnValuesToBeBetween, {"column": "std", "min_value": 0, "strict_min": True}),
        ("every label is known", gxe.ExpectColumnValuesToBeInSet, {"column": "label", "value_set": labels}),
        ("every file is listed once", gxe.ExpectColumnValuesToBeUnique, {"column": "file"}),
        ("no two images have the same pixels", gxe.ExpectColumnValuesToBeUnique, {"column": "pixel_sha256"}),
        (
            "every split is train, val or test",
            gxe.ExpectColumnValuesToBeInSet,
            {"column": "split", "value_set": ["train", "val", "test"]},
        ),
        (
            "train, val and test all hold images",
            gxe.ExpectColumnDistinctValuesToContainSet,
            {"column": "split", "value_set": ["train", "val", "test"]},
        ),
        (
            "min is at most max",
            gxe.ExpectColumnPairValuesAToBeGreaterThanB,
            {"column_A": "max", "column_B": "min", "or_equal": True},
        ),
        (
            "a perceptual hash is 16 hex digits",
            gxe.ExpectColumnValuesToMatchRegex,
            {"column": "phash", "regex": "^[0-9a-f]{16}$"},
        ),
    ]
    rules += [
        (_in_words(name, low, high), gxe.ExpectColumnValuesToBeBetween, _between(name, low, high))
        for name, (low, high) in bounds.items()
    ]
    filled = ["file", "label", "split", "phash", "pixel_sha256", *bounds]
    rules += [(f"{name} is never null", gxe.ExpectColumnValuesToNotBeNull, {"column": name}) for name in filled]
    if not splits_given:
        together = "near-duplicates are in one split"
        rules.append((together, gxe.ExpectColumnValuesToBeBetween, _between("splits_of_group", 1, 1)))
    return [kind(**arguments, meta={"rule": rule}) for rule, kind, arguments in rules]


def check(table: pd.DataFrame, expectations: list[Any]) -> dict[str, Any]:
    """Validate ``table`` (a row an image, column ``file``) and return the results as a JSON value.

    The value holds no run id, time or path, so that the same table always gives the same result. ``results`` has
    for each expectation ``rule``, ``success``, the ``expectation`` with its arguments, counts, and up to 20 files.
    """
    import great_expectations as gx
    from great_expectations.data_context.types.base import ProgressBarsConfig

    context = gx.get_context(mode="ephemeral")
    context.enable_analytics(False)
    context.variables.progress_bars = ProgressBarsConfig(globally=False)
    asset = context.data_sources.add_pandas("validate").add_dataframe_asset("images")
    batch = asset.add_batch_definition_whole_dataframe("all").get_batch({"dataframe": table.assign(**_derived(table))})
    form = {"result_format": "COMPLETE", "unexpected_index_column_names": ["file"]}
    result = batch.validate(gx.ExpectationSuite("images", expectations=expectations), result_format=form)
    result = result.to_json_dict()
    return {
        "success": result["success"],
        "statistics": result["statistics"],
        "results": [_stripped(one) for one in result["results"]],
    }


def breaches(result: dict[str, Any]) -> list[tuple[str, int, list[str]]]:
    """Return the broken rules of :func:`check`'s result: (rule, number of images, the first files)."""
    failed = [one for one in result["results"] if not one["success"]]
    return [(one["rule"], max(one["result"].get("unexpected_count", 1), 1), one["files"]) for one in failed]


def _derived(table: pd.DataFrame) -> dict[str, pd.Series]:
    return {"splits_of_group": table.groupby("group")["split"].transform("nunique")}


def _between(column: str, low: float | None, high: float | None) -> dict[str, Any]:
    return {"column": column, "min_value": low, "max_value": high}


def _in_words(column: str, low: float | None, high: float | None) -> str:
    return f"{column} is at least {low:g}" if high is None else f"{column} lies in [{low:g}, {high:g}]"


def _stripped(one: dict[str, Any]) -> dict[str, Any]:
    config = one["expectation_config"]
    arguments = {key: value for key, value in sorted(config["kwargs"].items()) if key != "batch_id"}
    kept = {key: one["result"][key] for key in KEPT if key in one["result"]}
    files = [row["file"] for row in kept.pop("partial_unexpected_index_list", None) or []]
    return {
        "rule": config["meta"]["rule"],
        "success": one["success"],
        "expectation": config["type"],
        "arguments": arguments,
        "result": kept,
        "files": files,
        "error": one["exception_info"].get("exception_message"),
    }
