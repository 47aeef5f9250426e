"""Exact IDs: convert a column of any dtype to int64, or raise. No number is converted to a float.

:func:`convert` is the one conversion; IDs, structures, node numbers, labels and weights all use it.
"""

from __future__ import annotations

import datetime
import numbers as number_types
import re
from collections.abc import Hashable, Iterable
from decimal import Decimal
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
from pandas.api import types

from pdneuro.errors import InvalidIdError, PrecisionLossError, listing
from pdneuro.tables.rounding import CERTAIN, CHECKED_ROWS, MAX_EXACT_FLOAT, rounding

Int64Array = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]

MAX_ID = 2**63 - 1

NEGATIVE = "negative, while segment IDs are positive"
FRACTION = "not integers"
TOO_LARGE = "2**63 or more, too large for 64-bit signed integers"

_Ids = tuple[Int64Array, Mask | None]


class Fault(NamedTuple):
    """Values of a column that are not exact integers."""

    #: Completes "column 'x' contains values that are ...".
    reason: str
    rows: Mask
    #: The digits were lost before pdneuro read the column.
    lossy: bool = False


class Converted(NamedTuple):
    """A column as int64, or what is wrong with it."""

    #: 0 if missing.
    numbers: Int64Array
    missing: Mask | None = None
    fault: Fault | None = None


def id_array(values: pd.Series[Any] | pd.Index[Any], name: Hashable | None = None) -> _Ids:
    """Return IDs as int64 (0 if missing), and the mask of missing IDs, None if none are missing."""
    series = as_series(values, name)
    label = series.name if series.name is not None else name
    numbers, missing = _raised(series, label, advice=_NAMES)
    zero = numbers == 0
    # A large int64 column without zeros is returned without a copy or a mask.
    if zero.any():
        missing = zero if missing is None else missing | zero
    if missing is not None and not missing.any():
        missing = None
    if numbers.size and np.min(numbers) < 0:
        raise fault_error(series, Fault(NEGATIVE, numbers < 0), label)
    require_unrounded(numbers, series, label)
    return numbers, missing


def whole_numbers(values: pd.Series[Any]) -> _Ids:
    """Return any integers as int64 (0 if missing), and the mask of missing ones.

    Unlike in :func:`id_array`, zeros and negative numbers are valid.
    """
    return _raised(values, values.name)


def label_array(values: npt.NDArray[Any], name: Hashable | None = None) -> Int64Array:
    """Return the labels of an array of any shape as int64; a missing label is 0.

    Parameters
    ----------
    values : array
    name : hashable, optional
        Name of the array, for messages.

    Raises
    ------
    PrecisionLossError, InvalidIdError
        A label is not an exact integer. The message has its position in the array.
    """
    # pandas does not process the other byte order.
    flat = pd.Series(np.ravel(values).astype(values.dtype.newbyteorder("="), copy=False), name=name)
    numbers, _, fault = convert(flat)
    if fault is not None:
        rows = np.flatnonzero(fault.rows)
        positions = zip(
            *(axis.tolist() for axis in np.unravel_index(rows[:5], values.shape)), strict=True
        )
        places = pd.Index([tuple(position) for position in positions], tupleize_cols=False)
        shown = pd.Series(flat.to_numpy()[rows[:5]], index=places, name=name)
        raise fault_error(
            shown, fault._replace(rows=np.ones(len(shown), bool)), name, "array", "position"
        )
    return numbers.reshape(values.shape)


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
    if isinstance(values, np.ma.MaskedArray):  # pandas would convert it to floats
        values = np.where(np.ma.getmaskarray(values), None, values.data.astype(object))
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


# -- the one conversion -----------------------------------------------------------------------------


def _raised(series: pd.Series[Any], label: Hashable | None, advice: str = "") -> _Ids:
    numbers, missing, fault = convert(series)
    if fault is not None:
        error = fault_error(series, fault, label)
        if advice and fault.reason == _NO_NUMBER.text:
            error = type(error)(f"{error} {advice}")
        raise error
    return numbers, missing


