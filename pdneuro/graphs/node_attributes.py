"""Attributes of nodes and edges: values that graph files hold, under names that programs accept."""

from __future__ import annotations

import contextlib
import datetime
import decimal
import gc
import json
import numbers
import re
import unicodedata
from collections.abc import Collection, Hashable, Iterable, Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd

from pdneuro.tables import roles
from pdneuro.tables.foreign import to_pandas
from pdneuro.tables.node_names import Nodes, node_array

#: Characters that neither XML nor UTF-8 holds.
_UNWRITABLE = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def node_table(
    nodes: pd.DataFrame, on: Hashable | None = None, *, like: Nodes
) -> tuple[Nodes, pd.DataFrame]:
    """Return the IDs of a table of neurons, and its other columns, without missing IDs.

    The neurons have names instead of IDs if those of the edges, ``like``, have names.

    Raises
    ------
    ValueError
        A neuron appears in several rows.
    """
    nodes = to_pandas(nodes)
    column = roles.id_column(nodes, on)
    ids, missing = node_array(column, like)
    others = nodes.drop(columns=[column.name] if column.name in nodes.columns else [])
    if missing is not None:
        ids, others = ids[~missing], others[~missing]
    index = pd.Index(ids)
    if not index.is_unique:
        raise ValueError(
            f"neuron {index[index.duplicated()][0]} appears in several rows of the nodes. Keep one, for "
            "example with .drop_duplicates()."
        )
    return ids, others


def attribute_names(
    names: Iterable[Hashable], reserved: Collection[str], *, ascii_only: bool = False
) -> list[str]:
    """Return names of attributes that a program accepts, and that differ without regard to case.

    Parameters
    ----------
    names : iterable of hashable
        Names of columns.
    reserved : collection of str
        Lowercase names that the program uses for itself. A column of such a name gets the suffix
        ``_original``.
    ascii_only : bool, default False
        Use only the letters, digits and underscores that GML accepts.

    >>> attribute_names(["ID", "size", "Size", "cell type"], {"id"}, ascii_only=True)
    ['ID_original', 'size', 'Size_2', 'cell_type']
    """
    taken = set(reserved)
    accepted = []
    for name in map(str, names):
        text = _UNWRITABLE.sub("\ufffd", name)
        if ascii_only:
            plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
            text = re.sub("[^0-9A-Za-z_]+", "_", plain if plain.strip() else text)
            text = text if re.match("[A-Za-z]", text) else f"column_{text.lstrip('_')}"
        base = text = f"{text}_original" if text.casefold() in reserved else text
        number = 2
        while text.casefold() in taken:
            text, number = f"{base}_{number}", number + 1
        taken.add(text.casefold())
        accepted.append(text)
    return accepted


def file_column(column: pd.Series[Any]) -> pd.Series[Any]:
    """Return the column with values that graph files hold; numbers keep their dtype."""
    if _is_plain(column.dtype):
        return column
    return pd.Series(file_values(column), index=column.index, name=column.name, dtype=object)


def file_values(column: pd.Series[Any]) -> list[Any]:
    """Return a column as bool, int, float and str, which each graph file holds; None if missing.

    Dates, times, periods and durations become ISO text; lists, arrays and mappings become JSON text.
    """
    if _is_plain(column.dtype):
        missing = column.isna()
        values = column.tolist()
        return (
            [None if absent else value for value, absent in zip(values, missing.tolist(), strict=True)]
            if missing.any()
            else values
        )
    if pd.api.types.is_object_dtype(column.dtype):
        return [_file_value(value) for value in column.tolist()]
    # Text and dates repeat, so each distinct value is converted once.
    codes, distinct = pd.factorize(column)
    converted = np.empty(len(distinct) + 1, object)
    converted[:-1] = [_file_value(value) for value in pd.Series(distinct).tolist()]
    return converted[codes].tolist()  # type: ignore[no-any-return]


def _is_plain(dtype: Any) -> bool:
    """Return True for booleans, integers and floats that ``tolist()`` converts to Python values."""
    if pd.api.types.is_complex_dtype(dtype) or (
        pd.api.types.is_float_dtype(dtype) and dtype.itemsize > 8
    ):
        return False
    return pd.api.types.is_bool_dtype(dtype) or pd.api.types.is_numeric_dtype(dtype)


def _file_value(value: Any) -> Any:
    """Return a value as bool, int, float or str; None if it is missing."""
    if isinstance(value, str):
        return _UNWRITABLE.sub("\ufffd", value)
    if isinstance(value, bool | np.bool_):
        return bool(value)
    if isinstance(value, Mapping | list | tuple | set | frozenset | np.ndarray | pd.Series | pd.Index):
        return _UNWRITABLE.sub("\ufffd", json.dumps(_json_value(value), ensure_ascii=False))
    if value is None or value is pd.NA or pd.isna(value):
        return None
    if isinstance(value, numbers.Integral):
        return int(value)
    if isinstance(value, decimal.Decimal) and value.is_finite() and value == int(value):
        return int(value)  # a float would round a long ID
    if isinstance(value, numbers.Real | decimal.Decimal):
        return float(value)
    if isinstance(value, np.datetime64 | np.timedelta64):
        value = pd.Timestamp(value) if isinstance(value, np.datetime64) else pd.Timedelta(value)
    if isinstance(value, datetime.timedelta):
        return pd.Timedelta(value).isoformat()
    if isinstance(value, datetime.date | datetime.time):
        return value.isoformat()
    return _file_value(value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value))


def _json_value(value: Any) -> Any:
    """Return a value, or the items of a list or a mapping, as JSON holds them."""
    if isinstance(value, Mapping):
        return {str(name): _json_value(item) for name, item in value.items()}
    if isinstance(value, set | frozenset):
        return sorted(map(_json_value, value), key=str)
    if isinstance(value, list | tuple | np.ndarray | pd.Series | pd.Index):
        return [_json_value(item) for item in (value.tolist() if hasattr(value, "tolist") else value)]
    plain = _file_value(value)
    return str(plain) if isinstance(plain, float) and not np.isfinite(plain) else plain


def records(columns: pd.DataFrame) -> list[dict[str, Any]]:
    """Return one dict of values that files hold per row, without missing values."""
    rows: list[dict[str, Any]] = [{} for _ in range(len(columns))]
    for position, name in enumerate(columns.columns):
        for row, value in zip(rows, file_values(columns.iloc[:, position]), strict=True):
            if value is not None:
                row[str(name)] = value
    return rows


@contextlib.contextmanager
def garbage_collector_paused() -> Iterator[None]:
    """Pause garbage collection, which is slow while millions of dicts are created."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
