"""Exact segment IDs: convert any column to int64, or raise. No ID is converted to a float."""

from __future__ import annotations

import datetime
from collections.abc import Hashable, Iterable
from decimal import Decimal
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
from pandas.api import types

from pdneuro.errors import InvalidIdError, PrecisionLossError, listing

Int64Array = npt.NDArray[np.int64]

#: Largest integer up to which doubles represent every integer.
MAX_EXACT_FLOAT = 2**53
MAX_ID = 2**63 - 1

# This many distinct large IDs do not all end in 000, or all fit a double, by chance.
_DAMAGE_SAMPLE = 20

NEGATIVE = "negative, while segment IDs are positive"
TOO_LARGE = "2**63 or more, too large for 64-bit signed integers"

_Ids = tuple[Int64Array, npt.NDArray[np.bool_] | None]


def id_array(
    values: pd.Series[Any] | pd.Index[Any], name: Hashable | None = None
) -> tuple[Int64Array, npt.NDArray[np.bool_] | None]:
    """Return IDs as int64 (0 if missing), and the mask of missing IDs, None if none are missing."""
    series = as_series(values, name)
    label = series.name if series.name is not None else name
    numbers, missing = _integers(series, label)
    zero = numbers == 0
    # A large int64 column without zeros is returned without a copy or a mask.
    if zero.any():
        missing = zero if missing is None else missing | zero
    if missing is not None and not missing.any():
        missing = None
    if numbers.size and np.min(numbers) < 0:
        raise _invalid(series, numbers < 0, label, NEGATIVE)
    _check_not_rounded(numbers, series, label)
    return numbers, missing


def whole_numbers(values: pd.Series[Any]) -> _Ids:
    """Return any integers as int64 (0 if missing), and the mask of missing ones.

    Unlike in :func:`id_array`, zeros and negative numbers are valid.
    """
    return _integers(values, values.name)


def distinct_ids(values: pd.Series[Any] | pd.Index[Any]) -> Int64Array:
    """Return the distinct IDs of a column in order of first appearance, without missing ones.

    Examples
    --------
    >>> from pdneuro.tables import distinct_ids
    >>> distinct_ids(pd.Series(["720575940621522189", None, "17", "720575940621522189"])).tolist()
    [720575940621522189, 17]
    """
    numbers, missing = id_array(values)
    if missing is not None:
        numbers = numbers[~missing]
    return np.asarray(pd.unique(numbers), dtype=np.int64)


def as_series(values: Any, name: Hashable | None = None) -> pd.Series[Any]:
    """Return a column of any form as a Series; a Series is returned unchanged."""
    if isinstance(values, pd.Series):
        return values
    if isinstance(values, pd.MultiIndex):
        raise InvalidIdError("a MultiIndex is not a column of IDs. Pass one level: get_level_values().")
    if isinstance(values, pd.Index):
        return pd.Series(values, name=values.name if name is None else name)
    if isinstance(values, pd.api.extensions.ExtensionArray):
        return pd.Series(values, name=name)
    if isinstance(values, np.ndarray):
        if values.ndim != 1:
            raise InvalidIdError(
                f"an array of IDs must have one dimension, not {values.ndim}. Use .ravel()."
            )
        return pd.Series(values, name=name)
    if isinstance(values, str | bytes | dict) or not hasattr(values, "__iter__"):
        raise TypeError(
            f"IDs must be a Series, Index, array or list, not {values!r:.60}. Use [{values!r:.60}]."
        )
    # With dtype object, pandas does not convert [id, None] to floats.
    return pd.Series(list(values), dtype=object, name=name)


def _integers(series: pd.Series[Any], label: Hashable | None) -> _Ids:
    dtype = series.dtype
    if isinstance(dtype, pd.CategoricalDtype):
        return _from_categories(series, label)
    if types.is_bool_dtype(dtype) and not types.is_object_dtype(dtype):
        raise _invalid(series, series.notna().to_numpy(), label, _BOOLEAN.reason)
    if types.is_integer_dtype(dtype):
        return _from_integers(series, label)
    if types.is_float_dtype(dtype):
        return _from_floats(series, label)
    if types.is_datetime64_any_dtype(dtype) or types.is_timedelta64_dtype(dtype):
        present = series.notna().to_numpy()
        if present.any():
            raise _invalid(series, present, label, _DATE.reason)
    return _from_objects(series, label)