def convert(series: pd.Series[Any]) -> Converted:
    """Convert a column of any dtype to int64, exactly; return what is wrong if that is impossible.

    Parameters
    ----------
    series : Series
        Integers, floats, objects, text, categories, sparse or Arrow values. Integers may be negative.
    """
    dtype = series.dtype
    if isinstance(dtype, pd.SparseDtype):
        return convert(pd.Series(series.array.to_dense(), index=series.index))
    if isinstance(dtype, pd.CategoricalDtype):
        return _from_categories(series)
    if types.is_bool_dtype(dtype) and not types.is_object_dtype(dtype):
        return _failed(series, Fault(_BOOLEAN.text, series.notna().to_numpy(bool)))
    if types.is_integer_dtype(dtype):
        return _from_integers(series)
    if types.is_float_dtype(dtype):
        return _from_floats(series)
    if types.is_datetime64_any_dtype(dtype) or types.is_timedelta64_dtype(dtype):
        present = series.notna().to_numpy(bool)
        if present.any():
            return _failed(series, Fault(_DATE.text, present))
    return _from_objects(series)


def _failed(series: pd.Series[Any], fault: Fault) -> Converted:
    return Converted(np.zeros(len(series), np.int64), None, fault)


def _from_integers(series: pd.Series[Any]) -> Converted:
    missing = None if isinstance(series.dtype, np.dtype) else series.isna().to_numpy(bool)
    kind = np.uint64 if types.is_unsigned_integer_dtype(series.dtype) else np.int64
    if missing is None or not missing.any():
        numbers = series.to_numpy(dtype=kind)
    else:  # without na_value, to_numpy() would convert to float64
        numbers = series.to_numpy(dtype=kind, na_value=0)
    if kind is np.uint64:
        over = numbers > MAX_ID
        if over.any():
            return _failed(series, Fault(TOO_LARGE, over))
    return Converted(numbers.astype(np.int64, copy=False), missing)


def _from_floats(series: pd.Series[Any]) -> Converted:
    missing = series.isna().to_numpy(bool)
    # Each width keeps its own dtype: a float64 would round the integers of a longdouble.
    dtype: Any = series.dtype
    kind: Any = np.dtype(getattr(dtype, "numpy_dtype", dtype))
    numbers: Any = series.to_numpy(dtype=kind, na_value=np.nan)
    numbers = np.where(missing, kind.type(0), numbers)
    digits = np.finfo(kind).nmant + 1
    size = np.abs(numbers)
    # float16 is exact up to 2**11, float32 up to 2**24, float64 up to 2**53. Infinity is not exact.
    inexact = ~(size <= 2.0**digits)
    if inexact.any():
        reason = f"{series.dtype}, which is exact only up to 2**{digits}"
        return _failed(series, Fault(reason, inexact, lossy=True))
    broken = numbers != np.floor(numbers)
    if broken.any():
        return _failed(series, Fault(FRACTION, broken))
    over = size >= 2.0 ** min(digits, 63)
    if digits > 62 and over.any():  # only the dtypes that are wider than float64
        return _failed(series, Fault(TOO_LARGE, over))
    return Converted(numbers.astype(np.int64), missing)


def _from_categories(series: pd.Series[Any]) -> Converted:
    codes = series.cat.codes.to_numpy()
    # A filtered column still lists categories that are not in use.
    used = np.unique(codes[codes >= 0])
    numbers, missing, fault = convert(pd.Series(series.cat.categories[used]))
    if fault is not None:
        return _failed(series, fault._replace(rows=np.isin(codes, used[fault.rows])))
    table = np.zeros(len(series.cat.categories) + 1, np.int64)
    absent = np.ones(len(table), bool)
    table[used] = numbers
    absent[used] = False if missing is None else missing
    return Converted(table[codes], absent[codes])


def _from_objects(series: pd.Series[Any]) -> Converted:
    items = series.to_numpy(dtype=object)
    kind = pd.api.types.infer_dtype(items, skipna=True)
    if kind == "string":  # parse each distinct text once
        codes, distinct = pd.factorize(items)
        parsed = [parse(text) for text in distinct] + [None]
    else:  # equal objects of different types, such as 1 and True, are not the same ID
        codes, distinct, parsed = np.arange(len(items)), items, [_scalar(item) for item in items]
    _find_printed_floats(distinct, parsed)
    faults = np.array([type(value) is Reason for value in parsed], bool)
    if faults.any():
        reason = next(value for value in parsed if type(value) is Reason)
        same = np.array([value is reason for value in parsed], bool)[codes]
        return _failed(series, Fault(reason.text, same, lossy=reason.lossy))
    missing = np.array([value is None for value in parsed], bool)
    numbers = np.array([value or 0 for value in parsed], np.int64)
    return Converted(numbers[codes], missing[codes])


