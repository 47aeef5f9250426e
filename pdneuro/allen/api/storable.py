"""Frames as text and back, with nothing lost: dtypes, index, missing values, what is nested."""

from __future__ import annotations

import json
from collections.abc import Callable, Hashable, Sequence
from typing import Any

import numpy as np
import pandas as pd

from pdneuro.errors import CacheError

#: One entry a cell; None where the cell is missing.
Texts = list[str | None]
Schema = dict[str, Any]

_NAN, _NA, _NAT = {"$": "nan"}, {"$": "NA"}, {"$": "NaT"}


def dump(frame: pd.DataFrame) -> tuple[Schema, list[Texts]]:
    """A frame as columns of text, and what it takes to read them back.

    Parameters
    ----------
    frame : DataFrame
        Numbers, booleans, text, dates, categories, and cells that JSON can hold.

    Returns
    -------
    schema : dict
        JSON-only.
    columns : list of list of str or None
        The index levels first.

    Raises
    ------
    CacheError
        A column holds what cannot be read back as it is; names it.
    """
    levels = [frame.index.get_level_values(place) for place in range(frame.index.nlevels)]
    is_range = isinstance(frame.index, pd.RangeIndex)
    columns = [] if is_range else [_dumped(level, level.name) for level in levels]
    columns += [_dumped(frame.iloc[:, place], name) for place, name in enumerate(frame.columns)]
    try:
        schema = {
            "rows": len(frame),
            "range": [frame.index.start, frame.index.step] if is_range else None,  # type: ignore[attr-defined]
            "index": [_plain(name) for name in frame.index.names],
            "levels": 0 if is_range else len(levels),
            "multi": isinstance(frame.index, pd.MultiIndex),
            "columns": [_plain(name) for name in frame.columns],
            "columns_name": _plain(frame.columns.name),
            "columns_dtype": _dtype(frame.columns.dtype),
            "kinds": [kind for kind, _ in columns],
            "attrs": json.loads(json.dumps(frame.attrs)),
        }
    except (TypeError, ValueError) as error:
        raise CacheError(f"the table's column names or attrs cannot be kept: {error}.") from error
    return schema, [texts for _, texts in columns]


def load(schema: Schema, columns: Sequence[Texts]) -> pd.DataFrame:
    """The frame that :func:`dump` was given."""
    # As series: a bare array of objects would be taken for text where it holds only text and None.
    cells = [_loaded(kind, texts) for kind, texts in zip(schema["kinds"], columns, strict=True)]
    count = schema["levels"]
    if schema["range"] is not None:
        start, step = schema["range"]
        stop = start + step * schema["rows"]
        index: pd.Index[Any] = pd.RangeIndex(start, stop, step, name=schema["index"][0])
    elif schema["multi"]:
        index = pd.MultiIndex.from_arrays(
            [pd.Index(level, dtype=level.dtype) for level in cells[:count]], names=schema["index"]
        )
    else:
        index = pd.Index(cells[0], name=schema["index"][0], dtype=cells[0].dtype)
    frame = pd.DataFrame(
        {place: part.set_axis(index) for place, part in enumerate(cells[count:])}, index
    )
    names = pd.Index(schema["columns"], name=schema["columns_name"], dtype=object)
    frame.columns = names.astype(_dtype_of(schema["columns_dtype"]))
    frame.attrs = schema["attrs"]
    return frame


def _plain(name: Hashable) -> Any:
    if name is None or isinstance(name, str | bool | int | float):
        return name
    if isinstance(name, np.integer | np.floating):
        return name.item()
    raise CacheError(f"a column or index is called {name!r}, which cannot be kept; use text or numbers.")


def _dumped(values: Any, name: Hashable) -> tuple[Schema, Texts]:
    dtype = values.dtype
    if isinstance(dtype, pd.CategoricalDtype):
        categories, texts = _dumped(dtype.categories, name)
        codes = values.codes if isinstance(values, pd.CategoricalIndex) else values.cat.codes
        kind = {"is": "category", "of": categories, "labels": texts, "ordered": bool(dtype.ordered)}
        return kind, [None if code < 0 else str(code) for code in codes]
    missing = np.asarray(values.isna())
    for word, fits, write in _WRITERS:
        if fits(dtype):
            cells = write(values)
            # NaN among floats is a number of its own; elsewhere missing is missing.
            keep = (
                np.zeros(len(missing), bool)
                if word == "float" and isinstance(dtype, np.dtype)
                else missing
            )
            texts = [None if lost else cell for cell, lost in zip(cells, keep, strict=True)]
            return {"is": word, "dtype": _dtype(dtype)}, texts
    if pd.api.types.is_object_dtype(dtype):
        return {"is": "json", "dtype": "object"}, [_json(cell, name) for cell in values]
    raise CacheError(f"column {name!r} is {dtype}, which cannot be kept as it is; convert it first.")


def _json(cell: Any, name: Hashable) -> str:
    if cell is pd.NA:
        cell = _NA
    elif cell is pd.NaT:
        cell = _NAT
    elif isinstance(cell, float) and cell != cell:
        cell = _NAN
    try:
        text = json.dumps(cell)
        kept = same(json.loads(text), cell)
    except (TypeError, ValueError):
        kept = False
    if not kept:
        raise CacheError(
            f"column {name!r} holds a {type(cell).__name__}, {cell!r:.80}, which cannot be kept as it "
            "is; lists, dicts, text, numbers and None can."
        )
    return text