def _from_integers(series: pd.Series[Any], label: Hashable | None) -> _Ids:
    missing = None if isinstance(series.dtype, np.dtype) else series.isna().to_numpy()
    kind = np.uint64 if "uint" in str(series.dtype).lower() else np.int64
    if missing is None or not missing.any():
        numbers = series.to_numpy(dtype=kind)
    else:  # without na_value, to_numpy() would convert to float64
        numbers = series.to_numpy(dtype=kind, na_value=0)
    if kind is np.uint64:
        over = numbers > MAX_ID
        if over.any():
            raise _invalid(series, over, label, TOO_LARGE)
    return numbers.astype(np.int64, copy=False), missing


def _from_floats(series: pd.Series[Any], label: Hashable | None) -> _Ids:
    missing = series.isna().to_numpy()
    numbers = series.to_numpy(dtype=np.float64, na_value=np.nan)
    numbers = np.where(missing, 0.0, numbers)
    # float32 is exact up to 2**24, float64 up to 2**53.
    digits = np.finfo(getattr(series.dtype, "numpy_dtype", series.dtype)).nmant + 1
    inexact = ~(np.abs(numbers) <= 2.0**digits)
    if inexact.any():
        raise _precision_loss(
            series,
            inexact,
            label,
            f"{series.dtype}, which is exact only up to 2**{digits}",
        )
    broken = numbers != np.floor(numbers)
    if broken.any():
        raise _invalid(series, broken, label, "not integers")
    return numbers.astype(np.int64), missing


def _from_categories(series: pd.Series[Any], label: Hashable | None) -> _Ids:
    codes = series.cat.codes.to_numpy()
    # A filtered column still lists categories that are not in use.
    used = np.unique(codes[codes >= 0])
    numbers, missing = _integers(pd.Series(series.cat.categories[used]), label)
    table = np.zeros(len(series.cat.categories) + 1, np.int64)
    absent = np.ones(len(table), bool)
    table[used] = numbers
    absent[used] = False if missing is None else missing
    return table[codes], absent[codes]


def _from_objects(series: pd.Series[Any], label: Hashable | None) -> _Ids:
    items = series.to_numpy(dtype=object)
    kind = pd.api.types.infer_dtype(items, skipna=True)
    if kind == "string":  # parse each distinct text once
        codes, distinct = pd.factorize(items)
        parsed = [_parse(text) for text in distinct] + [None]
    else:  # equal objects of different types, such as 1 and True, are not the same ID
        codes, parsed = np.arange(len(items)), [_scalar(item) for item in items]
    faults = np.array([type(value) is _Fault for value in parsed], bool)
    if faults.any():
        fault = next(value for value in parsed if type(value) is _Fault)
        same = np.array([value is fault for value in parsed], bool)[codes]
        if fault is _ROUNDED:
            raise _precision_loss(series, same, label, fault.reason)
        raise _invalid(series, same, label, fault.reason)
    missing = np.array([value is None for value in parsed], bool)
    numbers = np.array([value or 0 for value in parsed], np.int64)
    return numbers[codes], missing[codes]


class _Fault(NamedTuple):
    reason: str


_ROUNDED = _Fault("rounded by a float or a spreadsheet")
_NO_NUMBER = _Fault("not a number")
_NEGATIVE = _Fault(NEGATIVE)
_TOO_LARGE = _Fault(TOO_LARGE)
_FRACTION = _Fault("not integers")
_BOOLEAN = _Fault("booleans")
_DATE = _Fault("dates or times")
_CONTAINER = _Fault("lists or other containers")

# Text of missing values in pandas and Python.
MISSING_TEXT = frozenset({"", "<NA>", "nan", "NaN", "NA", "None", "NaT", "null", "NULL", "N/A"})


