"""What can be asked of CAVE about a column or table of root IDs: tables, and what became of them.

Each function is also a method: ``column.neuro.is_latest()``. It needs the extra ``cave``.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import TYPE_CHECKING, Any, Unpack

import numpy as np
import pandas as pd

from pdneuro._compat import TEXT
from pdneuro.errors import (
    MultipleRecordsError,
    UnknownFieldError,
    UnknownSourceError,
    did_you_mean,
    listing,
)
from pdneuro.options import Fetch, FetchKeywords
from pdneuro.sources import Source, open_source
from pdneuro.tables import joins, roles
from pdneuro.tables.ids import Int64Array
from pdneuro.tables.provenance import stamp
from pdneuro.transport.report import one_call

if TYPE_CHECKING:
    from pdneuro.cave.questions import Asked, Fate
    from pdneuro.cave.source import CaveSource

_MULTIPLE = ("raise", "first", "list", "count")


def cave(
    ids: pd.Series[Any],
    table: str,
    columns: Sequence[str] | None = None,
    multiple: str = "raise",
    source: str | Source | None = None,
    *,
    by: str = "pt_root_id",
    nanometres: bool = True,
    **fetch: Unpack[FetchKeywords],
) -> pd.DataFrame:
    """Columns of a CAVE table or view for root IDs, one row a row of the column.

    Parameters
    ----------
    ids : Series
        Root IDs. 0 (no segment) and 1 (not looked up yet) count as missing.
    table : str
        A table or view of the datastack. A reference table comes with the table that it is about,
        columns of the same name with ``_ref`` behind them.
    columns : sequence of str, optional
        Default: all but the root ID itself.
    multiple : {"raise", "first", "list", "count"}
        Where a root ID has several rows: an error; the first, by ``id``; a list of records in a column
        named after the table; their number, as ``{table}_count``.
    source : str or Source
        Such as ``"cave:minnie65_public"``, at a version ``"cave:minnie65_public@1300"``. Default: the
        option ``source``.
    by : str
        The table's column of root IDs.
    nanometres : bool
        Positions in nm; else in the table's voxels. ``attrs`` says which.
    **fetch
        ``batch_size`` (IDs a request), ``max_workers``, ``refresh``, ``progress``, ``on_error``,
        ``on_missing``. Default: the options of these names.

    Returns
    -------
    DataFrame
        Same length, order and index. Positions are ``{name}_x, _y, _z``; integers int64 (Int64 where
        something is missing), other numbers Float64, text, moments datetime (UTC).

    Raises
    ------
    UnknownTableError, UnknownFieldError
        There is no such table or column; names the nearest.
    ExpiredVersionError
        The version is gone.
    MultipleRecordsError
        ``multiple="raise"`` and a root ID has several rows.
    MissingDependencyError
        caveclient is absent, or older than 8.
    MissingTokenError, AuthenticationError, ForbiddenError
        No token, a wrong one, terms not accepted: says which page to visit.
    InvalidIdError, PrecisionLossError
        The column holds no exact IDs.
    ServiceError, OfflineError
        The service failed, or not everything is stored.

    Warns
    -----
    StaleIdsWarning
        Root IDs that are not valid at the version, or of which that could not be asked.

    See Also
    --------
    join_cave : the same beside a table's columns.

    Notes
    -----
    Source: https://caveconnectome.github.io/CAVEclient. Answers at a version never change, and are kept.

    Examples
    --------
    >>> import pdneuro
    >>> with pdneuro.sandbox.start():
    ...     ids = pdneuro.sandbox.root_ids()[4:6]
    ...     ids.neuro.cave("cell_type_manual", ["cell_type"], source="cave:minnie65_public@1300")
      cell_type
    4        BC
    5        MC
    """
    asked, names, found, rows = _looked_up(ids, table, columns, multiple, source, by, nanometres, fetch)
    frame = pd.DataFrame(joins.spread(found, rows), index=ids.index, copy=False)
    return stamp(frame, source=asked.name, query=f"cave({table})", **names)


def join_cave(
    table: pd.DataFrame,
    cave_table: str,
    on: Hashable | None = None,
    columns: Sequence[str] | None = None,
    multiple: str = "raise",
    source: str | Source | None = None,
    *,
    by: str = "pt_root_id",
    nanometres: bool = True,
    prefix: str = "",
    overwrite: bool = False,
    **fetch: Unpack[FetchKeywords],
) -> pd.DataFrame:
    """A table with columns of a CAVE table or view beside its own; same rows, order, index and dtypes.

    Parameters
    ----------
    table : DataFrame
    cave_table : str
        A table or view of the datastack.
    on : hashable, optional
        The column of root IDs. Default: recognised by a name such as ``pt_root_id``.
    columns, multiple, source, by, nanometres, **fetch
        As for :func:`cave`.
    prefix : str
        Put in front of the new names.
    overwrite : bool
        Replace columns that have the new names.

    Returns
    -------
    DataFrame

    Raises
    ------
    MissingColumnsError, AmbiguousColumnError
        No column of IDs is recognised, or several are.
    ColumnExistsError
        A new name is taken.
    Exception
        As for :func:`cave`.

    Examples
    --------
    >>> import pandas as pd, pdneuro
    >>> source = "cave:minnie65_public"
    >>> with pdneuro.sandbox.start():
    ...     table = pd.DataFrame({"root_id": pdneuro.sandbox.root_ids()[4:6], "mine": [1, 2]})
    ...     joined = table.neuro.join_cave("nucleus_view", columns=["volume"], source=source)
    >>> joined["volume"].tolist()
    [75.66, 335.87]
    """
    ids = roles.id_column(table, on)
    asked, names, found, rows = _looked_up(
        ids, cave_table, columns, multiple, source, by, nanometres, fetch
    )
    joined = joins.attach(table, joins.spread(found, rows), prefix=prefix, overwrite=overwrite)
    query = f"join_cave({cave_table})"
    return stamp(joined, source=asked.name, query=query, earlier=joined.attrs, **names)


def synapses(
    ids: pd.Series[Any],
    columns: Sequence[str] | None = None,
    source: str | Source | None = None,
    *,
    upstream: bool = True,
    downstream: bool = True,
    nanometres: bool = True,
    **fetch: Unpack[FetchKeywords],
) -> pd.DataFrame:
    """Each synapse of root IDs, with its size and place.

    Parameters
    ----------
    ids, source, nanometres, **fetch
        As for :func:`cave`.
    columns : sequence of str, optional
        Such as ``"size"``, ``"ctr_pt_position"``. Default: all.
    upstream, downstream : bool
        Synapses onto the root IDs, and from them.

    Returns
    -------
    DataFrame
        One row a synapse, each once: ``id``, ``pre``, ``post`` (int64), then the columns of the table.
        Synapses with no segment at the other end are left out. An edge's whole size is
        ``.groupby(["pre", "post"])["size"].sum()``.

    Raises
    ------
    UnknownTableError
        The datastack names no table of synapses.
    Exception
        As for :func:`cave`.

    See Also
    --------
    pdneuro.segments.edges : the number of synapses of each pair, in a fraction of the time.

    Examples
    --------
    >>> import pdneuro
    >>> with pdneuro.sandbox.start():
    ...     ids = pdneuro.sandbox.root_ids()[4:6]
    ...     found = ids.neuro.synapses(["size"], source="cave:minnie65_public@661", upstream=False)
    >>> list(found.columns), found["pre"].isin(ids).all().item()
    (['id', 'pre', 'post', 'size'], True)
    """
    from pdneuro.cave.source import cells, warn_of_stale

    opened = _opened(source)
    options = Fetch.of(**fetch)
    distinct, _, present = _distinct(ids)
    ends = {"pre_pt_root_id": downstream, "post_pt_root_id": upstream}
    wanted = None if columns is None else [*ends, *columns]
    resolution = (1, 1, 1) if nanometres else None
    rows: dict[Any, dict[str, Any]] = {}
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
    unit = "nm" if nanometres else "voxels"
    return stamp(
        found, source=asked.name, query="synapses()", positions=unit, version_of_data=asked.version
    )


def _has_ends(row: dict[str, Any]) -> bool:
    return min(row.get("pre_pt_root_id") or 0, row.get("post_pt_root_id") or 0) > 1


def is_latest(
    ids: pd.Series[Any], source: str | Source | None = None, **fetch: Unpack[FetchKeywords]
) -> pd.Series[Any]:
    """Whether root IDs are current.

    Parameters
    ----------
    ids, source, **fetch
        As for :func:`cave`. The service is asked anew each time.

    Returns
    -------
    Series
        Same index; bool, boolean where an ID is missing.

    Raises
    ------
    Exception
        As for :func:`cave`.

    Examples
    --------
    >>> import pdneuro
    >>> with pdneuro.sandbox.start():
    ...     ids = pdneuro.sandbox.root_ids()[:6]
    ...     ids.neuro.is_latest(source="cave:minnie65_public").tolist()
    [False, False, False, False, True, True]
    """
    from pdneuro.cave import questions

    opened = _opened(source)
    options = Fetch.of(**fetch)
    distinct, rows, present = _distinct(ids)
    with one_call(options):
        client, mark = opened.connected(options)
        bodies = opened.answered(distinct[present], questions.is_latest(client, mark), options)
    cells = np.zeros(len(distinct), bool)
    cells[present] = [body == b"true" for body in bodies]
    absent = ~present
    absent[present] = [body is None for body in bodies]
    whole: Any = pd.arrays.BooleanArray(cells, absent) if absent.any() else cells
    found = pd.Series(whole.take(rows), index=ids.index, name=ids.name)
    return stamp(found, source=opened.name, query="is_latest()")


def latest(
    ids: pd.Series[Any],
    source: str | Source | None = None,
    *,
    details: bool = False,
    **fetch: Unpack[FetchKeywords],
) -> Any:
    """What has become of root IDs.

    Parameters
    ----------
    ids, source, **fetch
        As for :func:`is_latest`.
    details : bool
        Also the overlap and the status of each.

    Returns
    -------
    Series or DataFrame
        Same index; the current root ID (int64, Int64 where there is none): of several successors the
        one that holds most of it. With ``details`` the columns ``latest``, ``overlap`` (Float64, share
        of its chunks that the successor holds) and ``status`` (text): ``"current"``, ``"replaced"``,
        ``"split"``, ``"merged"``, ``"dead"``. ``pdneuro.last_report()`` has them as well.

    Raises
    ------
    Exception
        As for :func:`cave`.

    Warns
    -----
    UnknownIdsWarning
        IDs that never were root IDs of the datastack.

    Examples
    --------
    >>> import pdneuro
    >>> with pdneuro.sandbox.start():
    ...     ids = pdneuro.sandbox.root_ids()[:5]
    ...     ids.neuro.latest(source="cave:minnie65_public", details=True)[["overlap", "status"]]
       overlap    status
    0      1.0  replaced
    1      0.7     split
    2      1.0    merged
    3      1.0    merged
    4      1.0   current
    """
    return _fates(ids, source, None, details, fetch)


def at(
    ids: pd.Series[Any],
    version: int,
    source: str | Source | None = None,
    *,
    details: bool = False,
    **fetch: Unpack[FetchKeywords],
) -> Any:
    """What root IDs are at a materialization version.

    Parameters
    ----------
    ids, source, details, **fetch
        As for :func:`latest`.
    version : int
        A materialization version.

    Returns
    -------
    Series or DataFrame
        As for :func:`latest`; ``status`` is ``"current"`` for one that is valid at the version.

    Raises
    ------
    ExpiredVersionError
        There is no such version.
    Exception
        As for :func:`cave`.

    Examples
    --------
    >>> import pdneuro
    >>> with pdneuro.sandbox.start():
    ...     ids = pdneuro.sandbox.root_ids()[:2]
    ...     ids.neuro.at(661, source="cave:minnie65_public").equals(ids)
    True
    """
    return _fates(ids, source, int(version), details, fetch)


def _opened(source: str | Source | None) -> CaveSource:
    from pdneuro.cave.source import CaveSource

    opened = open_source(source)
    if not isinstance(opened, CaveSource):
        raise UnknownSourceError(
            f"{opened.name} is no CAVE datastack; name one: source='cave:minnie65_public'."
        )
    return opened


def _distinct(ids: pd.Series[Any]) -> tuple[Int64Array, Any, Any]:
    """Distinct IDs, the place of each row's among them, and which of them can be asked about."""
    distinct, rows = joins.distinct_rows(ids)
    return distinct, rows, distinct > 1


