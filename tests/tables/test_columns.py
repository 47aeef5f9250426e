"""Dtypes of columns, and entries by position."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from pdneuro.tables import explode, flatten, from_records
from pdneuro.tables.columns import (
    check_multiple,
    column,
    long_records,
    property_columns,
    scatter,
    with_standard_dtype,
)


def test_a_field_of_ids_without_any_value_is_a_column_of_integers() -> None:
    values: list[Any] = [None, None]
    for found in (
        column(values, "parent_id"),
        from_records([{"parent_id": value} for value in values])["parent_id"],
        property_columns("soma", [{"parent_id": value} for value in values])["soma_parent_id"],
    ):
        assert found.dtype == "Int64"
        assert found.isna().all()
    assert column([], "parent_id").dtype == np.int64


def test_text_is_a_timestamp_only_if_every_value_is() -> None:
    times = ["2020-01-02T03:04:05", None, "2021-01-02T03:04:05.123456+00:00"]
    found = pd.Series(column(times, timestamps=True))
    assert str(found.dt.tz) == "UTC"
    assert found.isna().tolist() == [False, True, False]
    for mixed in ([*times, "later"], times[:2]):
        assert not isinstance(column(mixed), pd.arrays.DatetimeArray)
    assert list(column([times[0], "later"], timestamps=True)) == [times[0], "later"]


@pytest.mark.parametrize("cells", [[1, 2], [True, False], [1.5, 2.5], ["a", "b"], [[1], [2]]])
def test_a_file_and_a_service_give_the_same_dtype(cells: list[Any]) -> None:
    for values in (cells, [*cells, None]):
        if isinstance(cells[0], bool | int) and None in values:
            series = pd.Series(values, dtype="boolean" if isinstance(cells[0], bool) else "Int64")
        else:
            series = pd.Series(values)
        found = pd.Series(with_standard_dtype(series))
        pd.testing.assert_series_equal(found, pd.Series(column(values)))


def test_entries_return_to_their_rows_and_the_others_are_missing() -> None:
    wide = 2**53 + 1
    columns = {
        "n": np.array([wide, 2]),
        "x": np.array([0.5, np.nan]),
        "text": pd.array(["a", "b"], dtype="string"),
        "list": column([[1], [2]]),
    }
    found = scatter(columns, np.array([1, 3]), 4)
    assert found["n"].tolist() == [pd.NA, wide, pd.NA, 2]
    assert found["x"].isna().tolist() == [True, False, True, True]
    assert found["text"].tolist() == [pd.NA, "a", pd.NA, "b"]
    assert found["list"].tolist() == [None, [1], None, [2]]
    whole = scatter(columns, np.array([0, 1]), 2)
    assert whole["n"].dtype == np.int64
    assert scatter({"n": columns["n"][:0]}, np.array([], int), 2)["n"].isna().all()


def test_an_unknown_choice_for_several_records_lists_the_valid_ones() -> None:
    with pytest.raises(ValueError, match=r"raise, first, list, count, not 'all'"):
        check_multiple("all")


def test_a_table_without_lists_is_flattened() -> None:
    table = pd.DataFrame({"id": [7, 8], "graph": [{"id": 1}, {"id": 2}]})
    found = explode(table)
    pd.testing.assert_frame_equal(found, flatten(table))
    assert found["graph_id"].tolist() == [1, 2]


def test_a_mapping_is_lists_of_records_only_if_every_value_is() -> None:
    lists = {"up": [{"n": 1}, {"n": 2}], "down": [{"n": 3}]}
    found = long_records(np.array([11]), [lists])
    assert found.to_dict("list") == {
        "segment_id": [11] * 3,
        "list": ["up", "up", "down"],
        "n": [1, 2, 3],
    }
    one = long_records(np.array([11]), [{**lists, "total": 3}])
    assert one.columns.tolist() == ["segment_id", "up_count", "up", "down_count", "down", "total"]
    assert one["up_count"].tolist() == [2]
