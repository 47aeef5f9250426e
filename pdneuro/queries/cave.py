"""CAVE tables, synapses and the history of root IDs; or joined to a table. Needs the extra ``cave``."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Unpack

import numpy as np
import pandas as pd

from pdneuro._compat import TEXT
from pdneuro._docs import documented
from pdneuro.errors import (
    InvalidQueryError,
    MultipleRecordsError,
    UnknownFieldError,
    did_you_mean,
    listing,
)
from pdneuro.options import Fetch, FetchKeywords
from pdneuro.queries._call import Found, cave_source, join, listed, root_ids_of
from pdneuro.sources import Source
from pdneuro.tables import roles
from pdneuro.tables.columns import array_of, check_choice, check_multiple, objects, scatter
from pdneuro.tables.ids import Int64Array
from pdneuro.tables.provenance import stamp
from pdneuro.tables.rounding import rounding_hint
from pdneuro.transport.report import MISSING, collect_report

if TYPE_CHECKING:
    from pdneuro.cave.materialization import Wanted

_UNITS = ("nm", "voxel")


@documented()
def cave(
    ids: Any,
    table: str,
    columns: str | Sequence[str] | None = None,
    on: Hashable | None = None,
    source: str | Source | None = None,
    multiple: str = "raise",
    *,
    id_column: str = "pt_root_id",
    units: str = "nm",
    **fetch: Unpack[FetchKeywords],
) -> pd.DataFrame:
    """Look up columns of a CAVE table or view for root IDs. Returns one row per input row.

    Parameters
    ----------
    {root ids}
    table : str
        A table or view of the datastack. A reference table comes with the table that it refers to;
        columns of the same name get the suffix ``_ref``.
    columns : str or sequence of str, optional
        Default: all columns but the root ID.
    {on}
    {cave source}
    {cave multiple}
    {cave table}
    {fetch}

    Returns
    -------
    DataFrame
        Same length, order and index. Positions are ``{name}_x, _y, _z``; integers int64 (Int64 if
        something is missing), other numbers Float64, text, timestamps datetime (UTC).

    Raises
    ------
    {cave errors}
    UnknownTableError, UnknownFieldError
        The table or a column does not exist; the message suggests similar names.
    MultipleRecordsError
        ``multiple="raise"``, and a root ID has several rows.

    Warns
    -----
    StaleIdsWarning
        Root IDs that are not valid at the version, or whose validity could not be checked.

    See Also
    --------
    join_cave : Add the columns to a table.

    Notes
    -----
    Source: https://caveconnectome.github.io/CAVEclient. The data of a version never change, so they are
    cached without a time limit.

    Examples
    --------
    >>> ids = pdneuro.sandbox.root_ids()[4:6]
    >>> ids.neuro.cave("cell_type_manual", ["cell_type"], source="cave:minnie65_public@1300")
      cell_type
    4        BC
    5        MC
    """
    column = roles.id_column(ids, on)
    found = _find(column, table, columns, source, multiple, id_column, units, fetch).table
    return found.set_axis(ids) if isinstance(ids, pd.Index) else found


def _find(
    ids: pd.Series[Any],
    table: str,
    columns: str | Sequence[str] | None,
    source: str | Source | None,
    multiple: str,
    id_column: str,
    units: str,
    fetch: FetchKeywords,
) -> Found:
    """Return columns of a CAVE table for the root IDs of a column, one row per row of the column."""
    check_multiple(multiple)
    resolution = _resolution(units)
    wanted = None if columns is None else listed([columns])
    roots = root_ids_of(ids)
    opened = cave_source(source)
    options = Fetch.of(**fetch)
    values: list[Any] = []
    only: dict[str, Any] | None = None
    without = np.ones(len(roots.ids), bool)
    sample = None
    status = np.full(roots.n_distinct, MISSING, np.int8)
    if len(roots.ids):
        with collect_report(options, partial(rounding_hint, roots.ids)) as report:
            first = len(report.fetches)
            opened = opened.at_version(roots.ids, options)
            version = opened.open(roots.ids, options)
            sample = version.sample(table, required=False)
            if sample is not None:
                _require_columns(sample.columns, table, [id_column, *(wanted or ())])
            rows = version.rows(roots.ids, table, id_column, wanted, resolution)
            without = np.array([body is None for body in rows.payloads], bool)
            version.warn_of_stale(roots.ids[without], len(without))
            only = rows.columns() if multiple in ("raise", "first") else None
            values = rows.lists() if only is None else []
            if sample is None and not without.all():  # the rows show the columns as well
                shown = next(filter(None, values), [{}])[0] if only is None else only
                _require_columns(shown, table, wanted or ())
            elif sample is None and multiple in ("raise", "first"):  # nothing else shows them
                sample = version.sample(table)
        status[roots.known] = report.status(roots.ids, first)
    if only is not None:
        names = _names(only, wanted, id_column)
        found = scatter({name: only[name] for name in names}, np.flatnonzero(~without), len(without))
    elif multiple == "list":
        found = {table: objects(values)}
    elif multiple == "count":
        counts = [0 if value is None else len(value) for value in values]
        found = {f"{table}_count": np.array(counts, np.int64)}
    else:
        if multiple == "raise":
            _require_one_row(table, roots.ids, values)
        found = _first_rows(values, wanted, id_column, sample)
    facts: dict[str, Any] = {"positions": units, **opened.provenance}
    without_id = int(np.isin(roots.rows, roots.known, invert=True).sum())  # missing, 0 and 1
    if without_id:
        facts["rows_without_root_id"] = without_id
    result = stamp(roots.frame(found), source=opened.name, query=f"cave({table})", **facts)
    return Found(result, lambda: status[roots.rows])


@documented()
def join_cave(
    table: pd.DataFrame,
    cave_table: str,
    columns: str | Sequence[str] | None = None,
    on: Hashable | Sequence[Hashable] | None = None,
    source: str | Source | None = None,
    prefix: str = "",
    suffix: str = "",
    overwrite: bool = False,
    multiple: str = "raise",
    *,
    how: str = "left",
    indicator: bool | str = False,
    id_column: str = "pt_root_id",
    units: str = "nm",
    **fetch: Unpack[FetchKeywords],
) -> pd.DataFrame:
    """Add columns of a CAVE table or view to a table; same rows, order, index and dtypes.

    Parameters
    ----------
    table : DataFrame
    cave_table : str
        A table or view of the datastack.
    columns : str or sequence of str, optional
        Default: all columns but the root ID.
    {join on}
    {cave source}
    {join}
    {cave multiple}
    {cave table}
    {fetch}

    Returns
    -------
    DataFrame

    Raises
    ------
    {cave errors}
    UnknownTableError, UnknownFieldError
        The table or a column does not exist; the message suggests similar names.
    MultipleRecordsError
        ``multiple="raise"``, and a root ID has several rows.
    ColumnExistsError
        A new column already exists in the table with other values. The values are cached.

    Examples
    --------
    >>> source = "cave:minnie65_public"
    >>> table = pd.DataFrame({"root_id": pdneuro.sandbox.root_ids()[4:6], "mine": [1, 2]})
    >>> joined = table.neuro.join_cave("nucleus_view", "volume", source=source)
    >>> joined["volume"].tolist()
    [75.66, 335.87]
    """
    return join(
        table,
        on,
        lambda ids: _find(ids, cave_table, columns, source, multiple, id_column, units, fetch),
        prefix=prefix,
        suffix=suffix,
        overwrite=overwrite,
        how=how,
        indicator=indicator,
    )


@documented()
def synapses(
    ids: Any,
    columns: str | Sequence[str] | None = None,
    on: Hashable | None = None,
    source: str | Source | None = None,
    *,
    upstream: bool = True,
    downstream: bool = True,
    pre: Any = None,
    post: Any = None,
    within: bool = False,
    min_score: float | None = None,
    bounds: Any = None,
    position: str = "center",
    units: str = "nm",
    nt: bool = False,
    autapses: bool = True,
    **fetch: Unpack[FetchKeywords],
) -> pd.DataFrame:
    """Return each synapse of root IDs, with its size and position.

    Parameters
    ----------
    {root ids}
    columns : str or sequence of str, optional
        Such as ``"size"``, ``"ctr_pt_position"``. Default: all.
    {on}
    {cave source}
    upstream, downstream : bool, default True
        Return synapses onto the root IDs, and from them.
    pre, post : Series, Index, array or list, optional
        Root IDs of the other end: only synapses from ``pre`` onto the column, or from the column onto
        ``post``. Both ends are selected by the server.
    within : bool, default False
        Only synapses whose both ends are in the column.
    min_score : float, optional
        Only synapses with a ``cleft_score`` of at least this.
    bounds : two corners, optional
        Only synapses in a box ``[[x, y, z], [x, y, z]]``, its sides included, in the unit of positions.
    position : {"center", "pre", "post"}, default "center"
        The position that must be in the box.
    {units}
    nt : bool, default False
        Return one row per edge, with the mean of each transmitter over its synapses.
    autapses : bool, default True
        Keep synapses from a neuron onto itself.
    {fetch}

    Returns
    -------
    DataFrame
        One row per synapse, each once: ``id``, ``pre``, ``post`` (int64), then the columns of the
        table; positions are ``{name}_x, _y, _z``. Synapses without a segment at the other end are left
        out. The total size of an edge is ``.groupby(["pre", "post"])["size"].sum()``. With ``nt``, an
        edge table: ``pre, post, weight`` (int64), a column for each transmitter (Float64), and ``nt``,
        the one with the largest mean (text; NA if two are equal).

    Raises
    ------
    {cave errors}
    UnknownTableError
        The datastack has no table of synapses.
    UnknownFieldError
        The table has no such column, no ``cleft_score``, or no transmitters.
    InvalidQueryError
        The bounds are not two corners, or two choices contradict each other.

    Warns
    -----
    StaleIdsWarning
        Root IDs without synapses that are not valid at the version.

    See Also
    --------
    pdneuro.queries.edges.edges : The number of synapses of each pair; much faster.

    Notes
    -----
    For two sets, the longer one is sent in batches. With at most 50 IDs in the shorter one, a batch has
    1,000 IDs, otherwise 30. The score is compared here, so that another score needs no request.

    Examples
    --------
    >>> ids = pdneuro.sandbox.root_ids()[4:6]
    >>> found = ids.neuro.synapses(["size"], source="cave:minnie65_public@661", upstream=False)
    >>> list(found.columns), found["pre"].isin(ids).all().item()
    (['id', 'pre', 'post', 'size'], True)
    """
    from pdneuro.cave import synapses as found_by
    from pdneuro.tables.ids import as_series, distinct_ids

    if sum([pre is not None, post is not None, within]) > 1:
        raise InvalidQueryError("pass one of pre=, post= and within=True: the column is the other end.")
    names = None if columns is None else listed([columns])
    choice = found_by.Choice.of(
        names,
        min_score=min_score,
        bounds=bounds,
        position=position,
        units=units,
        nt=nt,
        autapses=autapses,
    )
    own = distinct_ids(roles.id_column(ids, on))
    opened = cave_source(source)
    ends = own if downstream else None, own if upstream else None
    if within:
        ends = own, own
    elif pre is not None:
        ends = distinct_ids(as_series(pre)), own
    elif post is not None:
        ends = own, distinct_ids(as_series(post))
    together = ends[0] is ends[1] and not within
    return found_by.search(opened, *ends, choice, Fetch.of(**fetch), together=together)


def _resolution(units: str) -> tuple[int, int, int] | None:
    """Return the resolution that a query asks for: 1 nm, or the voxels of the table."""
    check_choice("units", units, _UNITS)
    return (1, 1, 1) if units == "nm" else None


@documented()
def is_latest(
    ids: Any,
    on: Hashable | None = None,
    source: str | Source | None = None,
    **fetch: Unpack[FetchKeywords],
) -> pd.Series[Any]:
    """Return whether root IDs are current. The service is queried each time.

    Parameters
    ----------
    {root ids}
    {on}
    {cave source}
    {fetch}

    Returns
    -------
    Series
        Same index; bool, boolean if an ID is missing.

    Raises
    ------
    {cave errors}

    Examples
    --------
    >>> ids = pdneuro.sandbox.root_ids()[:6]
    >>> ids.neuro.is_latest(source="cave:minnie65_public").tolist()
    [False, False, False, False, True, True]
    """
    roots = root_ids_of(ids, on)
    opened = cave_source(source)
    options = Fetch.of(**fetch)
    flags: Any = np.zeros(0, bool)
    if len(roots.ids):
        from pdneuro.cave import root_ids

        with collect_report(options, partial(rounding_hint, roots.ids)):
            flags = root_ids.is_latest(opened.connect(options), roots.ids, options)
    return stamp(roots.series(flags), source=opened.name, query="is_latest()")


@documented()
def latest(
    ids: Any,
    on: Hashable | None = None,
    source: str | Source | None = None,
    *,
    details: bool = False,
    **fetch: Unpack[FetchKeywords],
) -> Any:
    """Return the current root ID of each root ID. The service is queried each time.

    Parameters
    ----------
    {root ids}
    {on}
    {cave source}
    details : bool, default False
        Also return the overlap and the status of each root ID.
    {fetch}

    Returns
    -------
    Series or DataFrame
        Same index; the current root ID (int64, or Int64 if some have none). If there are several
        successors, the one with the largest overlap. With ``details``, the columns are ``latest``,
        ``overlap`` (Float64, the share of the chunks of the old root ID that the new one contains) and
        ``status`` (text): ``"current"``, ``"replaced"``, ``"split"``, ``"merged"``, ``"dead"``.
        ``pdneuro.last_report()`` also contains them.

    Raises
    ------
    {cave errors}

    Warns
    -----
    UnknownIdsWarning
        Some IDs were never root IDs of the datastack.

    Examples
    --------
    >>> ids = pdneuro.sandbox.root_ids()[:5]
    >>> ids.neuro.latest(source="cave:minnie65_public", details=True)[["overlap", "status"]]
       overlap    status
    0      1.0  replaced
    1      0.7     split
    2      1.0    merged
    3      1.0    merged
    4      1.0   current
    """
    return _successors(ids, on, source, None, details, fetch)


@documented()
def at(
    ids: Any,
    version: Any,
    on: Hashable | None = None,
    source: str | Source | None = None,
    *,
    details: bool = False,
    **fetch: Unpack[FetchKeywords],
) -> Any:
    """Return the root ID of each root ID at a materialization version, or at a time.

    Parameters
    ----------
    {root ids}
    {version}
    {on}
    {cave source}
    details : bool, default False
        Also return the overlap and the status of each root ID.
    {fetch}

    Returns
    -------
    Series or DataFrame
        See :func:`latest`; ``status`` is ``"current"`` for a root ID that is valid at the version.

    Raises
    ------
    {cave errors}

    Examples
    --------
    >>> ids = pdneuro.sandbox.root_ids()[:2]
    >>> ids.neuro.at(661, source="cave:minnie65_public").equals(ids)
    True
    >>> ids.neuro.at("2024-06-05T12:00Z", source="cave:minnie65_public").equals(ids)
    True
    """
    from pdneuro.cave.materialization import wanted_version

    return _successors(ids, on, source, wanted_version(version), details, fetch)


def _require_columns(names: Iterable[Hashable], table: str, wanted: Sequence[str]) -> None:
    """Raise for columns that a table does not have; the axis of a position is optional."""
    known = [str(name) for name in names]
    whole = {*known, *(name.rpartition("_")[0] for name in known if name[-2:] in ("_x", "_y", "_z"))}
    for name in wanted:
        if name not in whole:
            raise UnknownFieldError(
                f"the table {table!r} has no column {name!r}.{did_you_mean(name, whole)} It has "
                f"{', '.join(known)}."
            )


def _require_one_row(table: str, ids: Int64Array, values: list[Any]) -> None:
    counts = [0 if value is None else len(value) for value in values]
    several = [row for row, count in enumerate(counts) if count > 1]
    if several:
        shown = listing(f"{ids[row]} ({counts[row]})" for row in several)
        raise MultipleRecordsError(
            f"{len(several):,} root IDs have several rows in {table!r}: {shown}. Choose "
            'multiple="first", "list" or "count".'
        )


def _first_rows(
    values: list[Any], wanted: Sequence[str] | None, id_column: str, sample: pd.DataFrame | None
) -> dict[str, Any]:
    """Return the columns of the first row of each root ID."""
    from pdneuro.cave import parse

    known = np.flatnonzero([bool(value) for value in values])
    records = parse.first_rows([values[row] for row in known])
    if not records and sample is None:  # the columns are not known
        return {name: objects([None] * len(values)) for name in wanted or ()}
    names = list(records[0]) if records or sample is None else [str(name) for name in sample.columns]
    names = _names(names, wanted, id_column)
    if not records and sample is not None:
        return scatter({name: array_of(sample[name])[:0] for name in names}, known, len(values))
    return scatter(parse.row_columns(records, names), known, len(values))


def _names(names: Iterable[str], wanted: Sequence[str] | None, id_column: str) -> list[str]:
    """Return the columns of a table that are wanted, also by the name of their position."""
    return [
        name
        for name in names
        if name != id_column and (wanted is None or name in wanted or name.rpartition("_")[0] in wanted)
    ]


def _successors(
    ids: Any,
    on: Hashable | None,
    source: str | Source | None,
    wanted: Wanted | None,
    details: bool,
    fetch: FetchKeywords,
) -> Any:
    from pdneuro.cave import materialization, root_ids

    roots = root_ids_of(ids, on)
    opened = cave_source(source)
    options = Fetch.of(**fetch)
    found: list[Any] = []
    facts: Mapping[str, Any] = {}
    if len(roots.ids):
        with collect_report(options, partial(rounding_hint, roots.ids)):
            client = opened.connect(options)
            state = materialization.state(client, wanted, roots.ids, options)
            found, facts = root_ids.successors(client, roots.ids, state, options), state.provenance
    query = "latest()" if wanted is None else f"at({wanted})"
    latest = np.array([0 if entry is None else entry.latest for entry in found], np.int64)
    numbers: Any = pd.arrays.IntegerArray(latest, latest == 0) if (latest == 0).any() else latest
    if not details:
        return stamp(roots.series(numbers), source=opened.name, query=query, **facts)
    unknown = np.array([entry is None for entry in found], bool)
    overlap = np.array([0.0 if entry is None else entry.overlap for entry in found], float)
    status = [None if entry is None else entry.status for entry in found]
    columns = {
        "latest": numbers,
        "overlap": pd.arrays.FloatingArray(overlap, unknown),
        "status": pd.array(status, dtype=TEXT),
    }
    return stamp(roots.frame(columns), source=opened.name, query=query, **facts)
