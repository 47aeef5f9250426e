"""Joins that keep rows: same rows, order, index and dtypes, plus columns."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import pandas as pd

from pdneuro._compat import CONCAT_BY_REFERENCE, copies_on_write
from pdneuro.errors import ColumnExistsError, listing
from pdneuro.tables.ids import Int64Array, id_array


def distinct_rows(ids: pd.Series[Any]) -> tuple[Int64Array, npt.NDArray[np.intp]]:
    """Distinct IDs in order of appearance, and for each row its place among them.

    A missing ID counts as the ID 0, so that every row has a place.
    """
    numbers, _ = id_array(ids)
    rows, distinct = pd.factorize(numbers)
    return np.asarray(distinct, np.int64), rows


def spread(columns: Mapping[str, Any], rows: npt.NDArray[np.intp]) -> dict[str, Any]:
    """Repeat the entries of columns over the rows that they belong to."""
    return {name: cells.take(rows) for name, cells in columns.items()}


def attach(
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
        Replace columns of the same name, in their place.

    Raises
    ------
    ColumnExistsError
        A name is taken and ``overwrite`` is False.
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


def cells_of(column: pd.Series[Any]) -> Any:
    """The array of a column: NumPy's where it is one."""
    return column.to_numpy() if isinstance(column.dtype, np.dtype) else column.array


def take_or_missing(cells: Any, places: npt.NDArray[np.intp]) -> Any:
    """Entries of an array by position, missing where the position is -1; integers stay exact."""
    absent = places < 0
    if not absent.any():
        return cells.take(places)
    if isinstance(cells, np.ndarray) and cells.dtype.kind in "iufb":
        safe = np.append(cells, np.zeros(1, cells.dtype)).take(places)
        if cells.dtype.kind == "f":  # NaN is no number among nullable floats
            absent |= np.isnan(safe)
        kinds = {"f": pd.arrays.FloatingArray, "b": pd.arrays.BooleanArray}
        return kinds.get(cells.dtype.kind, pd.arrays.IntegerArray)(safe, absent)
    if isinstance(cells, np.ndarray) and cells.dtype == object:
        return np.append(cells, [None]).take(places)
    return pd.Series(cells).array.take(places, allow_fill=True)
