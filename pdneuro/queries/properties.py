"""Properties and records of segments: of a column, or joined to a table."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from functools import partial
from typing import Any, Unpack

import numpy as np
import pandas as pd

from pdneuro._docs import documented
from pdneuro.options import Fetch, FetchKeywords
from pdneuro.queries._call import Found, join, listed
from pdneuro.sources import Source, at_version, documented_records, open_source, version_of
from pdneuro.tables import joins, roles
from pdneuro.tables.columns import check_multiple, repeat_rows, take_or_na
from pdneuro.tables.ids import distinct_ids
from pdneuro.tables.provenance import stamp
from pdneuro.tables.rounding import rounding_hint
from pdneuro.transport.report import collect_report


@documented()
def properties(
    ids: Any,
    *names: str,
    on: Hashable | None = None,
    source: str | Source | None = None,
    multiple: str = "count",
    **fetch: Unpack[FetchKeywords],
) -> pd.DataFrame:
    """Look up properties of segments. Returns one row per input row.

    Parameters
    ----------
    {segments}
    *names : str
        Properties, one by one or as one list. BrainCircuits.io documents ``size, link_pre, link_post,
        neurotransmitter, connectivity, nucleus, soma, mitochondria, dcv``; other names are passed on.
        :func:`pdneuro.known_names` describes them.
    {on}
    {source}
    {multiple}
    {fetch}

    Returns
    -------
    DataFrame
        Same length, order and index. ``link_pre`` gives ``nr_pre, nr_downstream_partner``,
        ``link_post`` gives ``nr_post, nr_upstream_partner``; a scalar property is a column of its name;
        any other mapping gives ``{property}_{key}``; a list of records ``{property}_count``. Integers
        are int64, or Int64 if something is missing; other numbers Float64; text ``str``. Counts are
        numbers of synapses and partners; ``size`` has the unit of the service (voxels or a volume).

    Raises
    ------
    {segment errors}
    MultipleRecordsError
        ``multiple="raise"``, and an ID has several records.

    Warns
    -----
    UnknownIdsWarning, MixedSnapshotWarning, PartialResultWarning

    See Also
    --------
    join_properties : Add the columns to a table.
    records : A list-valued property in long form.
    pdneuro.last_report : The status of each ID.

    Notes
    -----
    Service: https://braincircuits.io/docs/api/overview.

    Examples
    --------
    >>> neurons = pdneuro.sandbox.neurons().head(3)
    >>> neurons.root_id.neuro.properties("link_pre")
       nr_pre  nr_downstream_partner
    0     158                     14
    1      55                     14
    2      87                     19
    """
    column = roles.id_column(ids, on)
    table = _find(column, names, source, multiple, fetch).table
    return table.set_axis(ids) if isinstance(ids, pd.Index) else table


def _find(
    column: pd.Series[Any],
    names: tuple[str, ...],
    source: str | Source | None,
    multiple: str,
    fetch: FetchKeywords,
) -> Found:
    """Return the properties of the segments of a column, one row per row of the column."""
    check_multiple(multiple)
    wanted = listed(names)
    if not wanted or not all(isinstance(name, str) and name for name in wanted):
        raise ValueError('properties must be names, such as .properties("link_pre", "size").')
    options = Fetch.of(**fetch)
    distinct, rows = joins.distinct_rows(column)
    opened = open_source(source)
    present = distinct != 0
    columns: dict[str, Any] = {}
    with collect_report(options, partial(rounding_hint, distinct)) as report:
        first = len(report.fetches)
        opened = at_version(opened, distinct[present], options)
        for name in wanted:
            columns |= opened.properties(distinct[present], name, multiple=multiple, fetch=options)
    if not present.all():  # rows without an ID
        positions = np.where(present, np.cumsum(present) - 1, -1)
        columns = {name: take_or_na(cells, positions) for name, cells in columns.items()}
    table = pd.DataFrame(repeat_rows(columns, rows), index=column.index, copy=False)
    query = f"properties({', '.join(wanted)})"
    snapshots = report.snapshots()
    table = stamp(table, source=opened.name, query=query, snapshots=snapshots, **version_of(opened))
    return Found(table, lambda: report.status(distinct, first)[rows])


@documented()
def join_properties(
    table: pd.DataFrame,
    *names: str,
    on: Hashable | Sequence[Hashable] | None = None,
    source: str | Source | None = None,
    prefix: str = "",
    suffix: str = "",
    overwrite: bool = False,
    multiple: str = "count",
    how: str = "left",
    indicator: bool | str = False,
    **fetch: Unpack[FetchKeywords],
) -> pd.DataFrame:
    """Add properties of segments to a table.

    Rows, order, index and dtypes stay the same, and the given table is not modified. A row whose ID is
    missing, or not known to the source, gets NA.

    Parameters
    ----------
    table : DataFrame
    *names : str
        Properties, one by one or as one list; see :func:`properties`.
    {join on}
    {source}
    {join}
    {multiple}
    {fetch}

    Returns
    -------
    DataFrame

    Raises
    ------
    {segment errors}
    ColumnExistsError
        A new column already exists in the table with other values. The values are cached, so a second
        call sends no request.

    See Also
    --------
    properties : The columns alone, with their names and dtypes.

    Examples
    --------
    >>> neurons = pdneuro.sandbox.neurons()[["root_id", "cell_type"]].head(3)
    >>> neurons.neuro.join_properties("link_pre")
                  root_id cell_type  nr_pre  nr_downstream_partner
    0  720575940609676979      T000     158                     14
    1  720575940622217710      T000      55                     14
    2  720575940614626315      T000      87                     19

    Both neurons of each edge, with the status of each:

    >>> edges = pdneuro.sandbox.edges().head(2)
    >>> edges.neuro.join_properties("size", on=["pre", "post"], indicator="status").columns[3:].tolist()
    ['size_pre', 'size_post', 'status_pre', 'status_post']
    """
    return join(
        table,
        on,
        lambda column: _find(column, names, source, multiple, fetch),
        prefix=prefix,
        suffix=suffix,
        overwrite=overwrite,
        how=how,
        indicator=indicator,
    )


@documented()
def records(
    ids: Any,
    name: str,
    on: Hashable | None = None,
    source: str | Source | None = None,
    **fetch: Unpack[FetchKeywords],
) -> pd.DataFrame:
    """Return a list-valued property in long form, one row per record.

    Parameters
    ----------
    {segments}
    name : str
        A property such as ``"dcv"`` or ``"connectivity"``.
    {on}
    {source}
    {fetch}

    Returns
    -------
    DataFrame
        ``segment_id`` (int64) and the fields of the records; for ``connectivity`` also ``direction``
        (``"downstream"``, ``"upstream"``). Each ID once, in order of first appearance.

    Raises
    ------
    {segment errors}

    Examples
    --------
    >>> pdneuro.sandbox.neurons().root_id.head(1).neuro.records("nucleus")
               segment_id  nucleus_id  volume
    0  720575940609676979     9162345    24.8
    """
    options = Fetch.of(**fetch)
    distinct = distinct_ids(roles.id_column(ids, on))
    opened = open_source(source)
    with collect_report(options, partial(rounding_hint, distinct)) as report:
        opened = at_version(opened, distinct, options)
        table = opened.records(distinct, name, fetch=options)
    if table.empty:
        table = documented_records(name, table)
    query, snapshots = f"records({name})", report.snapshots()
    return stamp(table, source=opened.name, query=query, snapshots=snapshots, **version_of(opened))
