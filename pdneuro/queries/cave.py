"""CAVE tables, synapses and the history of root IDs; or joined to a table. Needs the extra ``cave``."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import TYPE_CHECKING, Any, Unpack

import numpy as np
import pandas as pd

from pdneuro._compat import TEXT
from pdneuro._docs import documented
from pdneuro.errors import (
    MultipleRecordsError,
    UnknownFieldError,
    UnknownSourceError,
    did_you_mean,
    listing,
)
from pdneuro.options import Fetch, FetchKeywords
from pdneuro.queries._call import index_of, join, listed
from pdneuro.sources import Source, open_source
from pdneuro.tables import joins, roles
from pdneuro.tables.columns import array_of, repeat_rows, take_or_na
from pdneuro.tables.ids import Int64Array
from pdneuro.tables.provenance import stamp
from pdneuro.transport.report import one_call

if TYPE_CHECKING:
    from pdneuro.cave.questions import Fate
    from pdneuro.cave.source import CaveSource

_MULTIPLE = ("raise", "first", "list", "count")
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
        The table or a column does not exist; the message names the nearest.
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
    if multiple not in _MULTIPLE:
        raise ValueError(f"multiple must be one of {', '.join(_MULTIPLE)}, not {multiple!r}.")
    resolution = _resolution(units)
    from pdneuro.cave.source import warn_of_stale

    column = roles.id_column(ids, on)
    opened = _opened(source)
    options = Fetch.of(**fetch)
    wanted = None if columns is None else listed([columns])
    distinct, rows, present = _distinct(column)
    values: list[Any] = [None] * len(distinct)
    sample, version, name = None, opened.version, opened.name
    if present.any():
        with one_call(options):
            asked = opened.asked(options)
            version, name = asked.version, asked.name
            if not options.offline:
                asked.client.reference(table, version)
                sample = asked.client.columns(table, version)
                _require_columns(sample, table, [id_column, *(wanted or ())])
            found = opened.rows(
                asked,
                distinct[present],
                table,
                options,
                column=id_column,
                columns=wanted,
                resolution=resolution,
            )
            for position, value in zip(np.flatnonzero(present), found, strict=True):
                values[position] = value
            unknown = np.array([value is None for value in found], bool)
            warn_of_stale(asked, distinct[present][unknown], len(found), options)
    cells = _columns(table, values, distinct, wanted, multiple, id_column, sample)
    frame = pd.DataFrame(repeat_rows(cells, rows), index=index_of(ids, column), copy=False)
    facts: dict[str, Any] = {"positions": units}
    if version is not None:
        facts["version_of_data"] = version
    without_id = int((~present)[rows].sum())  # missing, 0 and 1
    if without_id:
        facts["rows_without_root_id"] = without_id
    return stamp(frame, source=name, query=f"cave({table})", **facts)


@documented()
def join_cave(
    table: pd.DataFrame,
    cave_table: str,
    columns: str | Sequence[str] | None = None,
    on: Hashable | None = None,
    source: str | Source | None = None,
    prefix: str = "",
    suffix: str = "",
    overwrite: bool = False,
    multiple: str = "raise",
    *,
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
    {on}
    {cave source}
    {prefix}
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
        The table or a column does not exist; the message names the nearest.
    MultipleRecordsError
        ``multiple="raise"``, and a root ID has several rows.
    ColumnExistsError
        A new column already exists in the table. The values are cached.

    Examples
    --------
    >>> source = "cave:minnie65_public"
    >>> table = pd.DataFrame({"root_id": pdneuro.sandbox.root_ids()[4:6], "mine": [1, 2]})
    >>> joined = table.neuro.join_cave("nucleus_view", "volume", source=source)
    >>> joined["volume"].tolist()
    [75.66, 335.87]
    """
    found = cave(
        table,
        cave_table,
        columns,
        on,
        source,
        multiple,
        id_column=id_column,
        units=units,
        **fetch,
    )
    return join(table, found, prefix=prefix, suffix=suffix, overwrite=overwrite)