def same(read: Any, cell: Any) -> bool:
    """Equal, and of the same types throughout."""
    if type(read) is not type(cell):
        return False
    if isinstance(read, dict):
        return read.keys() == cell.keys() and all(same(read[key], cell[key]) for key in read)
    if isinstance(read, list):
        return len(read) == len(cell) and all(map(same, read, cell))
    return bool(read == cell)


def _from_json(text: str | None) -> Any:
    cell = json.loads(text or "null")
    if isinstance(cell, dict) and cell.keys() == {"$"}:
        return {"nan": float("nan"), "NA": pd.NA, "NaT": pd.NaT}.get(cell["$"], cell)
    return cell


def _loaded(kind: Schema, texts: Texts) -> pd.Series[Any]:
    cells = _cells(kind, texts)
    series: pd.Series[Any] = pd.Series(cells, dtype=cells.dtype)
    return series


def _cells(kind: Schema, texts: Texts) -> Any:
    if kind["is"] == "category":
        labels = _loaded(kind["of"], kind["labels"])
        labels = pd.Index(labels, dtype=labels.dtype)
        codes = [-1 if text is None else int(text) for text in texts]
        return pd.Categorical.from_codes(codes, labels, ordered=kind["ordered"])
    if kind["is"] == "json":
        cells = np.empty(len(texts), object)
        cells[:] = [_from_json(text) for text in texts]
        return cells
    dtype = _dtype_of(kind["dtype"])
    missing = np.array([text is None for text in texts], bool)
    if kind["is"] == "text":
        return pd.array([None if text is None else text for text in texts], dtype=dtype)
    if kind["is"] == "time":
        numbers = np.array([_NAT_NUMBER if text is None else int(text) for text in texts], np.int64)
        unit = np.datetime_data(_numpy_base(dtype))[0]
        letter = "m" if str(dtype).startswith("timedelta") else "M"
        values = pd.Series(numbers.view(f"{letter}8[{unit}]"))
        if isinstance(dtype, pd.DatetimeTZDtype):
            values = values.dt.tz_localize("UTC").dt.tz_convert(dtype.tz)
        return values.array
    read: Any = {"int": int, "float": float, "bool": "true".__eq__}[kind["is"]]
    base = np.dtype(dtype) if isinstance(dtype, np.dtype) else dtype.numpy_dtype
    cells = np.array([read(text) if text is not None else read("0") for text in texts], base)
    if isinstance(dtype, np.dtype):
        return cells
    array = {"i": pd.arrays.IntegerArray, "u": pd.arrays.IntegerArray, "f": pd.arrays.FloatingArray}
    return array.get(base.kind, pd.arrays.BooleanArray)(cells, missing)


_NAT_NUMBER = np.iinfo(np.int64).min


def _numpy_base(dtype: Any) -> Any:
    return np.dtype(f"M8[{dtype.unit}]") if isinstance(dtype, pd.DatetimeTZDtype) else dtype


def _dtype(dtype: Any) -> Any:
    if isinstance(dtype, pd.StringDtype):
        return {"string": dtype.storage, "nan": dtype.na_value is not pd.NA}
    return str(dtype)


def _dtype_of(written: Any) -> Any:
    if isinstance(written, dict):
        # pandas 2.2 knows no other missing text than NA.
        how = {"na_value": np.nan} if written["nan"] else {}
        return pd.StringDtype(written["string"], **how)
    return pd.api.types.pandas_dtype(written)


def _is_plain(dtype: Any) -> bool:
    """NumPy's own, or pandas' nullable ones: Int64, Float64, boolean."""
    return isinstance(dtype, np.dtype) or (hasattr(dtype, "numpy_dtype") and not _is_arrow(dtype))


def _is_arrow(dtype: Any) -> bool:
    return isinstance(dtype, pd.ArrowDtype)


def _numbers(values: Any, missing: Any) -> list[Any]:
    """Python's own numbers; ``missing`` where a nullable column has none. NaN stays NaN."""
    if isinstance(values.dtype, np.dtype):
        plain: list[Any] = values.to_numpy().tolist()
        return plain
    found: list[Any] = pd.Series(values).to_numpy(dtype=object, na_value=missing).tolist()
    return found


_Writer = tuple[str, Callable[[Any], bool], Callable[[Any], list[str]]]
_WRITERS: tuple[_Writer, ...] = (
    (
        "bool",
        lambda dtype: _is_plain(dtype) and pd.api.types.is_bool_dtype(dtype),
        lambda values: ["true" if cell else "false" for cell in _numbers(values, False)],
    ),
    (
        "int",
        lambda dtype: _is_plain(dtype) and pd.api.types.is_integer_dtype(dtype),
        lambda values: [str(int(cell)) for cell in _numbers(values, 0)],
    ),
    (
        "float",
        lambda dtype: _is_plain(dtype) and pd.api.types.is_float_dtype(dtype),
        lambda values: [repr(float(cell)) for cell in _numbers(values, 0.0)],
    ),
    (
        "time",
        lambda dtype: (
            isinstance(dtype, pd.DatetimeTZDtype) or (isinstance(dtype, np.dtype) and dtype.kind in "mM")
        ),
        lambda values: [str(number) for number in pd.Index(values).asi8],  # type: ignore[attr-defined]
    ),
    (
        "text",
        lambda dtype: isinstance(dtype, pd.StringDtype),
        lambda values: ["" if cell is None else cell for cell in _numbers(values, None)],
    ),
)
