"""Labels of neurons (a type, a side, a transmitter), looked up by ID."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any, TypeGuard

import pandas as pd

from pdneuro.tables.ids import Int64Array, id_array
from pdneuro.tables.joins import cells_of, take_or_missing

#: A label for each ID: a mapping, or a Series with the IDs in its index.
Labels = Mapping[int, Any] | pd.Series


def are_labels(given: object) -> TypeGuard[Labels]:
    """Whether this gives a label for each ID, rather than the name of a column."""
    return isinstance(given, Mapping | pd.Series)


def labels_of(ids: Int64Array, labels: Labels) -> Any:
    """The label of each ID as an array, missing where it has none."""
    given = labels if isinstance(labels, pd.Series) else pd.Series(dict(labels))
    return lookup(ids, given.index, {given.name: given})[given.name]


def lookup(
    ids: Int64Array, known: pd.Series[Any] | pd.Index[Any], columns: Mapping[Hashable, pd.Series[Any]]
) -> dict[Hashable, Any]:
    """Cells of columns by ID, missing where an ID is not known.

    Parameters
    ----------
    ids : array of int64
        What is looked up.
    known : Series or Index
        The IDs of the columns' rows. Rows without an ID are passed over.
    columns : mapping
        Name to column.

    Raises
    ------
    ValueError
        An ID stands on several rows.
    """
    numbers, missing = id_array(known)
    present = slice(None) if missing is None else ~missing
    index = pd.Index(numbers[present])
    if not index.is_unique:
        twice = index[index.duplicated()]
        raise ValueError(
            f"{twice.nunique():,} IDs stand on several rows, such as {twice[0]}: which row labels them? "
            "Keep one row an ID, for example with .drop_duplicates()."
        )
    places = index.get_indexer(pd.Index(ids))
    found = {}
    for name, column in columns.items():
        found[name] = take_or_missing(cells_of(column)[present], places)
    return found