def _looked_up(
    ids: pd.Series[Any],
    table: str,
    columns: Sequence[str] | None,
    multiple: str,
    source: str | Source | None,
    by: str,
    nanometres: bool,
    fetch: FetchKeywords,
) -> tuple[Asked, dict[str, Any], dict[str, Any], Any]:
    """Columns with one entry a distinct ID, the entry of each row, and facts about them."""
    if multiple not in _MULTIPLE:
        raise ValueError(f"multiple must be one of {', '.join(_MULTIPLE)}, not {multiple!r}.")
    from pdneuro.cave.source import warn_of_stale

    opened = _opened(source)
    options = Fetch.of(**fetch)
    distinct, rows, present = _distinct(ids)
    columns = [columns] if isinstance(columns, str) else columns
    with one_call(options):
        asked = opened.asked(options)
        sample = None
        if not options.offline:
            asked.client.reference(table, asked.version)
            sample = asked.client.columns(table, asked.version)
            _require_columns(sample, table, [by, *(columns or ())])
        values: list[Any] = [None] * len(distinct)
        resolution = (1, 1, 1) if nanometres else None
        found = opened.rows(
            asked, distinct[present], table, options, column=by, columns=columns, resolution=resolution
        )
        for place, value in zip(np.flatnonzero(present), found, strict=True):
            values[place] = value
        unknown = np.array([value is None for value in found], bool)
        warn_of_stale(asked, distinct[present][unknown], len(found), options)
    facts: dict[str, Any] = {"positions": "nm" if nanometres else "voxels"}
    facts["version_of_data"] = asked.version
    dropped = int((~present)[rows].sum())
    if dropped:  # missing, 0 and 1
        facts["rows_without_root_id"] = dropped
    return asked, facts, _columns(table, values, distinct, columns, multiple, by, sample), rows


