"""Dtypes of columns, entries by position, and JSON values as columns, by shape and not by name."""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from itertools import chain, repeat
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from pdneuro._compat import TEXT
from pdneuro.errors import AmbiguousColumnError, MultipleRecordsError, listing
from pdneuro.tables import roles
from pdneuro.tables.provenance import inherit
from pdneuro.tables.rounding import MAX_EXACT_FLOAT

#: What to return for an ID with several records.
MULTIPLE = ("raise", "first", "list", "count")
#: What to do with records within records.
NESTED = ("keep", "flatten", "explode")
_NONE = type(None)
_TIMESTAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d")


# -- dtypes ---------------------------------------------------------------------------------------


def column(values: Sequence[Any], name: str = "", *, timestamps: bool = False) -> Any:
    """Return an array with the dtype of its JSON scalars.

    Parameters
    ----------
    values : sequence
        Scalars; None where one is missing.
    name : str
        The field. Decimal text in a field named ``...id`` becomes integers; a field named ``..._id``
        without any value is Int64.
    timestamps : bool
        Convert text that is an ISO timestamp to datetime (UTC), if all values are.

    Returns
    -------
    array
        int64, or Int64 if something is missing; bool or boolean; Float64; text (``str``, before
        pandas 3 ``string``); object for anything mixed or wider than 64 bits. No whole number beyond
        2**53 becomes a float.
    """
    kinds = set(map(type, values))
    missing = _NONE in kinds
    kinds.discard(_NONE)
    if not kinds and name.endswith("_id"):
        kinds = {int}
    elif kinds == {str} and name.lower().endswith("id"):
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
        if timestamps and all(value is None or _TIMESTAMP.match(value) for value in values):
            return pd.to_datetime(pd.Series(values, dtype=object), utc=True, format="ISO8601").array
        return pd.array(list(values), dtype=TEXT)
    return objects(values)


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
        return objects(values)
    return nullable(data, mask)


def objects(values: Iterable[Any]) -> npt.NDArray[np.object_]:
    """Return an array of Python objects; lists of one length do not become a matrix."""
    items = list(values)
    cells = np.empty(len(items), object)
    cells[:] = items
    return cells


def missing_integers(count: int) -> pd.arrays.IntegerArray:
    """Return an Int64 array without any value."""
    return pd.arrays.IntegerArray(np.zeros(count, np.int64), np.ones(count, bool))


def missing_text(count: int) -> Any:
    """Return an array of text without any value."""
    return pd.array([None] * count, dtype=TEXT)


def with_standard_dtype(cells: pd.Series[Any]) -> Any:
    """Return a column of a file with the dtypes of :func:`column`; categories and dates stay."""
    types = pd.api.types
    if isinstance(cells.dtype, pd.CategoricalDtype) or types.is_datetime64_any_dtype(cells.dtype):
        return cells.array
    if types.is_object_dtype(cells.dtype) and types.infer_dtype(cells, skipna=True) != "string":
        return cells.to_numpy()
    if types.is_bool_dtype(cells.dtype):
        return cells.astype("boolean").array if cells.hasnans else cells.to_numpy(dtype=bool)
    if types.is_integer_dtype(cells.dtype):
        return cells.astype("Int64").array if cells.hasnans else cells.to_numpy(dtype=np.int64)
    if types.is_float_dtype(cells.dtype):
        return cells.astype("Float64").array
    return cells.astype(TEXT).array


# -- entries by position --------------------------------------------------------------------------


def array_of(cells: pd.Series[Any]) -> Any:
    """Return the array of a column: a NumPy array if its dtype is one of NumPy's."""
    return cells.to_numpy() if isinstance(cells.dtype, np.dtype) else cells.array


def take_or_na(cells: Any, positions: npt.NDArray[np.intp]) -> Any:
    """Return entries of an array by position, missing where it is -1; integers stay exact."""
    absent = positions < 0
    if not absent.any():
        return cells.take(positions)
    if isinstance(cells, np.ndarray) and cells.dtype.kind in "iufb":
        safe = np.append(cells, np.zeros(1, cells.dtype)).take(positions)
        if cells.dtype.kind == "f":  # nullable floats mark NaN as missing
            absent |= np.isnan(safe)
        kinds = {"f": pd.arrays.FloatingArray, "b": pd.arrays.BooleanArray}
        return kinds.get(cells.dtype.kind, pd.arrays.IntegerArray)(safe, absent)
    if isinstance(cells, np.ndarray) and cells.dtype == object:
        return np.append(cells, [None]).take(positions)
    return pd.Series(cells).array.take(positions, allow_fill=True)


