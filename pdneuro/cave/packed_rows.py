"""Rows of several IDs as one value per ID: records of fixed width, one after the other.

A neuron has thousands of synapses, so a value holds bytes, and no object per row. Text that is long, and
lists, do not fit into records; :mod:`pdneuro.cave.parse` encodes such rows as JSON.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt
import pandas as pd

from pdneuro.errors import listing
from pdneuro.tables.columns import column
from pdneuro.transport.report import ShapeError

#: Name of the field of records that is true where the value of the field before it is missing.
_MISSING = ""
#: Maximum number of bytes of a text in a record.
_LONGEST_TEXT = 64
#: Number of bytes that are read at once: they stay in the processor's cache, and need no new memory.
_BLOCK = 500_000
#: The dtypes of fields, which np.dtype would otherwise read from damaged text.
_DTYPE = re.compile(r"<i[48]|<f8|\|b1|<M8\[ns\]|\|S[1-9]\d?")
_HEAD = msgspec.msgpack.Decoder(list[tuple[str, str]])
_INT32 = np.iinfo(np.int32)


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


class _Kind(NamedTuple):
    """IDs whose records have the same columns."""

    places: npt.NDArray[np.intp]
    sizes: npt.NDArray[np.intp]
    #: The field of each column, and of the mask of its missing values, if it has one.
    fields: dict[str, tuple[str, str | None]]
    dtype: np.dtype[Any]
    #: Number of bytes in front of the records.
    head: int

    def blocks(self, bodies: Sequence[bytes]) -> Iterator[Records]:
        """Return the records, those of some IDs after the others."""
        before = (np.cumsum(self.sizes) - self.sizes) * self.dtype.itemsize
        first = np.flatnonzero(np.diff(before // _BLOCK, prepend=-1))
        is_one_each = (self.sizes == 1).all()  # then no body has to be cut
        body_dtype = np.dtype([("head", f"V{self.head}"), ("rows", self.dtype)])
        for start, end in pairwise([*first.tolist(), len(self.places)]):
            places = self.places[start:end]
            own = [bodies[place] for place in places.tolist()]
            if is_one_each:
                records = np.frombuffer(b"".join(own), body_dtype)["rows"]
            else:
                records = np.frombuffer(b"".join([body[self.head :] for body in own]), self.dtype)
            cells = {
                name: Cells(records[own], None if mask is None else records[mask])
                for name, (own, mask) in self.fields.items()
            }
            yield Records(places, self.sizes[start:end], cells)


def pack(
    table: Mapping[str, Any], order: npt.NDArray[np.intp], sizes: npt.NDArray[np.intp]
) -> list[bytes] | None:
    """Pack the rows of each ID; None if a column does not fit into records.

    Parameters
    ----------
    table : mapping
        Columns by name: Series, or arrays of int64.
    order : array of int
        Positions of the rows, those of an ID next to each other.
    sizes : array of int
        Number of rows of each ID.

    Examples
    --------
    >>> from pdneuro.cave.packed_rows import pack, unpack
    >>> table = {"size": np.array([2, 5, 7]), "score": pd.Series([0.5, None, 1])}
    >>> sizes, columns = unpack(pack(table, np.array([1, 2, 0]), np.array([2, 1])))
    >>> sizes, columns["size"].tolist()
    (array([2, 1]), [5, 7, 2])
    """
    parts: list[tuple[str, npt.NDArray[Any]]] = []
    for name, whole in table.items():
        found = _cells(whole)
        if found is None or not str(name):
            return None
        parts.append((str(name), found.values))
        if found.missing is not None:
            parts.append((_MISSING, found.missing))
    if not parts:
        return None
    kinds = [(f"c{place}", values.dtype.str) for place, (_, values) in enumerate(parts)]
    records = np.empty(len(order), kinds)
    for place, (_, values) in enumerate(parts):
        records[f"c{place}"] = values[order]  # records are sorted several times slower than numbers
    encoded = msgspec.msgpack.encode([(name, values.dtype.str) for name, values in parts])
    head, data = len(encoded).to_bytes(4, "little") + encoded, records.tobytes()
    ends = (records.itemsize * np.cumsum(sizes)).tolist()
    return [head + data[start:end] for start, end in pairwise([0, *ends])]


def check(bodies: Sequence[bytes]) -> None:
    """Raise ShapeError if packed rows are damaged."""
    for kind in _kinds(bodies):
        texts = [name for name, (own, _) in kind.fields.items() if kind.dtype[own].kind == "S"]
        for part in kind.blocks(bodies) if texts else ():
            try:
                for name in texts:
                    part.columns[name].values.tobytes().decode()
            except ValueError as error:
                raise ShapeError(f"packed records are damaged: {error}") from error


def records(bodies: Sequence[bytes]) -> Iterator[Records]:
    """Return the records of all IDs; parts have the rows of some of them."""
    for kind in _kinds(bodies):
        yield from kind.blocks(bodies)


def unpack(bodies: Sequence[bytes]) -> tuple[npt.NDArray[np.intp], dict[str, Any]]:
    """Return the number of rows of each ID, and the columns of the rows of all IDs, in their order.

    Integers are int64 (Int64 if one is missing), other numbers Float64, timestamps datetime (UTC).
    """
    kinds = list(_kinds(bodies))
    sizes = np.zeros(len(bodies), np.intp)
    for kind in kinds:
        sizes[kind.places] = kind.sizes
    starts = np.cumsum(sizes) - sizes
    names = dict.fromkeys(name for kind in kinds for name in kind.fields)
    whole = {name: _empty(name, kinds, int(sizes.sum())) for name in names}
    for kind in kinds:
        for part in kind.blocks(bodies):
            rows = _rows(starts[part.places], part.sizes)
            for name, cells in part.columns.items():
                values, missing = whole[name]
                values[rows] = plain(cells) if values.dtype == object else cells.values
                if missing is not None:
                    missing[rows] = False if cells.missing is None else cells.missing
    return sizes, {name: _typed(cells, name) for name, cells in whole.items()}


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


# -- inside ----------------------------------------------------------------------------------------


def _kinds(bodies: Sequence[bytes]) -> Iterator[_Kind]:
    """Group IDs by the columns of their records; raise ShapeError if a body is damaged."""
    places: dict[bytes, list[int]] = {}
    head, own = b"", [0]
    for place, body in enumerate(bodies):
        if not head or not body.startswith(head):
            head = body[: 4 + int.from_bytes(body[:4], "little")]
            own = places.setdefault(head, [])
        own.append(place)
    for head, own in places.items():
        try:
            names, dtypes = zip(*_HEAD.decode(head[4:]), strict=True)
            if not all(_DTYPE.fullmatch(text) for text in dtypes):
                raise ShapeError(f"packed records are damaged: {listing(dtypes)} are not their dtypes.")
            dtype = np.dtype([(f"c{place}", kind) for place, kind in enumerate(dtypes)])
            sizes, rest = np.divmod(
                np.array([len(bodies[place]) for place in own]) - len(head), dtype.itemsize
            )
        except (msgspec.DecodeError, TypeError, ValueError) as error:
            raise ShapeError(f"packed records are damaged: {error}") from error
        if rest.any():
            raise ShapeError("packed records are damaged: one is truncated.")
        fields: dict[str, tuple[str, str | None]] = {}
        for place, (name, following) in enumerate(zip(names, (*names[1:], "-"), strict=True)):
            if name != _MISSING:
                fields[name] = (f"c{place}", f"c{place + 1}" if following == _MISSING else None)
        yield _Kind(np.array(own), sizes, fields, dtype, len(head))


def _rows(starts: npt.NDArray[np.intp], sizes: npt.NDArray[np.intp]) -> Any:
    """Return the positions of the rows of IDs among those of all IDs."""
    ends = np.cumsum(sizes)
    if starts[-1] + sizes[-1] - starts[0] == ends[-1]:  # no other ID in between
        return slice(starts[0], starts[0] + ends[-1])
    return np.repeat(starts - (ends - sizes), sizes) + np.arange(ends[-1])


def _empty(name: str, kinds: Sequence[_Kind], rows: int) -> Cells:
    """Return a column for the rows of all IDs, in which all values are missing."""
    fields = [kind.fields.get(name) for kind in kinds]
    dtypes = [kind.dtype[own[0]] for kind, own in zip(kinds, fields, strict=True) if own]
    if len({dtype.kind for dtype in dtypes}) > 1:
        return Cells(np.full(rows, None, object), None)
    if dtypes[0].kind in "fM":
        lost = np.datetime64("NaT", "ns") if dtypes[0].kind == "M" else np.nan
        return Cells(np.full(rows, lost, dtypes[0]), None)
    values = np.zeros(rows, np.int64 if dtypes[0].kind == "i" else max(dtypes, key=lambda d: d.itemsize))
    has_missing = any(own is None or own[1] is not None for own in fields)
    return Cells(values, np.ones(rows, bool) if has_missing else None)


def _typed(cells: Cells, name: str) -> Any:
    """Return a column of records with the dtype of its values; text of timestamps is datetime (UTC)."""
    values, missing = cells
    kind = values.dtype.kind
    if kind == "O":
        return column(values.tolist(), name, timestamps=True)
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


def _cells(cells: Any) -> Cells | None:
    """Return a column as numbers, timestamps or bytes of text; None if some cells are anything else."""
    dtype, types = cells.dtype, pd.api.types
    if dtype.kind == "O":  # text as well
        return _texts(cells)
    if isinstance(dtype, np.dtype) and dtype.kind in "ib":
        return Cells(_compact(np.asarray(cells)), None)
    cells = cells.array  # each step on a Series costs several times as much
    missing = cells.isna()
    lost = missing if missing.any() else None
    if types.is_datetime64_any_dtype(dtype):
        moments = pd.DatetimeIndex(cells)
        moments = moments.tz_localize("UTC") if moments.tz is None else moments.tz_convert("UTC")
        try:
            return Cells(moments.as_unit("ns").asi8.view("M8[ns]"), None)
        except pd.errors.OutOfBoundsDatetime:  # a time that nanoseconds cannot hold
            return None
    if types.is_float_dtype(dtype):
        return Cells(cells.to_numpy(np.float64, na_value=np.nan), None)
    if types.is_bool_dtype(dtype) and dtype.name == "boolean":
        return Cells(cells.to_numpy(bool, na_value=False), lost)
    if types.is_signed_integer_dtype(dtype):
        return Cells(_compact(cells.to_numpy(np.int64, na_value=0)), lost)
    return None


def _texts(cells: pd.Series[Any]) -> Cells | None:
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


def _compact(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return integers in half the bytes if they fit."""
    if values.dtype.kind == "b":
        return values
    fits = not len(values) or (values.min() >= _INT32.min and values.max() <= _INT32.max)
    return values.astype("<i4" if fits else "<i8", copy=False)