def _require_columns(sample: pd.DataFrame | None, table: str, wanted: Sequence[str]) -> None:
    """Refuse columns that a table does not have; a position is named with or without its axis."""
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
    by: str,
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
    names = [name for name in keys if name != by]
    if columns is not None:
        wanted = set(columns)
        names = [name for name in names if name in wanted or name.rpartition("_")[0] in wanted]
    if not first and sample is not None:  # nothing is known: the table's columns, all missing
        nowhere = np.full(len(values), -1)
        return {name: joins.take_or_missing(joins.cells_of(sample[name]), nowhere) for name in names}
    places = np.full(len(values), -1)
    places[some] = np.arange(len(some))
    return {
        name: joins.take_or_missing(cells(name, [row.get(name) for row in first]), places)
        for name in names
    }


def _row_id(row: dict[str, Any]) -> Any:
    return row.get("id") or 0


def _fates(
    ids: pd.Series[Any],
    source: str | Source | None,
    version: int | None,
    details: bool,
    fetch: FetchKeywords,
) -> Any:
    from pdneuro.cave import questions

    opened = _opened(source)
    options = Fetch.of(**fetch)
    distinct, rows, present = _distinct(ids)
    with one_call(options):
        client, mark = opened.connected(options)
        moment = None if version is None else client.frozen(client.version(version))
        word = "latest" if version is None else f"at {version}"
        told: list[Fate | None] = opened.fates(
            distinct[present], questions.fates(client, mark, moment, word), options
        )
    entries: list[Fate | None] = [None] * len(distinct)
    for place, fate in zip(np.flatnonzero(present), told, strict=True):
        entries[place] = fate
    roots = np.array([0 if fate is None else fate.latest for fate in entries], np.int64)
    gone = roots == 0
    numbers: Any = pd.arrays.IntegerArray(roots, gone) if gone.any() else roots
    query = "latest()" if version is None else f"at({version})"
    if not details:
        found = pd.Series(numbers.take(rows), index=ids.index, name=ids.name)
        return stamp(found, source=opened.name, query=query)
    unknown = np.array([fate is None for fate in entries], bool)
    overlap = np.array([0.0 if fate is None else fate.overlap for fate in entries])
    columns = {
        "latest": numbers,
        "overlap": pd.arrays.FloatingArray(overlap, unknown),
        "status": pd.array([None if fate is None else fate.status for fate in entries], dtype=TEXT),
    }
    table = pd.DataFrame(joins.spread(columns, rows), index=ids.index, copy=False)
    return stamp(table, source=opened.name, query=query)