def scatter(columns: Mapping[str, Any], rows: npt.NDArray[np.intp], count: int) -> dict[str, Any]:
    """Return columns of ``count`` rows, from columns with the entries of some of these rows.

    Parameters
    ----------
    columns : mapping
        Name to array, each as long as ``rows``.
    rows : array of int
        The row of each entry, in ascending order. All other rows are missing.
    count : int
        Number of rows of the result.
    """
    if len(rows) == count:
        return dict(columns)
    positions = np.full(count, -1)
    positions[rows] = np.arange(len(rows))
    return {name: take_or_na(cells, positions) for name, cells in columns.items()}


def repeat_rows(columns: Mapping[str, Any], rows: npt.NDArray[np.intp]) -> dict[str, Any]:
    """Repeat the entries of columns over the rows that they belong to."""
    return {name: cells.take(rows) for name, cells in columns.items()}


# -- parameters with few values -------------------------------------------------------------------


def check_choice(name: str, value: Any, choices: Iterable[str | None]) -> None:
    """Raise ValueError unless a value is one of the choices. A list, which has no hash, is not."""
    known = list(choices)
    if not (value is None or isinstance(value, str)) or value not in known:
        *others, last = map(repr, known)
        raise ValueError(f"{name} must be {', '.join(others)} or {last}, not {value!r}.")


def check_multiple(multiple: str) -> None:
    """Raise ValueError unless ``multiple`` is one of :data:`MULTIPLE`."""
    if multiple not in MULTIPLE:
        raise ValueError(f"multiple must be one of {', '.join(MULTIPLE)}, not {multiple!r}.")


# -- JSON values of a property --------------------------------------------------------------------


def property_columns(
    name: str,
    values: Sequence[Any],
    *,
    multiple: str = "count",
    keep_keys: bool = False,
    ids: npt.NDArray[np.int64] | None = None,
) -> dict[str, Any]:
    """Return the columns of a property from one JSON value per ID.

    Parameters
    ----------
    name : str
        The property.
    values : sequence
        JSON values; None where one is missing.
    multiple : {"count", "raise", "first", "list"}
        For lists of records: their number alone; an error if an ID has several; the number and the
        first record's fields; the number and the list itself.
    keep_keys : bool
        Use the keys of a mapping unchanged, without the property's name in front.
    ids : array, optional
        The IDs, for the error message of ``multiple="raise"``.

    Returns
    -------
    dict
        Column name to array, each as long as ``values``. A scalar is a column named after the
        property; a mapping gives ``{name}_{key}``, nested ones ``{name}_{key}_{key}``; a key that
        already starts with the property's name is not doubled. Dtypes as in :func:`column`.

    Raises
    ------
    MultipleRecordsError
        ``multiple="raise"`` and an ID has several records.
    """
    check_multiple(multiple)
    return _unique(name, _flatten("" if keep_keys else name, name, list(values), multiple, ids))


def flat_property(
    name: str, cells: Mapping[str, Sequence[Any]], *, keep_keys: bool = False
) -> dict[str, Any]:
    """Return the columns of a property whose values are mappings of the same keys to scalars.

    ``cells`` holds the scalars by key; the result is that of :func:`property_columns`.
    """
    prefix = "" if keep_keys else name
    return _unique(name, ((_label(prefix, key), column(cell, key)) for key, cell in cells.items()))


