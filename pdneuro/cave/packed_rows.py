"""Rows of several IDs as one value per ID, column by column.

A neuron has thousands of synapses, so a value holds the bytes of arrays, and no object per row. Most
neurons have one row in another table, so a value of a simple table is a record, and no array per column.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt
import pandas as pd

from pdneuro.tables.columns import column, objects
from pdneuro.transport.report import ShapeError

#: The dtype of the bytes of a column, by its kind; a column of another kind is a list.
_DTYPES: dict[str, np.dtype[Any]] = {
    "int": np.dtype("<i8"),
    "int32": np.dtype("<i4"),
    "float": np.dtype("<f8"),
    "bool": np.dtype("?"),
    "time": np.dtype("<i8"),
}
_LIST = "list"
_INT32 = np.iinfo(np.int32)


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


#: Maximum number of bytes of a text in a record.
_LONGEST_TEXT = 64
_HEAD = msgspec.msgpack.Decoder(list[tuple[str, str]])


class Records(NamedTuple):
    """Rows of some IDs, one after the other."""

    #: Positions of the IDs, and the number of rows of each.
    places: npt.NDArray[np.intp]
    sizes: npt.NDArray[np.intp]
    #: Text is bytes.
    columns: dict[str, npt.NDArray[Any]]


_decode = msgspec.msgpack.Decoder(_Rows).decode


def pack(
    table: Mapping[str, Any], order: npt.NDArray[np.intp], sizes: Sequence[int]
) -> list[bytes | None]:
    """Pack the rows of each ID.

    Parameters
    ----------
    table : mapping
        Columns by name: Series, or arrays of int64.
    order : array of int
        Positions of the rows, those of an ID next to each other.
    sizes : sequence of int
        Number of rows of each ID.

    Returns
    -------
    list
        None for an ID without rows.

    Examples
    --------
    >>> from pdneuro.cave.packed_rows import pack, unpack
    >>> table = {"size": np.array([2, 5, 7]), "score": pd.Series([0.5, None, 1])}
    >>> sizes, columns = unpack(pack(table, np.array([1, 2, 0]), [2, 0, 1]))
    >>> sizes, columns["size"].tolist()
    ([2, 0, 1], [5, 7, 2])
    """
    columns = []
    for name, whole in table.items():
        kind, cells, absent = _arrays(whole)
        columns.append((name, kind, cells[order], None if absent is None else absent[order]))
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
            parts.append((name, kind, part.tolist() if kind == _LIST else part.tobytes(), lost))
        packed.append(msgspec.msgpack.encode((end - start, parts)))
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


def unpack(bodies: Iterable[bytes | None]) -> tuple[list[int], dict[str, Any]]:
    """Return the number of rows of each ID, and the columns of the rows of all IDs, in their order.

    Integers are int64 (Int64 if one is missing), other numbers Float64, timestamps datetime (UTC).
    """
    whole = [None if body is None else _decode(body) for body in bodies]
    sizes = [0 if part is None else part.count for part in whole]
    parts = [part for part in whole if part is not None]
    counts = [part.count for part in parts]
    schemas = [[column.name for column in part.columns] for part in parts]
    names = dict.fromkeys(name for schema in schemas for name in schema)
    if all(schema == schemas[0] for schema in schemas):
        by_place = zip(*(part.columns for part in parts), strict=True)
        return sizes, {
            name: _joined(name, own, counts) for name, own in zip(names, by_place, strict=True)
        }
    of_name = [{column.name: column for column in part.columns} for part in parts]
    return sizes, {name: _joined(name, [own.get(name) for own in of_name], counts) for name in names}


# -- records ---------------------------------------------------------------------------------------


def pack_records(
    table: pd.DataFrame, order: npt.NDArray[np.intp], sizes: npt.NDArray[np.intp]
) -> list[bytes] | None:
    """Pack the rows of each ID as records; None if a column needs another form.

    Parameters
    ----------
    table : DataFrame
    order : array of int
        Positions of the rows, those of an ID next to each other.
    sizes : array of int
        Number of rows of each ID.

    Examples
    --------
    >>> from pdneuro.cave.packed_rows import one_record_each, pack_records
    >>> table = pd.DataFrame({"id": [5, 6], "cell_type": ["23P", "BC"]})
    >>> packed = pack_records(table, np.array([1, 0]), np.array([1, 1]))
    >>> one_record_each(packed)["cell_type"].tolist()
    ['BC', '23P']
    """
    columns = {str(name): _cells_of_record(cells) for name, cells in table.items()}
    if not columns or any(cells is None for cells in columns.values()):
        return None
    head = [(name, cells.dtype.str) for name, cells in columns.items() if cells is not None]
    records = np.empty(len(table), [(f"c{place}", kind) for place, (_, kind) in enumerate(head)])
    for place, cells in enumerate(columns.values()):
        records[f"c{place}"] = cells
    encoded = msgspec.msgpack.encode(head)
    prefix, data = len(encoded).to_bytes(4, "little") + encoded, records[order].tobytes()
    ends = (records.itemsize * np.cumsum(sizes)).tolist()
    return [prefix + data[start:end] for start, end in pairwise([0, *ends])]


def unpack_records(bodies: Sequence[bytes]) -> Iterator[Records]:
    """Return the records of IDs, those with the same columns together.

    Raises
    ------
    ShapeError
        A body is damaged.
    """
    places: dict[bytes, list[int]] = {}
    prefix, own = b"", [0]
    for place, body in enumerate(bodies):
        if not prefix or not body.startswith(prefix):
            prefix = body[: 4 + int.from_bytes(body[:4], "little")]
            own = places.setdefault(prefix, [])
        own.append(place)
    for prefix, own in places.items():
        try:
            head = _HEAD.decode(prefix[4:])
            if not head:
                raise ShapeError("they have no columns.")
            dtype = np.dtype([(f"c{place}", kind) for place, (_, kind) in enumerate(head)])
            parts = [bodies[place][len(prefix) :] for place in own]
            sizes, rest = np.divmod([*map(len, parts)], dtype.itemsize)
            if rest.any():
                raise ShapeError("a record is truncated.")
            records = np.frombuffer(b"".join(parts), dtype)
            columns = {name: records[f"c{place}"] for place, (name, _) in enumerate(head)}
            for cells in columns.values():
                if cells.dtype.kind == "S":
                    cells.tobytes().decode()  # raises an error if the text is damaged
        except (msgspec.DecodeError, TypeError, ValueError) as error:
            raise ShapeError(f"packed records are damaged: {error}") from error
        yield Records(np.array(own), sizes, columns)


def one_record_each(bodies: Sequence[bytes]) -> dict[str, Any] | None:
    """Return the columns of IDs with one row each; None if some have more, or other columns."""
    parts = list(unpack_records(bodies))
    names = [*parts[0].columns] if parts else []
    if not all([*part.columns] == names and (part.sizes == 1).all() for part in parts):
        return None
    order = np.argsort(np.concatenate([part.places for part in parts])) if parts else None
    return {
        name: _typed(np.concatenate([part.columns[name] for part in parts])[order], name)
        for name in names
    }


def _typed(cells: npt.NDArray[Any], name: str) -> Any:
    """Return a column of records with the dtype of its values; text of timestamps is datetime (UTC)."""
    if cells.dtype.kind == "S":
        return column(plain(cells), name, timestamps=True)
    return pd.arrays.FloatingArray(cells, np.isnan(cells)) if cells.dtype.kind == "f" else cells


def plain(cells: npt.NDArray[Any]) -> list[Any]:
    """Return a column of records as Python values, None for NaN."""
    if cells.dtype.kind == "S":
        return [text.decode() for text in cells.tolist()]
    if cells.dtype.kind == "f" and np.isnan(cells).any():
        return [None if value != value else value for value in cells.tolist()]
    values: list[Any] = cells.tolist()
    return values


def _cells_of_record(cells: pd.Series[Any]) -> npt.NDArray[Any] | None:
    """Return the cells of a column as numbers or as bytes of text; None if some are anything else."""
    kind = cells.dtype.kind if isinstance(cells.dtype, np.dtype) else ""
    if kind and kind in "ifb":
        return cells.to_numpy({"i": "<i8", "f": "<f8", "b": "?"}[kind])
    values = cells.tolist()
    if set(map(type, values)) != {str}:
        return None
    texts = [value.encode() for value in values]
    longest = max(map(len, texts))
    if longest > _LONGEST_TEXT or any(text.endswith(b"\0") for text in texts):
        return None
    # Few widths, so that the records of most batches are of one kind.
    return np.array(texts, f"S{max(8, 1 << (longest - 1).bit_length())}")


# -- inside ----------------------------------------------------------------------------------------


def _arrays(cells: Any) -> tuple[str, npt.NDArray[Any], npt.NDArray[np.bool_] | None]:
    """Return the kind of a column, its values, and where one is missing (None: nowhere)."""
    dtype, types = cells.dtype, pd.api.types
    if isinstance(dtype, np.dtype) and dtype.kind in "ib":
        return _compact(np.asarray(cells), None)
    cells = cells.array  # each step on a Series costs several times as much
    absent = cells.isna()
    lost = absent if absent.any() else None
    if types.is_datetime64_any_dtype(dtype):
        moments = pd.DatetimeIndex(cells)
        moments = moments.tz_localize("UTC") if moments.tz is None else moments.tz_convert("UTC")
        return "time", moments.as_unit("ns").asi8, lost
    if types.is_float_dtype(dtype):
        return "float", cells.to_numpy(np.float64, na_value=np.nan), lost
    if types.is_bool_dtype(dtype) and dtype.name == "boolean":
        return _compact(cells.to_numpy(bool, na_value=False), lost)
    if types.is_signed_integer_dtype(dtype):
        return _compact(cells.to_numpy(np.int64, na_value=0), lost)
    values = [cell.tolist() if isinstance(cell, np.ndarray) else cell for cell in cells]
    return (
        _LIST,
        objects(None if gone else cell for cell, gone in zip(values, absent, strict=True)),
        None,
    )


def _compact(
    values: npt.NDArray[Any], absent: npt.NDArray[np.bool_] | None
) -> tuple[str, npt.NDArray[Any], npt.NDArray[np.bool_] | None]:
    """Return integers in half the bytes if they fit."""
    if values.dtype.kind == "b":
        return "bool", values, absent
    fits = not len(values) or (values.min() >= _INT32.min and values.max() <= _INT32.max)
    kind = "int32" if fits else "int"
    return kind, values.astype(_DTYPES[kind], copy=False), absent


def _joined(name: str, parts: Sequence[_Column | None], counts: Sequence[int]) -> Any:
    """Return the cells of a column of all IDs; an ID without the column has missing values."""
    kinds = {part.kind for part in parts if part is not None}
    if len(kinds) == 1 and None not in parts and kinds <= _DTYPES.keys():
        stored = _DTYPES[kinds.copy().pop()]
        values = np.frombuffer(b"".join(part.cells for part in parts if part is not None), stored)
    elif kinds <= {"int", "int32", "float"} or kinds <= {"bool"}:
        stored = max(
            (_DTYPES[kind] for kind in kinds), key=lambda dtype: (dtype.kind == "f", dtype.itemsize)
        )
        values = np.concatenate(
            [_numbers(part, count, stored) for part, count in zip(parts, counts, strict=True)]
        )
    else:
        cells = [c for part, count in zip(parts, counts, strict=True) for c in _list(part, count)]
        return column(cells, name, timestamps=True)
    absent = _absent(parts, counts)
    if kinds == {"time"}:
        moments = pd.Series(values.astype("M8[ns]")).dt.tz_localize("UTC")
        return (moments if absent is None else moments.mask(absent)).array
    if values.dtype.kind == "f":
        lost = np.isnan(values) if absent is None else absent | np.isnan(values)
        return pd.arrays.FloatingArray(values.astype(np.float64), lost)
    whole = values.astype(bool if kinds == {"bool"} else np.int64)
    if absent is None:
        return whole
    return (pd.arrays.BooleanArray if kinds == {"bool"} else pd.arrays.IntegerArray)(whole, absent)


def _absent(parts: Sequence[_Column | None], counts: Sequence[int]) -> npt.NDArray[np.bool_] | None:
    """Return where a value is missing, None if nowhere."""
    if not any(part is None or part.absent for part in parts):
        return None
    pairs = zip(parts, counts, strict=True)
    rows = [b"\1" * count if part is None else part.absent or bytes(count) for part, count in pairs]
    return np.frombuffer(b"".join(rows), bool).copy()


def _numbers(part: _Column | None, count: int, dtype: np.dtype[Any]) -> npt.NDArray[Any]:
    if part is None:
        return np.zeros(count, dtype)
    return np.frombuffer(part.cells, _DTYPES[part.kind]).astype(dtype, copy=False)


def _list(part: _Column | None, count: int) -> list[Any]:
    """Return the cells of a column as objects, None where one is missing."""
    if part is None:
        return [None] * count
    if part.kind == _LIST:
        return list(part.cells)
    cells = np.frombuffer(part.cells, _DTYPES[part.kind])
    shown = cells.astype("M8[ns]").astype(str).tolist() if part.kind == "time" else cells.tolist()
    absent = part.absent or bytes(count)
    return [None if lost else cell for cell, lost in zip(shown, absent, strict=True)]
