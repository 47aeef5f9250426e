"""JSON values to columns, by shape and not by name: whatever a service tells about an ID fits."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain, repeat
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from pdneuro._compat import TEXT
from pdneuro.errors import MultipleRecordsError, listing
from pdneuro.tables.ids import MAX_EXACT_FLOAT

#: What to do where one ID has many records.
MULTIPLE = ("count", "raise", "first", "list")
_NONE = type(None)


def property_columns(
    name: str,
    values: Sequence[Any],
    *,
    multiple: str = "count",
    keep_keys: bool = False,
    ids: npt.NDArray[np.int64] | None = None,
) -> dict[str, Any]:
    """Columns of a property from one JSON value an ID.

    Parameters
    ----------
    name : str
        The property.
    values : sequence
        JSON values; None where there is none.
    multiple : {"count", "raise", "first", "list"}
        For lists of records: their number alone; an error where there are several; the number and the
        first record's fields; the number and the list itself.
    keep_keys : bool
        Use the keys of a mapping as they are, without the property's name in front.
    ids : array, optional
        The IDs, for the error message of ``multiple="raise"``.

    Returns
    -------
    dict
        Column name to array, each as long as ``values``. A scalar is a column named after the
        property; a mapping gives ``{name}_{key}``, nested ones ``{name}_{key}_{key}``; a key that
        already begins with the property's name is not doubled. Dtypes as in :func:`column`.

    Raises
    ------
    MultipleRecordsError
        ``multiple="raise"`` and an ID has several records.
    """
    if multiple not in MULTIPLE:
        raise ValueError(f"multiple must be one of {', '.join(MULTIPLE)}, not {multiple!r}.")
    return _named(name, _flatten("" if keep_keys else name, name, list(values), multiple, ids))


def flat_property(
    name: str, cells: Mapping[str, Sequence[Any]], *, keep_keys: bool = False
) -> dict[str, Any]:
    """As :func:`property_columns`, for mappings of the same keys to scalars, given by key."""
    prefix = "" if keep_keys else name
    return _named(name, ((_joined(prefix, key), column(cell, key)) for key, cell in cells.items()))


def _named(name: str, columns: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for label, cells in columns:  # two keys may come to one name: "id" and "nucleus_id"
        found[f"{name}_{label}" if label in found else label] = cells
    return found


def _flatten(
    prefix: str, name: str, values: list[Any], multiple: str, ids: npt.NDArray[np.int64] | None
) -> Iterator[tuple[str, Any]]:
    """Name and array of each column that these cells make."""
    kinds = set(map(type, values))
    if dict in kinds:
        dicts = [value if type(value) is dict else None for value in values]
        for key in dict.fromkeys(chain.from_iterable(d for d in dicts if d)):
            cells = [d.get(key) if d else None for d in dicts]
            yield from _flatten(_joined(prefix, str(key)), str(key), cells, multiple, ids)
        values = [None if type(value) is dict else value for value in values]
    if list in kinds:
        lists = [value if type(value) is list else None for value in values]
        if all(type(item) is dict for entry in lists if entry for item in entry):
            yield from _record_columns(prefix or name, lists, multiple, ids)
        else:  # a position, a vector: one value, kept whole
            yield prefix or name, _objects(lists)
        values = [None if type(value) is list else value for value in values]
    if kinds - {dict, list, _NONE} or not kinds - {_NONE}:
        yield prefix or name, column(values, name)


def _record_columns(
    name: str, lists: list[list[Any] | None], multiple: str, ids: npt.NDArray[np.int64] | None
) -> Iterator[tuple[str, Any]]:
    counts = [None if entry is None else len(entry) for entry in lists]
    several = [place for place, count in enumerate(counts) if count is not None and count > 1]
    if multiple == "raise" and several:
        shown = [f"{ids[place] if ids is not None else place} ({counts[place]})" for place in several]
        raise MultipleRecordsError(
            f"{len(several):,} IDs have several records of {name!r}: {listing(shown)}. Choose "
            'multiple="count", "first" or "list", or take them all with .neuro.records().'
        )
    yield f"{name}_count", column(counts)
    if multiple == "list":
        yield name, _objects(lists)
    elif multiple in ("first", "raise"):
        yield from _flatten(name, name, [entry[0] if entry else None for entry in lists], "list", ids)


def _joined(prefix: str, key: str) -> str:
    return key if not prefix or key == prefix or key.startswith(f"{prefix}_") else f"{prefix}_{key}"


def long_records(
    ids: npt.NDArray[np.int64], values: Sequence[Any], list_column: str = "list"
) -> pd.DataFrame:
    """Records in long form: one row a record, with its segment.

    Parameters
    ----------
    ids : array of int64
    values : sequence
        For each ID a list of records, one record, a mapping of lists of records, or None.
    list_column : str
        Name of the column that says which list of a mapping a record stood in.

    Returns
    -------
    DataFrame
        ``segment_id`` (int64), ``list_column`` where there are such mappings, and the fields; nested
        fields as ``{field}_{key}``.
    """
    owners: list[int] = []
    sources: list[str] = []
    records: list[Any] = []
    for place, value in enumerate(values):
        for source, entries in _lists_of(value):
            owners += repeat(place, len(entries))
            sources += repeat(source, len(entries))
            records += entries
    table = {"segment_id": np.asarray(ids, np.int64)[np.array(owners, np.intp)]}
    if any(sources):
        table[list_column] = pd.array(sources, dtype=TEXT)
    fields: dict[str, Any] = {}
    for label, cells in _flatten("", "value", records, "list", None) if records else ():
        fields[label if label not in table else f"record_{label}"] = cells
    return pd.DataFrame({**table, **fields})


def _lists_of(value: Any) -> Iterable[tuple[str, list[Any]]]:
    if value is None:
        return []
    if isinstance(value, list):
        return [("", value)]
    if isinstance(value, dict):
        lists = {key: entry for key, entry in value.items() if _is_records(entry)}
        if lists and len(lists) == len(value):
            return list(lists.items())
    return [("", [value])]


def _is_records(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(item, dict) for item in value)


def column(values: Sequence[Any], name: str = "") -> Any:
    """An array with an honest dtype from JSON scalars.

    Parameters
    ----------
    values : sequence
        Scalars; None where there is none.
    name : str
        The field. Decimal text in a field named ``...id`` comes out as integers.

    Returns
    -------
    array
        int64, or Int64 where something is missing; bool or boolean; Float64; text (``str``, before
        pandas 3 ``string``); object for anything mixed or wider than 64 bits. No whole number beyond
        2**53 becomes a float.
    """
    kinds = set(map(type, values))
    missing = _NONE in kinds
    kinds.discard(_NONE)
    if kinds == {str} and name.lower().endswith("id"):
        numbers = [None if value is None else _number(value) for value in values]
        if numbers.count(None) == list(values).count(None):
            values, kinds = numbers, {int}
    if kinds == {int}:
        return _masked(values, np.int64, pd.arrays.IntegerArray, missing)
    if kinds == {bool}:
        return _masked(values, np.bool_, pd.arrays.BooleanArray, missing)
    if kinds and kinds <= {int, float} and not any(_wide(value) for value in values):
        return _masked(values, np.float64, pd.arrays.FloatingArray, True)
    if kinds == {str}:
        return pd.array(list(values), dtype=TEXT)
    return _objects(values)


def _number(text: str) -> int | None:
    plain = text.isascii() and text.isdigit() and (text[0] != "0" or text == "0")
    return int(text) if plain else None


def _wide(value: Any) -> bool:
    return type(value) is int and abs(value) > MAX_EXACT_FLOAT


def _masked(values: Sequence[Any], dtype: Any, nullable: Any, missing: bool) -> Any:
    try:
        if not missing:
            return np.array(values, dtype)
        mask = np.array([value is None for value in values], bool)
        data = np.array([0 if value is None else value for value in values], dtype)
    except OverflowError:
        return _objects(values)
    return nullable(data, mask)


def _objects(values: Sequence[Any]) -> npt.NDArray[np.object_]:
    cells = np.empty(len(values), object)
    cells[:] = values
    return cells
