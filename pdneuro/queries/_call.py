"""Steps shared by all queries: a list of names, and joining a result to a table."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from typing import Any

import pandas as pd

from pdneuro.tables import joins
from pdneuro.tables.columns import array_of
from pdneuro.tables.provenance import extend


def listed(names: Iterable[Any]) -> list[Any]:
    """Return names given one by one or as one list; without repetitions.

    >>> listed(("size", "link_pre")), listed((["size", "size"],))
    (['size', 'link_pre'], ['size'])
    """
    flat: list[Any] = []
    for name in names:
        flat += [name] if isinstance(name, str) or not isinstance(name, Iterable) else name
    return list(dict.fromkeys(flat))


def index_of(ids: Any, column: pd.Series[Any]) -> pd.Index[Any]:
    """Return the index of a result: that of the input, or the IDs of an Index."""
    return ids if isinstance(ids, pd.Index) else column.index


def join(
    table: pd.DataFrame,
    found: pd.DataFrame,
    *,
    prefix: str,
    suffix: str,
    overwrite: bool,
    without: Iterable[Hashable] = (),
) -> pd.DataFrame:
    """Add the columns of a result to a table; rows, order, index and dtypes stay the same.

    Parameters
    ----------
    table : DataFrame
    found : DataFrame
        Result of a query, with one row per row of the table.
    prefix, suffix, overwrite
        See :func:`pdneuro.tables.joins.add_columns`.
    without : iterable of hashable
        Columns of the result that are not added.
    """
    columns: Mapping[Any, Any] = {
        name: array_of(found[name]) for name in found.columns if name not in set(without)
    }
    joined = joins.add_columns(table, columns, prefix=prefix, suffix=suffix, overwrite=overwrite)
    return extend(joined, found)
