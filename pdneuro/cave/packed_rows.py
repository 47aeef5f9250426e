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


#: Name of the field of records that is true where the value of the field before it is missing.
_MISSING = ""
#: Maximum number of bytes of a text in a record.
_LONGEST_TEXT = 64
_HEAD = msgspec.msgpack.Decoder(list[tuple[str, str]])


class Cells(NamedTuple):
    """A column of records. Text is bytes; a missing number is NaN, a missing timestamp NaT."""

    values: npt.NDArray[Any]
    #: Where any other value is missing; None if nowhere.
    missing: npt.NDArray[np.bool_] | None


class Records(NamedTuple):
    """Rows of some IDs, one after the other."""

    #: Positions of the IDs, and the number of rows of each.
    places: npt.NDArray[np.intp]
    sizes: npt.NDArray[np.intp]
    columns: dict[str, Cells]


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
    parts: list[tuple[str, npt.NDArray[Any]]] = []
    for name, cells in table.items():
        found = _cells_of_record(cells)
        if found is None or not str(name):
            return None
        parts.append((str(name), found.values))
        if found.missing is not None:
            parts.append((_MISSING, found.missing))
    if not parts:
        return None
    kinds = [(f"c{place}", values.dtype.str) for place, (_, values) in enumerate(parts)]
    records = np.empty(len(table), kinds)
    for place, (_, values) in enumerate(parts):
        records[f"c{place}"] = values
    encoded = msgspec.msgpack.encode([(name, values.dtype.str) for name, values in parts])
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
        mine = bodies if len(own) == len(bodies) else [bodies[place] for place in own]
        try:
            names, kinds = zip(*_HEAD.decode(prefix[4:]), strict=True)
            dtype = np.dtype([(f"c{place}", kind) for place, kind in enumerate(kinds)])
            sizes, rest = np.divmod(np.array([*map(len, mine)]) - len(prefix), dtype.itemsize)
            if rest.any():
                raise ShapeError("a record is truncated.")
            if (sizes == 1).all():  # no need to cut each body
                whole = np.dtype([("prefix", f"V{len(prefix)}"), ("record", dtype)])
                records = np.frombuffer(b"".join(mine), whole)["record"]
            else:
                records = np.frombuffer(b"".join(body[len(prefix) :] for body in mine), dtype)
            columns = {}
            for place, (name, following) in enumerate(zip(names, (*names[1:], ""), strict=True)):
                if name != _MISSING:
                    has_missing = following == _MISSING and place + 1 < len(names)
                    missing = records[f"c{place + 1}"].astype(bool) if has_missing else None
                    columns[name] = Cells(records[f"c{place}"], missing)
            for cells in columns.values():
                if cells.values.dtype.kind == "S":
                    cells.values.tobytes().decode()  # raises an error if the text is damaged
        except (msgspec.DecodeError, TypeError, ValueError) as error:
            raise ShapeError(f"packed records are damaged: {error}") from error
        yield Records(np.array(own), sizes, columns)


def one_record_each(bodies: Sequence[bytes]) -> dict[str, Any] | None:
    """Return the columns of IDs with one row each; None if some have more, or other columns."""
    parts = list(unpack_records(bodies))
    if not parts:
        return {}
    kinds = [[(name, cells.values.dtype.kind) for name, cells in part.columns.items()] for part in parts]
    if not all(
        own == kinds[0] and (part.sizes == 1).all() for own, part in zip(kinds, parts, strict=True)
    ):
        return None
    order = np.argsort(np.concatenate([part.places for part in parts]))
    found = {}
    for name in parts[0].columns:
        cells = [part.columns[name] for part in parts]
        values, missing = np.concatenate([part.values for part in cells])[order], None
        if any(part.missing is not None for part in cells):
            missing = np.concatenate([_missing(part) for part in cells])[order]
        found[name] = _typed(Cells(values, missing), name)
    return found


def _missing(cells: Cells) -> npt.NDArray[np.bool_]:
    return np.zeros(len(cells.values), bool) if cells.missing is None else cells.missing


def _typed(cells: Cells, name: str) -> Any:
    """Return a column of records with the dtype of its values; text of timestamps is datetime (UTC)."""
    values, missing = cells
    kind = values.dtype.kind
    if kind == "S":
        known = slice(None) if missing is None else ~missing
        codes = np.full(len(values), -1)
        codes[known], distinct = pd.factorize(values[known].astype(object))
        texts = [text.decode() for text in distinct]
        # The code of a missing text is -1.
        return column(texts if missing is None else [*texts, None], name, timestamps=True).take(codes)
    if kind == "M":
        return pd.Series(values).dt.tz_localize("UTC").array
    if kind == "f":
        return pd.arrays.FloatingArray(values, np.isnan(values))
    if missing is None:
        return values
    return (pd.arrays.BooleanArray if kind == "b" else pd.arrays.IntegerArray)(values, missing)


def plain(cells: Cells) -> list[Any]:
    """Return a column of records as Python values, None where one is missing; timestamps are text."""
    values, missing = cells
    if values.dtype.kind == "S":
        found: list[Any] = [text.decode() for text in values.tolist()]
    elif values.dtype.kind == "M":
        moments = pd.Series(values).dt.tz_localize("UTC")
        found, missing = [moment.isoformat() for moment in moments], moments.isna().to_numpy()
    else:
        found = values.tolist()
        missing = np.isnan(values) if values.dtype.kind == "f" else missing
    if missing is None or not missing.any():
        return found
    return [None if lost else value for value, lost in zip(found, missing.tolist(), strict=True)]


def _cells_of_record(cells: pd.Series[Any]) -> Cells | None:
    """Return a column as numbers, timestamps or bytes of text; None if some cells are anything else."""
    if cells.dtype != object and not isinstance(cells.dtype, pd.StringDtype):
        try:
            kind, values, missing = _arrays(cells)
        except pd.errors.OutOfBoundsDatetime:  # a time that nanoseconds cannot hold
            return None
        if kind == "time":
            return Cells(values.view("M8[ns]"), None)
        if kind == _LIST:
            return None
        dtype = _DTYPES["int" if kind == "int32" else kind]
        return Cells(values.astype(dtype, copy=False), None if kind == "float" else missing)
    missing = cells.isna().to_numpy()
    given = cells.tolist()
    if missing.any():
        given = ["" if lost else value for value, lost in zip(given, missing.tolist(), strict=True)]
    if not set(map(type, given)) <= {str}:
        return None
    encoded = {text: text.encode() for text in set(given)}  # a text is often in many rows
    longest = max(map(len, encoded.values()), default=0)
    if longest > _LONGEST_TEXT or any(text.endswith(b"\0") for text in encoded.values()):
        return None
    # Few widths, so that the records of most batches are of one kind.
    width = max(8, 1 << (longest - 1).bit_length())
    texts = np.array([*map(encoded.__getitem__, given)], f"S{width}")
    return Cells(texts, missing if missing.any() else None)


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