class Reason(NamedTuple):
    """Why a value is not an exact integer; completes "values that are ..."."""

    text: str
    #: The digits were lost before pdneuro read the value.
    lossy: bool = False


_ROUNDED = Reason("rounded by a float or a spreadsheet", lossy=True)
_NO_NUMBER = Reason("not a number")
_INFINITE = Reason("infinite")
_AMBIGUOUS = Reason("ambiguous: they may be one number with separators, a fraction or several numbers")
_EXPONENT = Reason("written with an exponent that may replace digits")
_TOO_LARGE = Reason(TOO_LARGE)
_FRACTION = Reason(FRACTION)
_BOOLEAN = Reason("booleans")
_DATE = Reason("dates or times")
_CONTAINER = Reason("lists or other containers")

# Text of missing values in pandas and Python.
MISSING_TEXT = frozenset({"", "<NA>", "nan", "NaN", "NA", "None", "NaT", "null", "NULL", "N/A"})

_BLANK = "\ufeff\u200b"  # a byte order mark and a space of no width, which strip() keeps
# A spreadsheet keeps ="123", '123 and "123" as text.
_QUOTED = re.compile(r"""=?(["'`])(.*)\1|'(.*)|=(.*)""", re.S)
# Digits in groups of three, with one separator throughout.
_GROUPED = re.compile(r"[+-]?\d{1,3}(?:([,._'\u2019\u066c \u00a0\u2009\u202f])\d{3})(?:\1\d{3})*")
_DECIMAL = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,6})?")


def parse(text: str) -> int | Reason | None:
    """Return the integer of a text, None if it is missing, or why it is not an exact integer.

    >>> [parse(text) for text in ("12", "+12", "1_234", '="12"', "12.0", "nan")]
    [12, 12, 1234, 12, 12, None]
    """
    text = text.strip().strip(_BLANK)
    if text.isascii() and text.removeprefix("-").isdigit():
        return _in_range(int(text)) if len(text) < 50 else _TOO_LARGE
    if text in MISSING_TEXT:
        return None
    quoted = _QUOTED.fullmatch(text)
    if quoted:
        inner = next(part for part in quoted.groups()[1:] if part is not None).strip()
        return _parse_number(inner.replace("\u2212", "-"))
    return _parse_number(text.replace("\u2212", "-"))


def _parse_number(text: str) -> int | Reason | None:
    digits = text[1:] if text[:1] in ("+", "-") else text
    if digits.isdecimal():  # the digits of any script
        return _in_range(int(text)) if len(text) < 50 else _TOO_LARGE
    grouped = _GROUPED.fullmatch(text)
    if grouped and (grouped[1] != "." or text.count(".") > 1):
        if grouped[1] == " " or (grouped[1] == "," and text.count(",") == 1):
            return _AMBIGUOUS
        return _parse_number(text.replace(grouped[1], ""))
    if _DECIMAL.fullmatch(text):
        number = Decimal(text)
        exponent = number.as_tuple().exponent
        # An exponent that adds zeros, as in 7.20576E+17, replaces digits that were not written.
        if isinstance(exponent, int) and exponent > 0 and number and number.adjusted() <= 18:
            return _ROUNDED if abs(number) > MAX_EXACT_FLOAT else _EXPONENT
        return _from_decimal(number)
    if re.fullmatch(r"[+-]?(inf|infinity)", text, re.I):
        return _INFINITE
    return None if text.casefold() in ("nan", "+nan", "-nan") else _NO_NUMBER


def _from_decimal(number: Decimal) -> int | Reason | None:
    if number.is_nan():
        return None
    if number.is_infinite():
        return _INFINITE
    if number.adjusted() > 18:  # int() of Decimal("1e1000000") would take minutes
        return _TOO_LARGE
    whole = number.to_integral_value()
    return _in_range(int(whole)) if whole == number else _FRACTION


def _in_range(number: int) -> int | Reason:
    return _TOO_LARGE if abs(number) > MAX_ID else number


