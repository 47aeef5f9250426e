"""Rows of several IDs as one value per ID, column by column.

A neuron has thousands of synapses, so a value holds the bytes of arrays and no object per row.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
import pandas as pd

from pdneuro.tables.columns import column, objects
from pdneuro.transport.report import ShapeError

#: The dtype of the bytes of a column, by its kind; other columns are lists.
_DTYPES = {"i": np.dtype("<i8"), "f": np.dtype("<f8"), "b": np.dtype("?"), "M": np.dtype("<i8")}
_OTHER = "o"


class _Column(msgspec.Struct, array_like=True):
    """A column of some rows."""

    name: str
    kind: str
    #: Bytes of an array, or a list.
    cells: Any
    #: Bytes of an array that is true where a value is missing; empty if no value is.
    absent: bytes


class _Rows(msgspec.Struct, array_like=True):
    count: int
    columns: list[_Column]


_decode = msgspec.msgpack.Decoder(_Rows).decode


def pack(table: pd.DataFrame, sizes: Sequence[int]) -> list[bytes | None]:
    """Pack the rows of each ID.

    Parameters
    ----------
    table : DataFrame
        The rows, those of an ID next to each other.
    sizes : sequence of int
        Number of rows of each ID.

    Returns
    -------
    list
        None for an ID without rows.

    Examples
    --------
    >>> from pdneuro.cave.packed_rows import pack, unpack
    >>> table = pd.DataFrame({"size": [5, 7, 2], "kind": ["a", None, "b"]})
    >>> unpack(pack(table, [2, 0, 1]))
       size  kind
    0     5     a
    1     7  <NA>
    2     2     b
    """
    columns = [(str(name), *_arrays(table[name])) for name in table.columns]
    ends = np.cumsum(sizes).tolist()
    packed: list[bytes | None] = []
    for start, end in zip([0, *ends], ends, strict=False):
        if start == end:
            packed.append(None)
            continue
        parts = []
        for name, kind, cells, absent in columns:
            own = None if absent is None else absent[start:end]
            lost = b"" if own is None or not own.any() else own.tobytes()
            part = cells[start:end]
            parts.append(_Column(name, kind, part.tolist() if kind == _OTHER else part.tobytes(), lost))
        packed.append(msgspec.msgpack.encode(_Rows(end - start, parts)))
    return packed


def check(bodies: Iterable[bytes | None]) -> None:
    """Raise ShapeError if packed rows are damaged."""
    for body in bodies:
        try:
            rows = _decode(body or b"")
        except msgspec.DecodeError as error:
            raise ShapeError(f"packed rows are damaged: {error}") from error
        for part in rows.columns:
            width = _DTYPES[part.kind].itemsize if part.kind in _DTYPES else 1
            if len(part.cells) != width * rows.count or len(part.absent) not in (0, rows.count):
                raise ShapeError(f"the packed column {part.name!r} does not have {rows.count:,} rows.")


def unpack(bodies: Iterable[bytes | None]) -> pd.DataFrame:
    """Return the rows of all IDs, in their order.

    Integers are int64 (Int64 if one is missing), other numbers Float64, timestamps datetime (UTC).
    """
    parts = [_decode(body) for body in bodies if body is not None]
    names = dict.fromkeys(column.name for part in parts for column in part.columns)
    of_name = [{column.name: column for column in part.columns} for part in parts]
    counts = [part.count for part in parts]
    return pd.DataFrame(
        {name: _joined(name, [own.get(name) for own in of_name], counts) for name in names}, copy=False
    )


def _arrays(cells: pd.Series[Any]) -> tuple[str, npt.NDArray[Any], npt.NDArray[np.bool_] | None]:
    """Return the kind of a column, its values, and where one is missing (None: nowhere)."""
    types = pd.api.types
    absent = cells.isna().to_numpy(bool) if cells.hasnans else None
    kind = (
        "b" if types.is_bool_dtype(cells.dtype)
        else "i" if types.is_integer_dtype(cells.dtype) and cells.dtype not in ("uint64", "UInt64")
        else "f" if types.is_float_dtype(cells.dtype)
        else "M" if types.is_datetime64_any_dtype(cells.dtype)
        else _OTHER
    )  # fmt: skip
    if kind == "M":
        moments = pd.DatetimeIndex(cells)
        moments = moments.tz_localize("UTC") if moments.tz is None else moments.tz_convert("UTC")
        return kind, moments.as_unit("ns").asi8, absent
    if kind == _OTHER:
        values = [cell.tolist() if isinstance(cell, np.ndarray) else cell for cell in cells]
        if absent is not None:
            values = [None if lost else cell for cell, lost in zip(values, absent, strict=True)]
        return kind, objects(values), None
    if absent is None:
        return kind, np.ascontiguousarray(cells.to_numpy(_DTYPES[kind])), None
    return kind, cells.astype(object).where(~absent, 0).to_numpy(_DTYPES[kind]), absent


def _joined(name: str, parts: Sequence[_Column | None], counts: Sequence[int]) -> Any:
    """Return the cells of a column of all IDs; an ID without the column has missing values."""
    kinds = {part.kind for part in parts if part is not None}
    if kinds == {"i", "f"}:  # a response without fractions has integers
        kinds = {"f"}
    if len(kinds) > 1 or kinds == {_OTHER}:
        return column([cell for pair in zip(parts, counts, strict=True) for cell in _list(*pair)], name,
                      timestamps=True)  # fmt: skip
    kind = kinds.pop()
    dtype = _DTYPES[kind]
    if all(part is not None and part.kind == kind for part in parts):
        values = np.frombuffer(b"".join(part.cells for part in parts if part is not None), dtype)
    else:
        values = np.concatenate(
            [
                np.zeros(count, dtype) if part is None
                else np.frombuffer(part.cells, _DTYPES[part.kind]).astype(dtype)
                for part, count in zip(parts, counts, strict=True)
            ]
        )  # fmt: skip
    absent = np.frombuffer(
        b"".join(
            b"\1" * count if part is None else part.absent or bytes(count)
            for part, count in zip(parts, counts, strict=True)
        ),
        bool,
    )
    if kind == "M":
        moments = pd.Series(values.astype("M8[ns]")).dt.tz_localize("UTC")
        return moments.mask(absent).array
    if kind == "f":
        return pd.arrays.FloatingArray(values.astype(np.float64), absent | np.isnan(values))
    if not absent.any():
        return values.astype(dtype.type)
    nullable = pd.arrays.BooleanArray if kind == "b" else pd.arrays.IntegerArray
    return nullable(values.astype(dtype.type), absent.copy())


def _list(part: _Column | None, count: int) -> list[Any]:
    if part is None:
        return [None] * count
    if part.kind == _OTHER:
        return list(part.cells)
    cells = np.frombuffer(part.cells, _DTYPES[part.kind]).tolist()
    absent = part.absent or bytes(count)
    return [None if lost else cell for cell, lost in zip(cells, absent, strict=True)]
