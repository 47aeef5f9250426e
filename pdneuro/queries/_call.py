"""Steps shared by all queries: a list of names, root IDs of a column, joining a result to a table."""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Iterable
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from pdneuro._compat import TEXT
from pdneuro.errors import UnknownSourceError
from pdneuro.sources import Source, open_source
from pdneuro.tables import joins, roles
from pdneuro.tables.columns import array_of, repeat_rows, scatter
from pdneuro.tables.ids import Int64Array
from pdneuro.tables.provenance import extend
from pdneuro.transport.report import FOUND, NONE, STATUS

if TYPE_CHECKING:
    from pdneuro.cave import CaveSource

Status = npt.NDArray[np.int8]
#: Name of the column of ``indicator=True``, as in ``pandas.merge``.
INDICATOR = "_merge"


class Found(NamedTuple):
    """Result of a query for a column: one row per row of the column, and the status of each row."""

    table: pd.DataFrame
    #: Number of the status in STATUS; -1 if the source does not report it.
    status: Callable[[], Status]


#: Runs the query of a join for a column. A task of dask sends it to the process of the client.
run_query: ContextVar[Callable[[Callable[[pd.Series[Any]], Found], pd.Series[Any]], Found]] = ContextVar(
    "pdneuro_run_query", default=lambda query, column: query(column)
)


def listed(names: Iterable[Any]) -> list[Any]:
    """Return names given one by one or as one list; without repetitions.

    >>> listed(("size", "link_pre")), listed((["size", "size"],))
    (['size', 'link_pre'], ['size'])
    """
    flat: list[Any] = []
    for name in names:
        flat.extend([name] if isinstance(name, str) or not isinstance(name, Iterable) else name)
    return list(dict.fromkeys(flat))


def index_of(ids: Any, column: pd.Series[Any]) -> pd.Index[Any]:
    """Return the index of a result: that of the input, or the IDs of an Index."""
    return ids if isinstance(ids, pd.Index) else column.index


def cave_source(source: str | Source | None) -> CaveSource:
    """Open a CAVE datastack; another source is an error."""
    from pdneuro.cave.source import CaveSource

    opened = open_source(source)
    if not isinstance(opened, CaveSource):
        raise UnknownSourceError(
            f"{opened.name} is not a CAVE datastack; name one: source='cave:minnie65_public'. "
            "pdneuro.known_names() lists the known datastacks."
        )
    return opened


class RootIds(NamedTuple):
    """The root IDs of a column, and the rows that they belong to."""

    #: Distinct root IDs.
    ids: Int64Array
    #: Position of each row among the distinct values of the column, of which some are not root IDs.
    rows: npt.NDArray[np.intp]
    #: Position of each root ID among the distinct values.
    known: npt.NDArray[np.intp]
    n_distinct: int
    labels: pd.Index[Any]
    name: Any

    def frame(self, columns: dict[str, Any]) -> pd.DataFrame:
        """Return one row per row of the column, from columns with one entry per root ID."""
        whole = repeat_rows(scatter(columns, self.known, self.n_distinct), self.rows)
        return pd.DataFrame(whole, index=self.labels, copy=False)

    def series(self, cells: Any) -> pd.Series[Any]:
        """Return one value per row of the column, from one value per root ID."""
        found: pd.Series[Any] = self.frame({"value": cells})["value"].rename(self.name)
        return found


def root_ids_of(ids: Any, on: Hashable | None = None) -> RootIds:
    """Return the root IDs of a column; 0 (no segment) and 1 (not looked up yet) are missing."""
    column = roles.id_column(ids, on)
    distinct, rows = joins.distinct_rows(column)
    known = np.flatnonzero(distinct > 1)
    return RootIds(distinct[known], rows, known, len(distinct), index_of(ids, column), column.name)


def join(
    table: pd.DataFrame,
    on: Any,
    query: Callable[[pd.Series[Any]], Found],
    *,
    find: Callable[[pd.DataFrame, Any], pd.Series[Any]] = roles.id_column,
    without: Collection[Hashable] = (),
    not_twice: Hashable | None = None,
    prefix: str = "",
    suffix: str = "",
    overwrite: bool = False,
    how: str = "left",
    indicator: bool | str = False,
) -> pd.DataFrame:
    """Add the columns of a result to a table; order, index and dtypes stay the same.

    Parameters
    ----------
    table : DataFrame
    on : hashable or list
        Column of IDs; or several, each of which gets the columns with its own suffix.
    query : callable
        Query for a column of IDs. It is called once, with the IDs of all columns.
    find : callable
        Function that returns the column of IDs of a table.
    without : collection of hashable
        Columns of the result that are not added.
    not_twice : hashable, optional
        Column of the result that is not added if it gets the name of the column of IDs.
    prefix, suffix : str
        Text in front of and behind each new name.
    overwrite : bool
        Replace existing columns.
    how : {"left", "inner"}
        Keep all rows, or those that were found.
    indicator : bool or str
        Add the status of each row, as a column of this name.
    """
    if how not in ("left", "inner"):
        raise ValueError(f"how must be 'left' or 'inner', not {how!r}. A join adds no rows.")
    label = INDICATOR if indicator is True else indicator
    if label is not False and not (isinstance(label, str) and label):
        raise ValueError(f"indicator must be True, False or the name of a column, not {indicator!r}.")
    ends = [(find(table, name), end) for name, end in roles.ends_of(on)]
    # One query for all columns requests each ID once.
    column = ends[0][0] if len(ends) == 1 else _stacked([column for column, _ in ends])
    found = run_query.get()(query, column)
    kept, statuses = np.ones(len(table), bool), []
    if how == "inner" or label:
        statuses = np.split(_status(found), len(ends))
        if how == "inner":
            kept = np.all([status == FOUND for status in statuses], axis=0)
    columns: dict[Any, Any] = {}
    rows = np.flatnonzero(kept) if len(ends) > 1 or not kept.all() else None
    for name in found.table.columns:
        cells = array_of(found.table[name])
        for number, (column, end) in enumerate(ends):
            label_of = f"{prefix}{name}{suffix}{end}"
            if name in without or (name == not_twice and label_of == column.name):
                continue
            part = cells
            if rows is not None:
                part = joins.narrowed(cells.take(rows + number * len(table)), cells)
            columns[label_of] = part
    if label:
        for (_, end), status in zip(ends, statuses, strict=True):
            words = np.array(STATUS, object)[status[kept]]
            columns[f"{label}{end}"] = pd.array(words, dtype=TEXT)
    remaining = table if kept.all() else table[kept]
    rename = "prefix=... or suffix=..."
    result = joins.add_columns(remaining, columns, overwrite=overwrite, rename=rename)
    return extend(result, found.table, again=len(result.columns) == len(table.columns))


def _stacked(columns: list[pd.Series[Any]]) -> pd.Series[Any]:
    """Return columns below each other; of different dtypes as objects, which keeps integers exact."""
    if len({column.dtype for column in columns}) > 1:
        columns = [column.astype(object) for column in columns]
    name = " or ".join(str(column.name) for column in columns)
    stacked: pd.Series[Any] = pd.concat(columns).rename(name)
    return stacked


def _status(found: Found) -> Status:
    status = found.status()
    unreported = status < 0
    if unreported.any():
        has_value = found.table.notna().any(axis=1).to_numpy(bool)
        status = np.where(unreported, np.where(has_value, FOUND, NONE), status).astype(np.int8)
    return status