def _parse(text: str) -> int | _Fault | None:
    text = text.strip()
    if text.isascii() and text.removeprefix("-").isdigit():
        return _in_range(int(text)) if len(text) < 50 else _TOO_LARGE
    if text in MISSING_TEXT:
        return None
    try:
        number = float(text)
    except ValueError:
        return _NO_NUMBER
    if text[0] == "-":
        return _NEGATIVE
    # Text such as "7.20576E+17" or "720575940621522189.0" was written from a float.
    is_decimal = text.replace(".", "", 1).isdigit() and text.isascii()
    return _from_float(number) if is_decimal else _ROUNDED if number == number else _NO_NUMBER


def _from_float(number: float) -> int | _Fault | None:
    if number != number:
        return None
    if abs(number) > MAX_EXACT_FLOAT:
        return _ROUNDED
    return _in_range(int(number)) if number == int(number) else _FRACTION


def _in_range(number: int) -> int | _Fault:
    return _TOO_LARGE if abs(number) > MAX_ID else number


def _scalar(item: object) -> int | _Fault | None:
    if isinstance(item, bool | np.bool_):
        return _BOOLEAN
    if isinstance(item, int | np.integer):
        return _in_range(int(item))
    if isinstance(item, str):
        return _parse(item)
    if item is None or item is pd.NA or item is pd.NaT:
        return None
    if isinstance(item, float | np.floating):
        return _from_float(float(item))
    if isinstance(item, Decimal):
        return None if item.is_nan() else _in_range(int(item)) if item % 1 == 0 else _FRACTION
    if isinstance(item, datetime.date | datetime.timedelta | np.datetime64 | np.timedelta64):
        return _DATE
    return _CONTAINER if isinstance(item, Iterable) else _NO_NUMBER


def _check_not_rounded(numbers: Int64Array, series: pd.Series[Any], label: Hashable | None) -> None:
    """Raise an error if all integers look as if a float or a spreadsheet had rounded them."""
    for reason, rounded in (("a float", _fits_double), ("a spreadsheet", _ends_in_000)):
        # Most columns are decided by their first rows; only suspicious ones are checked completely.
        if len(numbers) < _DAMAGE_SAMPLE or not rounded(numbers[:1000]):
            continue
        large = pd.unique(numbers[numbers > MAX_EXACT_FLOAT])
        if len(large) >= _DAMAGE_SAMPLE and rounded(large):
            mask = numbers > MAX_EXACT_FLOAT
            raise _precision_loss(series, mask, label, f"rounded throughout, as by {reason}")


def _fits_double(numbers: Int64Array) -> bool:
    floats = numbers.astype(np.float64)
    in_range = floats < 2.0**63
    return bool(in_range.all() and (floats.astype(np.int64) == numbers).all())


def _ends_in_000(numbers: Int64Array) -> bool:
    large = numbers[numbers > MAX_EXACT_FLOAT]
    return bool((large % 1000 == 0).all())


def _first_values(series: pd.Series[Any], wrong: npt.NDArray[np.bool_], limit: int = 5) -> str:
    rows = np.flatnonzero(wrong)
    shown = [
        f"{_python_value(series.iloc[row])!r} (row {_python_value(series.index[row])!r})"
        for row in rows[:limit].tolist()
    ]
    return listing(shown + [""] * (len(rows) - len(shown)), limit)


def _python_value(value: Any) -> Any:
    return value.item() if isinstance(value, np.integer | np.floating | np.bool_) else value


def _invalid(
    series: pd.Series[Any], wrong: npt.NDArray[np.bool_], label: Hashable | None, reason: str
) -> InvalidIdError:
    return InvalidIdError(
        f"{_named(label)} contains values that are {reason}: {_first_values(series, wrong)}. "
        "Drop or correct these rows, or set unknown IDs to NA."
    )


def _precision_loss(
    series: pd.Series[Any], wrong: npt.NDArray[np.bool_], label: Hashable | None, reason: str
) -> PrecisionLossError:
    name = label if isinstance(label, str) else "root_id"
    return PrecisionLossError(
        f"{_named(label)} is {reason}: digits of {_first_values(series, wrong, limit=1)} are already "
        f'lost and cannot be restored. Read the file again with dtype={{"{name}": "Int64"}} or as text '
        "(str), and keep the column out of spreadsheets and float arithmetic."
    )


def _named(label: Hashable | None) -> str:
    return "the column of IDs" if label is None else f"column {label!r}"
