"""Look up by ID, and joins that keep rows: same rows, order, index and dtypes, plus columns."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any, TypeGuard, cast

import numpy as np
import numpy.typing as npt
import pandas as pd

from pdneuro._compat import CONCAT_BY_REFERENCE, copies_on_write
from pdneuro.errors import ColumnExistsError, MultipleRecordsError, listing
from pdneuro.tables.columns import array_of, take_or_na
from pdneuro.tables.grouping import starts_of_runs
from pdneuro.tables.ids import Int64Array, id_array
from pdneuro.tables.node_names import Nodes, node_array

#: A label of each neuron (a type, a side, a transmitter): a mapping, or a Series indexed by ID.
Labels = Mapping[int, Any] | pd.Series


def distinct_rows(ids: pd.Series[Any]) -> tuple[Int64Array, npt.NDArray[np.intp]]:
    """Return the distinct IDs in order of appearance, and the position of each row among them.

    A missing ID counts as the ID 0, so that every row has a position.
    """
    numbers, _ = id_array(ids)
    rows, distinct = pd.factorize(numbers)
    return np.asarray(distinct, np.int64), rows


def are_labels(given: object) -> TypeGuard[Labels]:
    """Return whether this gives a label for each ID, rather than the name of a column."""
    return isinstance(given, Mapping | pd.Series)


def labels_of(ids: Nodes, labels: Labels) -> Any:
    """Return the label of each ID as an array, missing where it has none."""
    return labels_of_each([ids], labels)[0]


def labels_of_each(arrays: Sequence[Nodes], labels: Labels) -> list[Any]:
    """Return the labels of the IDs of several arrays."""
    given = labels if isinstance(labels, pd.Series) else pd.Series(dict(labels))
    found = lookup(arrays, given.index, {given.name: given})
    return [values[given.name] for values in found]


def lookup(
    arrays: Sequence[Nodes],
    known: pd.Series[Any] | pd.Index[Any],
    columns: Mapping[Hashable, pd.Series[Any]],
) -> list[dict[Hashable, Any]]:
    """Return entries of columns by ID for each array of IDs, missing where an ID is not known.

    Parameters
    ----------
    arrays : list of arrays
        The IDs (int64) or names (object) to look up.
    known : Series or Index
        The IDs of the columns' rows. Rows without an ID are skipped.
    columns : mapping
        Name to column.

    Raises
    ------
    MultipleRecordsError
        An ID appears in several rows.
    """
    numbers, missing = node_array(known, arrays[0])
    present = slice(None) if missing is None else ~missing
    index = pd.Index(numbers[present])
    if not index.is_unique:
        twice = index[index.duplicated()]
        raise MultipleRecordsError(
            f"{twice.nunique():,} IDs appear in several rows, such as {twice[0]}. Keep one row per ID, "
            "for example with .drop_duplicates() or pdneuro.read_neurons(path, many='first')."
        )
    cells = {name: array_of(column)[present] for name, column in columns.items()}
    positions = [_positions(index, ids) for ids in arrays]
    return [{name: take_or_na(values, rows) for name, values in cells.items()} for rows in positions]


def _positions(index: pd.Index[Any], ids: Nodes) -> Any:
    """Return the positions of IDs in an index; a run of equal IDs is looked up once."""
    starts = starts_of_runs(ids)
    if starts is None:
        return index.get_indexer(pd.Index(ids))
    found = index.get_indexer(pd.Index(ids[starts]))
    return np.repeat(found, np.diff(starts, append=len(ids)))


def add_columns(
    frame: pd.DataFrame,
    columns: Mapping[Any, Any],
    *,
    overwrite: bool = False,
    rename: str = "",
) -> pd.DataFrame:
    """Return a new frame with further columns; the given frame is not modified.

    A column that exists already with the same values stays as it is, so that a call can be repeated.

    Parameters
    ----------
    frame : DataFrame
    columns : mapping
        Name to array, each as long as the frame.
    overwrite : bool
        Replace columns of the same name, in their position.
    rename : str
        Arguments of the caller that give other names, for the error message.

    Raises
    ------
    ColumnExistsError
        A name exists already with other values, and ``overwrite`` is False.
    """
    named = dict(columns)
    taken = [name for name in named if name in frame.columns]
    if not overwrite:
        equal = [name for name in taken if _are_equal(frame[name], named[name])]
        different = [name for name in taken if name not in equal]
        if different:
            other_names = f"{rename} for other names, or " if rename else ""
            raise ColumnExistsError(
                f"the table has {listing(map(repr, different))} already, with other values. Pass "
                f"{other_names}overwrite=True to replace."
            )
        for name in equal:
            del named[name]
        taken = []
    # Without Copy-on-Write a shallow copy would let a change of the result reach the caller's frame.
    joined = frame.copy(deep=not copies_on_write())
    in_place = list(named) if frame.columns.nlevels > 1 else taken
    for name in in_place:
        joined[name] = named.pop(name)
    if not named:
        return joined
    attrs = joined.attrs
    added = pd.DataFrame(named, index=joined.index, copy=False)
    joined = cast(pd.DataFrame, pd.concat([joined, added], axis=1, **CONCAT_BY_REFERENCE))
    joined.attrs = attrs
    return joined


def _are_equal(existing: Any, cells: Any) -> bool:
    """Return whether a column has these values, whatever its dtype; integers are compared exactly."""
    if not isinstance(existing, pd.Series):  # several columns of this name
        return False
    new = pd.Series(cells, index=existing.index, copy=False)
    if existing.dtype == new.dtype:
        return existing.equals(new)
    if not len(new):  # dask looks at empty tables, and has its own dtype for text
        return all(pd.api.types.is_string_dtype(column.dtype) for column in (existing, new))
    absent = existing.isna().to_numpy(bool)
    if (absent != new.isna().to_numpy(bool)).any():
        return False
    # Python compares an integer and a float exactly, unlike NumPy.
    pairs = zip(existing[~absent].tolist(), new[~absent].tolist(), strict=True)
    return all(a is b or bool(np.all(a == b)) for a, b in pairs)


def narrowed(cells: Any, before: Any) -> Any:
    """Return integers or booleans as a NumPy array if the rows with missing values were left out."""
    kinds = {pd.arrays.IntegerArray: np.int64, pd.arrays.BooleanArray: np.bool_}
    dtype = kinds.get(type(cells))
    if dtype is None or cells.isna().any() or not before.isna().any():
        return cells
    return cells.to_numpy(dtype=dtype)
