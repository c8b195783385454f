"""Expectations that Great Expectations lacks: on groups of rows, on the aspect of images, on several columns."""

import numpy as np
import pandas as pd
from great_expectations.execution_engine import PandasExecutionEngine
from great_expectations.expectations.expectation import ColumnPairMapExpectation, MulticolumnMapExpectation
from great_expectations.expectations.metrics.map_metric_provider import (
    ColumnPairMapMetricProvider,
    MulticolumnMapMetricProvider,
    column_pair_condition_partial,
    multicolumn_condition_partial,
)

NEVER_BUT_BOTH = "both_values_are_missing"


class GroupSharesOneValue(ColumnPairMapMetricProvider):
    """Tells for each row whether its group (column A) has one value of column B."""

    condition_metric_name = "column_pair_values.group_shares_one_value"

    @column_pair_condition_partial(engine=PandasExecutionEngine)
    def _pandas(cls, column_A: pd.Series, column_B: pd.Series, **_: object) -> pd.Series:
        return column_B.groupby(column_A).transform("nunique") == 1


class ExpectGroupsToShareOneValue(ColumnPairMapExpectation):
    """Expect all rows of a group (column A) to have the same value of column B."""

    ignore_row_if: str = NEVER_BUT_BOTH
    map_metric = "column_pair_values.group_shares_one_value"
    success_keys = ("column_A", "column_B", "ignore_row_if", "mostly")


class AspectAtMost(ColumnPairMapMetricProvider):
    """Tells for each row whether the longer of columns A and B is at most ``most`` times the shorter."""

    condition_metric_name = "column_pair_values.aspect_at_most"
    condition_value_keys = ("most",)

    @column_pair_condition_partial(engine=PandasExecutionEngine)
    def _pandas(cls, column_A: pd.Series, column_B: pd.Series, most: float, **_: object) -> pd.Series:
        return np.maximum(column_A, column_B) <= most * np.minimum(column_A, column_B)


class ExpectAspectToBeAtMost(ColumnPairMapExpectation):
    """Expect the longer of columns A and B to be at most ``most`` times the shorter."""

    most: float
    ignore_row_if: str = NEVER_BUT_BOTH
    map_metric = "column_pair_values.aspect_at_most"
    success_keys = ("column_A", "column_B", "ignore_row_if", "mostly", "most")


class NoNull(MulticolumnMapMetricProvider):
    """Tells for each row whether all of some columns hold a value."""

    condition_metric_name = "multicolumn_values.no_null"
    condition_domain_keys = ("batch_id", "table", "column_list", "row_condition", "condition_parser", "ignore_row_if")
    condition_value_keys = ()

    @multicolumn_condition_partial(engine=PandasExecutionEngine)
    def _pandas(cls, column_list: pd.DataFrame, **_: object) -> pd.Series:
        return column_list.notna().all(axis=1)


class ExpectColumnsToHoldNoNull(MulticolumnMapExpectation):
    """Expect every one of some columns to hold a value in every row."""

    ignore_row_if: str = "never"
    map_metric = "multicolumn_values.no_null"
    success_keys = ("column_list", "ignore_row_if", "mostly")
