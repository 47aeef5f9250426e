"""Look up by ID, and joins that keep rows: same rows, order, index and dtypes, plus columns."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any, TypeGuard, cast

import numpy as np
import numpy.typing as npt
import pandas as pd

from pdneuro._compat import CONCAT_BY_REFERENCE, copies_on_write
from pdneuro.errors import ColumnExistsError, listing
from pdneuro.tables.columns import array_of, take_or_na
from pdneuro.tables.ids import Int64Array, id_array

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


def labels_of(ids: Int64Array, labels: Labels) -> Any:
    """Return the label of each ID as an array, missing where it has none."""
    given = labels if isinstance(labels, pd.Series) else pd.Series(dict(labels))
    return lookup(ids, given.index, {given.name: given})[given.name]


def lookup(
    ids: Int64Array, known: pd.Series[Any] | pd.Index[Any], columns: Mapping[Hashable, pd.Series[Any]]
) -> dict[Hashable, Any]:
    """Return entries of columns by ID, missing where an ID is not known.

    Parameters
    ----------
    ids : array of int64
        The IDs to look up.
    known : Series or Index
        The IDs of the columns' rows. Rows without an ID are skipped.
    columns : mapping
        Name to column.

    Raises
    ------
    ValueError
        An ID appears in several rows.
    """
    numbers, missing = id_array(known)
    present = slice(None) if missing is None else ~missing
    index = pd.Index(numbers[present])
    if not index.is_unique:
        twice = index[index.duplicated()]
        raise ValueError(
            f"{twice.nunique():,} IDs appear in several rows, such as {twice[0]}. Keep one row per ID, "
            "for example with .drop_duplicates()."
        )
    positions = index.get_indexer(pd.Index(ids))
    return {name: take_or_na(array_of(cells)[present], positions) for name, cells in columns.items()}


def add_columns(
    frame: pd.DataFrame,
    columns: Mapping[Any, Any],
    *,
    prefix: str = "",
    suffix: str = "",
    overwrite: bool = False,
) -> pd.DataFrame:
    """Return a new frame with further columns; the given frame is not modified.

    Parameters
    ----------
    frame : DataFrame
    columns : mapping
        Name to array, each as long as the frame.
    prefix, suffix : str
        Text in front of and behind each new name.
    overwrite : bool
        Replace columns of the same name, in their position.

    Raises
    ------
    ColumnExistsError
        A name exists already and ``overwrite`` is False.
    """
    named = {f"{prefix}{name}{suffix}": cells for name, cells in columns.items()}
    taken = [name for name in named if name in frame.columns]
    if taken and not overwrite:
        raise ColumnExistsError(
            f"the frame has {listing(map(repr, taken))} already. Pass prefix=... for other names, or "
            "overwrite=True to replace."
        )
    # Without Copy-on-Write a shallow copy would let a change of the result reach the caller's frame.
    joined = frame.copy(deep=not copies_on_write())
    in_place = list(named) if frame.columns.nlevels > 1 else taken
    for name in in_place:
        joined[name] = named.pop(name)
    if not named:
        return joined
    attrs = joined.attrs
    added = pd.DataFrame(named, index=frame.index, copy=False)
    joined = cast(pd.DataFrame, pd.concat([joined, added], axis=1, **CONCAT_BY_REFERENCE))
    joined.attrs = attrs
    return joined