@documented()
def synapses(
    ids: Any,
    columns: str | Sequence[str] | None = None,
    on: Hashable | None = None,
    source: str | Source | None = None,
    *,
    upstream: bool = True,
    downstream: bool = True,
    units: str = "nm",
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
    {units}
    {fetch}

    Returns
    -------
    DataFrame
        One row per synapse, each once: ``id``, ``pre``, ``post`` (int64), then the columns of the
        table. Synapses without a segment at the other end are left out. The total size of an edge is
        ``.groupby(["pre", "post"])["size"].sum()``.

    Raises
    ------
    {cave errors}
    UnknownTableError
        The datastack has no table of synapses.

    See Also
    --------
    pdneuro.queries.edges.edges : The number of synapses of each pair; much faster.

    Examples
    --------
    >>> ids = pdneuro.sandbox.root_ids()[4:6]
    >>> found = ids.neuro.synapses(["size"], source="cave:minnie65_public@661", upstream=False)
    >>> list(found.columns), found["pre"].isin(ids).all().item()
    (['id', 'pre', 'post', 'size'], True)
    """
    from pdneuro.cave.source import cells, warn_of_stale

    resolution = _resolution(units)
    opened = _opened(source)
    options = Fetch.of(**fetch)
    distinct, _, present = _distinct(roles.id_column(ids, on))
    ends = {"pre_pt_root_id": downstream, "post_pt_root_id": upstream}
    wanted = None if columns is None else [*ends, *listed([columns])]
    rows: dict[Any, dict[str, Any]] = {}
    if not present.any():
        found = pd.DataFrame({name: [] for name in ["id", "pre", "post", *(wanted or ())[2:]]})
        found = found.astype(dict.fromkeys(["id", "pre", "post"], "int64"))
        return stamp(found, source=opened.name, query="synapses()", positions=units)
    unknown = np.ones(int(present.sum()), bool)
    with one_call(options):
        asked = opened.asked(options)
        for end in (end for end, is_wanted in ends.items() if is_wanted):
            told = opened.rows(
                asked,
                distinct[present],
                asked.client.synapse_table,
                options,
                column=end,
                columns=wanted,
                resolution=resolution,
            )
            unknown &= np.array([found is None for found in told], bool)
            rows.update((row["id"], row) for found in told for row in found or () if _has_ends(row))
        warn_of_stale(asked, distinct[present][unknown], len(unknown), options)
    names = dict.fromkeys(["id", *ends, *(key for row in rows.values() for key in row)])
    found = pd.DataFrame({name: cells(name, [row.get(name) for row in rows.values()]) for name in names})
    kinds = dict.fromkeys(["id", *ends], "int64")
    found = found.astype(kinds).rename(columns={"pre_pt_root_id": "pre", "post_pt_root_id": "post"})
    return stamp(
        found, source=asked.name, query="synapses()", positions=units, version_of_data=asked.version
    )


def _has_ends(row: dict[str, Any]) -> bool:
    return min(row.get("pre_pt_root_id") or 0, row.get("post_pt_root_id") or 0) > 1


def _resolution(units: str) -> tuple[int, int, int] | None:
    """Return the resolution that a query asks for: 1 nm, or the voxels of the table."""
    if units not in _UNITS:
        raise ValueError(f"units must be {' or '.join(map(repr, _UNITS))}, not {units!r}.")
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
    from pdneuro.cave import questions

    column = roles.id_column(ids, on)
    opened = _opened(source)
    options = Fetch.of(**fetch)
    distinct, rows, present = _distinct(column)
    bodies: list[bytes | None] = []
    if present.any():
        with one_call(options):
            client, mark = opened.connected(options)
            bodies = opened.answered(distinct[present], questions.is_latest(client, mark), options)
    cells = np.zeros(len(distinct), bool)
    cells[present] = [body == b"true" for body in bodies]
    absent = ~present
    absent[present] = [body is None for body in bodies]
    whole: Any = pd.arrays.BooleanArray(cells, absent) if absent.any() else cells
    found = pd.Series(whole.take(rows), index=index_of(ids, column), name=column.name)
    return stamp(found, source=opened.name, query="is_latest()")


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
        Return the overlap and the status of each too.
    {fetch}

    Returns
    -------
    Series or DataFrame
        Same index; the current root ID (int64, Int64 if there is none). Of several successors, the one
        that holds most of it. With ``details`` the columns ``latest``, ``overlap`` (Float64, share of
        its chunks that the successor holds) and ``status`` (text): ``"current"``, ``"replaced"``,
        ``"split"``, ``"merged"``, ``"dead"``. ``pdneuro.last_report()`` has them as well.

    Raises
    ------
    {cave errors}

    Warns
    -----
    UnknownIdsWarning
        IDs that were never root IDs of the datastack.

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
    version: int,
    on: Hashable | None = None,
    source: str | Source | None = None,
    *,
    details: bool = False,
    **fetch: Unpack[FetchKeywords],
) -> Any:
    """Return the root ID of each root ID at a materialization version.

    Parameters
    ----------
    {root ids}
    version : int
        A materialization version.
    {on}
    {cave source}
    details : bool, default False
        Return the overlap and the status of each too.
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
    """
    return _successors(ids, on, source, int(version), details, fetch)


def _opened(source: str | Source | None) -> CaveSource:
    from pdneuro.cave.source import CaveSource

    opened = open_source(source)
    if not isinstance(opened, CaveSource):
        raise UnknownSourceError(
            f"{opened.name} is not a CAVE datastack; name one: source='cave:minnie65_public'."
        )
    return opened


def _distinct(ids: pd.Series[Any]) -> tuple[Int64Array, Any, Any]:
    """Return the distinct IDs, the position of each row among them, and which of them are root IDs.

    0 means no segment, and 1 a root ID that is not looked up yet.
    """
    distinct, rows = joins.distinct_rows(ids)
    return distinct, rows, distinct > 1


def _require_columns(sample: pd.DataFrame | None, table: str, wanted: Sequence[str]) -> None:
    """Raise for columns that a table does not have; the axis of a position is optional."""
    if sample is None:
        return
    known = [str(name) for name in sample.columns]
    whole = {*known, *(name.rpartition("_")[0] for name in known if name[-2:] in ("_x", "_y", "_z"))}
    for name in wanted:
        if name not in whole:
            raise UnknownFieldError(
                f"the table {table!r} has no column {name!r}.{did_you_mean(name, whole)} It has "
                f"{', '.join(known)}."
            )


def _columns(
    table: str,
    values: list[Any],
    distinct: Int64Array,
    columns: Sequence[str] | None,
    multiple: str,
    id_column: str,
    sample: pd.DataFrame | None,
) -> dict[str, Any]:
    from pdneuro.cave.source import cells

    counts = [0 if value is None else len(value) for value in values]
    if multiple == "count":
        missing = distinct < 2
        numbers = np.array(counts, np.int64)
        return {f"{table}_count": pd.arrays.IntegerArray(numbers, missing) if missing.any() else numbers}
    if multiple == "list":
        whole = np.empty(len(values), object)
        whole[:] = values
        return {table: whole}
    several = [place for place, count in enumerate(counts) if count > 1]
    if multiple == "raise" and several:
        shown = listing(f"{distinct[place]} ({counts[place]})" for place in several)
        raise MultipleRecordsError(
            f"{len(several):,} root IDs have several rows in {table!r}: {shown}. Choose "
            'multiple="first", "list" or "count".'
        )
    some = [place for place, count in enumerate(counts) if count]
    # Of several rows the first by the ID of the annotation.
    first = [min(values[place], key=_row_id) for place in some]
    keys = list(first[0]) if first else [] if sample is None else list(map(str, sample.columns))
    names = [name for name in keys if name != id_column]
    if columns is not None:
        wanted = set(columns)
        names = [name for name in names if name in wanted or name.rpartition("_")[0] in wanted]
    if not first and sample is None:  # no root IDs: the columns that were named, of unknown dtype
        return {name: np.full(len(values), None, object) for name in columns or ()}
    if not first and sample is not None:  # no rows: the columns of the table, all missing
        nowhere = np.full(len(values), -1)
        return {name: take_or_na(array_of(sample[name]), nowhere) for name in names}
    places = np.full(len(values), -1)
    places[some] = np.arange(len(some))
    return {name: take_or_na(cells(name, [row.get(name) for row in first]), places) for name in names}


def _row_id(row: dict[str, Any]) -> Any:
    return row.get("id") or 0


def _successors(
    ids: Any,
    on: Hashable | None,
    source: str | Source | None,
    version: int | None,
    details: bool,
    fetch: FetchKeywords,
) -> Any:
    from pdneuro.cave import questions

    column = roles.id_column(ids, on)
    opened = _opened(source)
    options = Fetch.of(**fetch)
    distinct, rows, present = _distinct(column)
    told: list[Fate | None] = []
    if present.any():
        with one_call(options):
            client, mark = opened.connected(options)
            moment = None if version is None else client.frozen(client.version(version))
            word = "latest" if version is None else f"at {version}"
            question = questions.fates(client, mark, moment, word)
            told = opened.fates(distinct[present], question, options)
    entries: list[Fate | None] = [None] * len(distinct)
    for place, fate in zip(np.flatnonzero(present), told, strict=True):
        entries[place] = fate
    roots = np.array([0 if fate is None else fate.latest for fate in entries], np.int64)
    gone = roots == 0
    numbers: Any = pd.arrays.IntegerArray(roots, gone) if gone.any() else roots
    index = index_of(ids, column)
    query = "latest()" if version is None else f"at({version})"
    if not details:
        found = pd.Series(numbers.take(rows), index=index, name=column.name)
        return stamp(found, source=opened.name, query=query)
    unknown = np.array([fate is None for fate in entries], bool)
    overlap = np.array([0.0 if fate is None else fate.overlap for fate in entries])
    columns = {
        "latest": numbers,
        "overlap": pd.arrays.FloatingArray(overlap, unknown),
        "status": pd.array([None if fate is None else fate.status for fate in entries], dtype=TEXT),
    }
    table = pd.DataFrame(repeat_rows(columns, rows), index=index, copy=False)
    return stamp(table, source=opened.name, query=query)
