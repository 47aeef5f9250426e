"""Tables within cells: records and lists of records that a service sends along with a row."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from itertools import chain
from typing import Any

import numpy as np
import pandas as pd

from pdneuro.errors import AmbiguousColumnError, listing
from pdneuro.tables import roles
from pdneuro.tables.columns import column
from pdneuro.tables.provenance import inherit

#: What to do with records within records.
NESTED = ("keep", "flatten", "explode")


def from_records(records: Sequence[dict[str, Any]], nested: str = "keep") -> pd.DataFrame:
    """Records of a service as a frame with honest dtypes.

    Parameters
    ----------
    records : sequence of dict
    nested : {"keep", "flatten", "explode"}
        Included tables: kept as dicts and lists in their cells; the dicts as ``{prefix}_{column}``;
        also the lists, with one row an entry.

    Returns
    -------
    DataFrame
        Whole numbers int64, Int64 where some are missing; Float64; bool or boolean; text stays text,
        also the digits of a colour and the word ``NA``. IDs that come as text are integers.

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
        {key: _cells([record.get(key) for record in records], key) for key in keys},
        index=pd.RangeIndex(len(records)),
    )
    if nested == "keep":
        return table
    return flatten(table) if nested == "flatten" else explode(table)


def _cells(values: list[Any], key: str) -> Any:
    if key.endswith("_id") and not any(value is not None for value in values):
        return pd.arrays.IntegerArray(np.zeros(len(values), np.int64), np.ones(len(values), bool))
    return column(values, key)


def flatten(table: pd.DataFrame, *columns: Hashable) -> pd.DataFrame:
    """Records in cells become columns ``{prefix}_{key}``.

    Parameters
    ----------
    table : DataFrame
    *columns : hashable
        Columns of records. Default: every column whose cells are records; nested ones as well.

    Returns
    -------
    DataFrame
        Same rows and index. A key that comes to the name of a column with the same values is left
        out, with other values it is ``{prefix}__{key}``. Lists of records stay; see :func:`explode`.

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
    """Long form of a column with lists of records: one row an entry, flattened.

    Parameters
    ----------
    table : DataFrame
    name : hashable, optional
        The column of lists. Default: the only one there is.

    Returns
    -------
    DataFrame
        Each row repeated for its entries, its index label with it; a row without entries stays, with
        NA. The entries' keys are columns ``{name}_{key}``, such as ``structure_sets_name``.

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
    long[name] = pd.Series(_objects(chain.from_iterable(cell or [None] for cell in cells)), long.index)
    return flatten(long)


def _unfolded(prefix: str, records: Sequence[dict[str, Any] | None]) -> list[tuple[str, Any]]:
    """Name and array of each column that these records make."""
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
    """Whether all present cells are of a kind, and there is one."""
    if cells.dtype != object:
        return False
    kinds = {type(cell) for cell in cells if cell is not None and cell is not pd.NA and cell == cell}
    nested = {type(item) for cell in cells if kind is list and isinstance(cell, list) for item in cell}
    return kinds == {kind} and nested <= {dict}


def _objects(items: Any) -> Any:
    values = list(items)
    cells = np.empty(len(values), object)
    cells[:] = values
    return cells