def _scalar(item: Any) -> int | Reason | None:
    if isinstance(item, bool | np.bool_):
        return _BOOLEAN
    # np.timedelta64 is an np.integer, so times come first.
    if isinstance(item, datetime.date | datetime.timedelta | np.datetime64 | np.timedelta64):
        return None if pd.isna(item) else _DATE
    if isinstance(item, number_types.Rational):  # integers of Python and NumPy, and fractions
        return _in_range(int(item.numerator)) if item.denominator == 1 else _FRACTION
    if isinstance(item, str):
        return parse(item)
    if isinstance(item, bytes):
        return parse(item.decode("latin-1"))
    if item is None or item is pd.NA or item is pd.NaT:
        return None
    if isinstance(item, float | np.floating):
        return _from_float(item)
    if isinstance(item, Decimal):
        return _from_decimal(item)
    return _CONTAINER if isinstance(item, Iterable) else _NO_NUMBER


def _from_float(number: Any) -> int | Reason | None:
    if number != number:
        return None
    digits = np.finfo(type(number) if isinstance(number, np.floating) else np.float64).nmant + 1
    if not np.isfinite(number) or abs(int(number)) > 2**digits:
        return _ROUNDED
    return _in_range(int(number)) if number == int(number) else _FRACTION


def _find_printed_floats(items: Any, parsed: list[Any]) -> None:
    """Replace numbers that were printed from doubles, in place, by the reason.

    Text such as 720575940621522189.0 is exact, because no double has this value. But if every large
    number that was written with a decimal point is a double, all of them were doubles.
    """
    places = [
        place
        for place, (item, value) in enumerate(zip(items, parsed, strict=False))
        if type(value) is int
        and abs(value) > MAX_EXACT_FLOAT
        and isinstance(item, str)
        and item.count(".") == 1
    ]
    if all(int(float(parsed[place])) == parsed[place] for place in places):
        for place in places:
            parsed[place] = _ROUNDED


def require_unrounded(
    numbers: Int64Array, series: pd.Series[Any], label: Hashable | None, rows: int = CHECKED_ROWS
) -> None:
    """Raise an error if IDs were certainly rounded before pdneuro read them."""
    rounded = rounding(numbers, rows)
    if rounded is not None and rounded.chance < CERTAIN:
        raise fault_error(
            series, Fault(rounded.reason, np.isin(numbers, rounded.ids), lossy=True), label
        )


# -- messages ---------------------------------------------------------------------------------------


def _first_values(series: pd.Series[Any], wrong: Mask, place: str, limit: int = 5) -> str:
    rows = np.flatnonzero(wrong)
    shown = [
        f"{_python_value(series.iloc[row])!r} ({place} {_python_value(series.index[row])!r})"
        for row in rows[:limit].tolist()
    ]
    return listing(shown + [""] * (len(rows) - len(shown)), limit)


def _python_value(value: Any) -> Any:
    return value.item() if isinstance(value, np.integer | np.floating | np.bool_) else value


#: What to do with a column of names: keep them, or number them and return to the names.
_NAMES = (
    'If they are names of neurons, keep them in an edge table: .neuro.as_edges(nodes="names"), or '
    'pdneuro.read_edges(path, nodes="names"). Or number them: numbers, names = pd.factorize(column), '
    "with numbers + 1 as IDs; names[ids - 1] returns the names."
)
_READ_AGAIN = (
    "Read the file again with pdneuro.read_table(path) or pd.read_csv(path, dtype=str), and keep the "
    "column out of spreadsheets and float arithmetic."
)


def fault_error(
    series: pd.Series[Any],
    fault: Fault,
    label: Hashable | None,
    what: str = "column",
    place: str = "row",
    remedy: str = _READ_AGAIN,
) -> InvalidIdError | PrecisionLossError:
    """Return the error for a fault, with the values and where they are."""
    name = f"the {what} of IDs" if label is None else f"{what} {label!r}"
    values = _first_values(series, fault.rows, place)
    if fault.lossy:
        return PrecisionLossError(
            f"{name} is {fault.reason}: digits of {values} are already lost and cannot be restored. "
            f"{remedy}"
        )
    return InvalidIdError(
        f"{name} contains values that are {fault.reason}: {values}. "
        f"Drop or correct these {place}s, or set unknown IDs to NA."
    )