def _unique(name: str, columns: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for label, cells in columns:  # two keys can give one name: "id" and "nucleus_id"
        found[f"{name}_{label}" if label in found else label] = cells
    return found


def _flatten(
    prefix: str, name: str, values: list[Any], multiple: str, ids: npt.NDArray[np.int64] | None
) -> Iterator[tuple[str, Any]]:
    """Yield the name and the array of each column that these values make."""
    kinds = set(map(type, values))
    if dict in kinds:
        dicts = [value if type(value) is dict else None for value in values]
        for key in dict.fromkeys(chain.from_iterable(d for d in dicts if d)):
            cells = [d.get(key) if d else None for d in dicts]
            yield from _flatten(_label(prefix, str(key)), str(key), cells, multiple, ids)
        values = [None if type(value) is dict else value for value in values]
    if list in kinds:
        lists = [value if type(value) is list else None for value in values]
        if all(type(item) is dict for entry in lists if entry for item in entry):
            yield from _record_columns(prefix or name, lists, multiple, ids)
        else:  # a position or a vector is one value
            yield prefix or name, objects(lists)
        values = [None if type(value) is list else value for value in values]
    if kinds - {dict, list, _NONE} or not kinds - {_NONE}:
        yield prefix or name, column(values, name)


def _record_columns(
    name: str, lists: list[list[Any] | None], multiple: str, ids: npt.NDArray[np.int64] | None
) -> Iterator[tuple[str, Any]]:
    counts = [None if entry is None else len(entry) for entry in lists]
    several = [row for row, count in enumerate(counts) if count is not None and count > 1]
    if multiple == "raise" and several:
        shown = [f"{ids[row] if ids is not None else row} ({counts[row]})" for row in several]
        raise MultipleRecordsError(
            f"{len(several):,} IDs have several records of {name!r}: {listing(shown)}. Choose "
            'multiple="count", "first" or "list", or take them all with .neuro.records().'
        )
    yield f"{name}_count", column(counts)
    if multiple == "list":
        yield name, objects(lists)
    elif multiple in ("first", "raise") and any(lists):
        yield from _flatten(name, name, [entry[0] if entry else None for entry in lists], "list", ids)


def _label(prefix: str, key: str) -> str:
    return key if not prefix or key == prefix or key.startswith(f"{prefix}_") else f"{prefix}_{key}"


# -- records in long form -------------------------------------------------------------------------


def long_records(
    ids: npt.NDArray[np.int64], values: Sequence[Any], list_column: str = "list"
) -> pd.DataFrame:
    """Return records in long form: one row per record, with its segment.

    Parameters
    ----------
    ids : array of int64
    values : sequence
        For each ID a list of records, one record, a mapping of lists of records, or None.
    list_column : str
        Name of the column with the list of a mapping that a record comes from.

    Returns
    -------
    DataFrame
        ``segment_id`` (int64), ``list_column`` if there are such mappings, and the fields; nested
        fields as ``{field}_{key}``.
    """
    owners: list[int] = []
    sources: list[str] = []
    records: list[Any] = []
    for row, value in enumerate(values):
        for source, entries in _lists_of(value):
            owners += repeat(row, len(entries))
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


# -- records with tables in their cells -----------------------------------------------------------


def from_records(records: Sequence[dict[str, Any]], nested: str = "keep") -> pd.DataFrame:
    """Return the records of a service as a table with correct dtypes.

    Parameters
    ----------
    records : sequence of dict
    nested : {"keep", "flatten", "explode"}
        Included tables: keep dicts and lists in their cells; make columns ``{prefix}_{column}`` of the
        dicts; do this and make one row per entry of the lists.

    Returns
    -------
    DataFrame
        Whole numbers int64, Int64 if some are missing; Float64; bool or boolean; text stays text,
        also the digits of a color and the word ``NA``. IDs that are sent as text are integers.

    Examples
    --------
    >>> from pdneuro.tables import from_records
    >>> records = [
    ...     {"id": 8, "parent_id": 997, "color": "019399", "graph": {"id": 1}},
    ...     {"id": 997, "parent_id": None, "color": "FFFFFF", "graph": {"id": 1}},
    ... ]
    >>> from_records(records, nested="flatten")
        id  parent_id   color  graph_id
    0    8        997  019399         1
    1  997       <NA>  FFFFFF         1
    """
    keys = dict.fromkeys(key for record in records for key in record)
    table = pd.DataFrame(
        {key: column([record.get(key) for record in records], key) for key in keys},
        index=pd.RangeIndex(len(records)),
    )
    if nested == "keep":
        return table
    return flatten(table) if nested == "flatten" else explode(table)


def flatten(table: pd.DataFrame, *columns: Hashable) -> pd.DataFrame:
    """Replace records in cells by columns ``{prefix}_{key}``.

    Parameters
    ----------
    table : DataFrame
    *columns : hashable
        Columns of records. Default: every column whose cells are records; nested ones as well.

    Returns
    -------
    DataFrame
        Same rows and index. A key that has the name of a column with the same values is left out, with
        other values it is ``{prefix}__{key}``. Lists of records stay; see :func:`explode`.

    Examples
    --------
    >>> from pdneuro.tables import flatten
    >>> flatten(pd.DataFrame({"id": [1], "graph": [{"id": 2, "name": "Mouse"}]}))
       id  graph_id graph_name
    0   1         2      Mouse
    """
    wanted = [roles.named_column(table, name).name for name in columns] or [
        name for name in table.columns if _holds(table[name], dict)
    ]
    parts: dict[Hashable, Any] = {}
    for name in table.columns:
        if name not in wanted:
            parts[name] = table[name].array
    for prefix in wanted:
        for label, cells in _unfolded(str(prefix), [_record(cell) for cell in table[prefix]]):
            if label not in parts:
                parts[label] = cells
            elif list(map(str, parts[label])) != list(map(str, cells)):
                parts[f"{prefix}__{label.removeprefix(f'{prefix}_')}"] = cells
    flat = pd.DataFrame(parts, index=table.index)
    return inherit(flat, table)


def explode(table: pd.DataFrame, name: Hashable | None = None) -> pd.DataFrame:
    """Return the long form of a column with lists of records: one row per entry, flattened.

    Parameters
    ----------
    table : DataFrame
    name : hashable, optional
        The column of lists. Default: the only one.

    Returns
    -------
    DataFrame
        Each row repeated for its entries, with its index label; a row without entries stays, with NA.
        The entries' keys are columns ``{name}_{key}``, such as ``structure_sets_name``.

    Raises
    ------
    AmbiguousColumnError
        Several columns hold lists of records, and none is named.

    Examples
    --------
    >>> from pdneuro.tables import explode
    >>> explode(pd.DataFrame({"id": [7], "structure_sets": [[{"id": 2}, {"id": 3}]]}))
       id  structure_sets_id
    0   7                  2
    0   7                  3
    """
    if name is None:
        lists = [label for label in table.columns if _holds(table[label], list)]
        if len(lists) > 1:
            raise AmbiguousColumnError(
                f"several columns hold lists: {listing(map(repr, lists))}. Explode one after the other: "
                f"pdneuro.tables.explode(table, {lists[0]!r})."
            )
        if not lists:
            return flatten(table)
        name = lists[0]
    cells = [cell if isinstance(cell, list) else [] for cell in roles.named_column(table, name)]
    counts = np.array([max(len(cell), 1) for cell in cells], np.intp)
    rest = table.drop(columns=[name])
    long = rest.take(np.repeat(np.arange(len(rest)), counts))
    long[name] = pd.Series(objects(chain.from_iterable(cell or [None] for cell in cells)), long.index)
    return flatten(long)


def _unfolded(prefix: str, records: Sequence[dict[str, Any] | None]) -> list[tuple[str, Any]]:
    """Return the name and the array of each column that these records make."""
    found = []
    for key in dict.fromkeys(chain.from_iterable(record for record in records if record)):
        values = [record.get(key) if record else None for record in records]
        if all(isinstance(value, dict | None) for value in values) and any(values):
            found += _unfolded(f"{prefix}_{key}", values)
        else:
            found.append((f"{prefix}_{key}", column(values, key)))
    return found


def _record(cell: Any) -> dict[str, Any] | None:
    return cell if isinstance(cell, dict) else None


def _holds(cells: pd.Series[Any], kind: type) -> bool:
    """Return whether all present cells are of a kind, and at least one is."""
    if cells.dtype != object:
        return False
    kinds = {type(cell) for cell in cells if cell is not None and cell is not pd.NA and cell == cell}
    nested = {type(item) for cell in cells if kind is list and isinstance(cell, list) for item in cell}
    return kinds == {kind} and nested <= {dict}
