"""Columns as arrays that files can store."""

from __future__ import annotations

import datetime
from typing import Any

import numpy as np
import pandas as pd
import pytest

from pdneuro.errors import InvalidCoordinateError
from pdneuro.tables import coordinate_array

ID = 720575940621522189
NAT = "NaT"
TIME = pd.Timestamp("2020-01-01T02:00")


@pytest.mark.parametrize(
    ("cells", "expected", "dtype"),
    [
        (pd.Series(pd.Categorical(["b", None, "a"])), ["b", "", "a"], "U"),
        (pd.Series(pd.Categorical([3, None, 5]), name="n"), [3.0, np.nan, 5.0], "float64"),
        (pd.Series(pd.Categorical([ID, ID + 1]), name="n"), [ID, ID + 1], "int64"),
        (pd.Series([True, False]), [True, False], "bool"),
        (pd.Series([True, False], dtype="boolean"), [True, False], "bool"),
        (pd.Series([True, None], dtype="boolean"), [1.0, np.nan], "float64"),
        (pd.Series([-5, 2**62 + 1]), [-5, 2**62 + 1], "int64"),
        (pd.Series([-5, None], dtype="Int64"), [-5.0, np.nan], "float64"),
        (pd.Series([5, 2**63 - 1], dtype="uint64"), [5, 2**63 - 1], "int64"),
        (pd.Series([5, None], dtype="UInt64"), [5.0, np.nan], "float64"),
        (pd.Series([], dtype="uint64"), [], "int64"),
        (pd.Series([1.5, None], dtype="Float64"), [1.5, np.nan], "float64"),
        (pd.Series([TIME, None]), ["2020-01-01T02:00", NAT], "datetime64[ns]"),
        (pd.Series([TIME]).dt.tz_localize("Europe/Berlin"), ["2020-01-01T01:00"], "datetime64[ns]"),
        (pd.Series(pd.to_timedelta([1, None], unit="s")), ["1000000000", NAT], "timedelta64[ns]"),
        (pd.Series(["a", None], dtype="string"), ["a", ""], "U"),
        (pd.Series([3, None], dtype=object, name="n"), [3.0, np.nan], "float64"),
        (pd.Series([True, False], dtype=object), [True, False], "bool"),
        (pd.Series([None, None], dtype=object), [np.nan, np.nan], "float64"),
        (pd.Series([datetime.date(2020, 1, 1), None]), ["2020-01-01", NAT], "datetime64[ns]"),
        (
            pd.Series([TIME.tz_localize(zone) for zone in ("Europe/Berlin", "UTC")], dtype=object),
            ["2020-01-01T01:00", "2020-01-01T02:00"],
            "datetime64[ns]",
        ),
        (
            pd.Series([TIME.tz_localize("Europe/Berlin").to_pydatetime(), None], dtype=object),
            ["2020-01-01T01:00", NAT],
            "datetime64[ns]",
        ),
    ],
)
def test_every_dtype_becomes_one_that_files_store(
    cells: pd.Series[Any], expected: list[Any], dtype: str
) -> None:
    found = coordinate_array(cells)
    assert type(found) is np.ndarray
    assert found.dtype.kind == "U" if dtype == "U" else found.dtype == dtype
    np.testing.assert_array_equal(found, np.array(expected, found.dtype))


@pytest.mark.parametrize(
    ("cells", "words"),
    [
        (pd.Series([2**63], dtype="uint64", name="n"), r"'n' contains integers from 2\*\*63"),
        (pd.Series([2**63, None], dtype="UInt64", name="n"), r"'n' contains integers from 2\*\*63"),
        (pd.Series([2**63], dtype="uint64[pyarrow]", name="n"), r"'n' contains integers from 2\*\*63"),
        (pd.Series(pd.interval_range(0, 1), name="n"), r"values of the dtype interval\[int64, right\]"),
        (pd.Series([1j], name="n"), "values of the dtype complex128"),
        (pd.Series([None, [1, 2]], name="n"), r"lists or other objects, such as '\[1, 2\]'"),
        (pd.Series([datetime.timedelta(1), "a"], name="n"), "other objects, such as '1 day, 0:00:00'"),
        (
            pd.Series(pd.Categorical([7, None]), name="nucleus_id"),
            r"1 values of 'nucleus_id' are missing, the first in position 1.*fill_value=0",
        ),
        (
            pd.Series([7, None], dtype=object, index=[5, 6], name="nucleus_id"),
            "'nucleus_id' are missing, the first in position 6",
        ),
    ],
)
def test_values_that_files_cannot_store_are_errors(cells: pd.Series[Any], words: str) -> None:
    with pytest.raises(InvalidCoordinateError, match=words):
        coordinate_array(cells)


@pytest.mark.parametrize("dtype", ["category", "object", "Int64"])
def test_the_fill_value_and_the_choice_of_ids_hold_for_each_dtype(dtype: str) -> None:
    cells = pd.Series([7, None], dtype="Int64", name="nucleus_id").astype(dtype)
    filled = coordinate_array(cells, fill_value=0)
    assert filled.dtype == np.int64
    assert filled.tolist() == [7, 0]
    np.testing.assert_array_equal(coordinate_array(cells, is_id=False), [7.0, np.nan])
    with pytest.raises(InvalidCoordinateError, match="'n' are missing"):
        coordinate_array(cells.rename("n"), is_id=True)
