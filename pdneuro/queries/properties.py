"""What can be asked about a column of segment IDs, whatever the source.

Each function is also a method: ``column.neuro.properties(...)``, ``table.neuro.edges(...)``.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import TYPE_CHECKING, Any, Unpack

import numpy as np
import pandas as pd

from pdneuro.graphs import to_networkx
from pdneuro.options import Fetch, FetchKeywords
from pdneuro.queries import hops as hop_search
from pdneuro.queries.hops import MAX_NODES
from pdneuro.sources import Source, open_source
from pdneuro.tables import joins, roles
from pdneuro.tables import partners as partner_tables
from pdneuro.tables.ids import distinct_ids
from pdneuro.tables.labels import Labels
from pdneuro.tables.provenance import stamp
from pdneuro.transport.report import Report, one_call

if TYPE_CHECKING:
    import networkx as nx


class HopKeywords(FetchKeywords, total=False):
    """Arguments of :func:`edges` but for its directions."""

    hops: int
    min_weight: int
    within: bool
    autapses: bool
    max_nodes: int | None
    source: str | Source | None


class EdgeKeywords(HopKeywords, total=False):
    """Arguments of :func:`edges`."""

    upstream: bool
    downstream: bool


class PartnerKeywords(FetchKeywords, total=False):
    """Arguments of :func:`partners` but for ``group_by``."""

    upstream: bool
    downstream: bool
    min_weight: int
    source: str | Source | None


def properties(
    ids: pd.Series[Any],
    *names: str,
    source: str | Source | None = None,
    multiple: str = "count",
    **fetch: Unpack[FetchKeywords],
) -> pd.DataFrame:
    """Properties of segments, one row a row of the column.

    Parameters
    ----------
    ids : Series
        Segment IDs; see :func:`pdneuro.tables.exact_ids` for what is accepted.
    *names : str
        Properties. BrainCircuits.io documents ``size, link_pre, link_post, neurotransmitter,
        connectivity, nucleus, soma, mitochondria, dcv``; any other name is passed on to it.
    source : str or Source, optional
        See :func:`pdneuro.open_source`. Default: the option ``source``.
    multiple : {"count", "raise", "first", "list"}
        For properties that are lists of records: their number; an error where there are several; also
        the first record's fields; also the list itself.
    **fetch
        ``batch_size`` (IDs a request), ``max_workers`` (requests at once), ``refresh`` (ask again
        what is stored), ``progress`` (bar), ``on_error`` (``"raise"``, ``"partial"``), ``on_missing``
        (``"warn"``, ``"raise"``, ``"ignore"``). Default: the options of these names.

    Returns
    -------
    DataFrame
        Same length, order and index. ``link_pre`` gives ``nr_pre, nr_downstream_partner``,
        ``link_post`` ``nr_post, nr_upstream_partner``; a scalar property a column of its name; any
        other mapping ``{property}_{key}``; a list of records ``{property}_count``. Integers are int64,
        or Int64 where something is missing; other numbers Float64; text ``str``. Counts are numbers of
        synapses and partners; ``size`` is in the service's own unit (voxels or a volume).

    Raises
    ------
    InvalidIdError, PrecisionLossError
        The column does not hold exact IDs.
    ServiceError
        The service failed; see :mod:`pdneuro.errors` for its kinds. What had arrived is stored.
    OfflineError
        Offline, and not everything is stored.

    Warns
    -----
    UnknownIdsWarning, MixedSnapshotWarning, PartialResultWarning

    See Also
    --------
    join_properties : the same, beside the columns of a table.
    records : a list-valued property in long form.
    pdneuro.last_report : what became of each ID.

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
    label, report, columns, rows = _ask_properties(ids, names, source, multiple, fetch)
    table = pd.DataFrame(joins.spread(columns, rows), index=ids.index, copy=False)
    return stamp(
        table, source=label, query=f"properties({', '.join(names)})", snapshots=report.snapshots()
    )


def join_properties(
    table: pd.DataFrame,
    *names: str,
    on: Hashable | None = None,
    source: str | Source | None = None,
    prefix: str = "",
    overwrite: bool = False,
    multiple: str = "count",
    **fetch: Unpack[FetchKeywords],
) -> pd.DataFrame:
    """A table with properties of its segments beside its columns.

    Rows, order, index and dtypes stay as they are, and the given table is untouched. A row whose ID is
    missing, or unknown to the source, gets NA.

    Parameters
    ----------
    table : DataFrame
    *names, source, multiple, **fetch
        As for :func:`properties`.
    on : hashable, optional
        The column of segment IDs. Default: recognised by a name such as ``root_id``.
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
        A new name is taken; nothing is lost, the answers are stored.
    Exception
        As for :func:`properties`.

    Examples
    --------
    >>> neurons = pdneuro.sandbox.neurons()[["root_id", "cell_type"]].head(3)
    >>> neurons.neuro.join_properties("link_pre")
                  root_id cell_type  nr_pre  nr_downstream_partner
    0  720575940609676979      T000     158                     14
    1  720575940622217710      T000      55                     14
    2  720575940614626315      T000      87                     19
    """
    ids = roles.id_column(table, on)
    label, report, columns, rows = _ask_properties(ids, names, source, multiple, fetch)
    joined = joins.attach(table, joins.spread(columns, rows), prefix=prefix, overwrite=overwrite)
    query = f"join_properties({', '.join(names)})"
    return stamp(joined, source=label, query=query, snapshots=report.snapshots(), earlier=joined.attrs)


def _ask_properties(
    ids: pd.Series[Any],
    names: tuple[str, ...],
    source: str | Source | None,
    multiple: str,
    fetch: FetchKeywords,
) -> tuple[str, Report, dict[str, Any], Any]:
    """Columns with one entry a distinct ID, and the entry of each row."""
    if not names or not all(isinstance(name, str) and name for name in names):
        raise ValueError('name the properties as text, such as .properties("link_pre", "size").')
    options = Fetch.of(**fetch)
    distinct, rows = joins.distinct_rows(ids)
    opened = open_source(source)
    present = distinct != 0
    columns: dict[str, Any] = {}
    with one_call(options) as report:
        for name in dict.fromkeys(names):
            found = opened.properties(distinct[present], name, multiple=multiple, fetch=options)
            columns.update(found)
    if not present.all():  # the entry of the rows without an ID
        places = np.where(present, np.cumsum(present) - 1, -1)
        columns = {name: joins.take_or_missing(cells, places) for name, cells in columns.items()}
    return opened.name, report, columns, rows


def records(
    ids: pd.Series[Any],
    name: str,
    source: str | Source | None = None,
    **fetch: Unpack[FetchKeywords],
) -> pd.DataFrame:
    """A list-valued property in long form, one row a record.

    Parameters
    ----------
    ids : Series
        Segment IDs.
    name : str
        A property such as ``"dcv"`` or ``"connectivity"``.
    source, **fetch
        As for :func:`properties`.

    Returns
    -------
    DataFrame
        ``segment_id`` (int64) and the records' fields; for ``connectivity`` also ``direction``
        (``"downstream"``, ``"upstream"``). IDs in order of first appearance, each once.

    Raises
    ------
    Exception
        As for :func:`properties`.

    Examples
    --------
    >>> pdneuro.sandbox.neurons().root_id.head(1).neuro.records("nucleus")
               segment_id  nucleus_id  volume
    0  720575940609676979     9162345    24.8
    """
    options = Fetch.of(**fetch)
    distinct = distinct_ids(ids)
    opened = open_source(source)
    with one_call(options) as report:
        table = opened.records(distinct, name, fetch=options)
    return stamp(table, source=opened.name, query=f"records({name})", snapshots=report.snapshots())


def edges(
    ids: pd.Series[Any],
    *,
    upstream: bool = True,
    downstream: bool = True,
    hops: int = 1,
    min_weight: int = 1,
    within: bool = False,
    autapses: bool = True,
    max_nodes: int | None = None,
    source: str | Source | None = None,
    **fetch: Unpack[FetchKeywords],
) -> pd.DataFrame:
    """Edges of the segments: who they synapse on, and who on them.

    Parameters
    ----------
    ids : Series
        Segment IDs.
    upstream, downstream : bool
        Follow inputs, outputs, or both.
    hops : int
        How often to go on from the neurons reached.
    min_weight : int
        Keep pairs of at least so many synapses (``>=``). Weaker ones are not followed either.
    within : bool
        Keep only edges among the given IDs. One hop finds them all.
    autapses : bool
        Keep edges of a neuron on itself.
    max_nodes : int, optional
        Most neurons to ask about, the given ones among them. Default: 50,000 when ``hops > 1``; the
        neurons given are asked about however many they are.
    source, **fetch
        As for :func:`properties`.

    Returns
    -------
    DataFrame
        Edge table ``pre, post, weight`` (int64; weights in synapses), with ``hops > 1`` also ``hop``
        (int64): the hop at which the edge was found. An edge seen from both of its ends appears once.

    Raises
    ------
    NodeBudgetError
        The next hop would exceed ``max_nodes``. Nothing is sent for it; what came is stored.
    Exception
        As for :func:`properties`.

    Warns
    -----
    InconsistentEdgesWarning
        The two ends of an edge tell different weights.

    Examples
    --------
    >>> neurons = pdneuro.sandbox.neurons().root_id.head(50)
    >>> neurons.neuro.edges(within=True, min_weight=5).head(3)
                      pre                post  weight
    0  720575940650239002  720575940640789882      14
    1  720575940652959873  720575940601328727       5
    """
    if hops < 1:
        raise ValueError("edges need hops of at least 1.")
    sides = hop_search.direction(upstream, downstream)
    options = Fetch.of(**fetch)
    given = distinct_ids(ids)
    opened = open_source(source)
    limit = max_nodes if max_nodes is not None else MAX_NODES if hops > 1 else len(given)
    with one_call(options) as report:
        table, counts = hop_search.follow(
            given,
            opened,
            upstream=upstream,
            downstream=downstream,
            hops=hops,
            min_weight=min_weight,
            within=within,
            max_nodes=limit,
            fetch=options,
            numbered=hops > 1,
        )
    if within:
        inside = pd.Index(given)
        table = table[table["pre"].isin(inside) & table["post"].isin(inside)]
    if not autapses:
        table = table[table["pre"] != table["post"]]
    query = (
        f"edges(upstream={upstream}, downstream={downstream}, hops={hops}, min_weight={min_weight}, "
        f"within={within}, autapses={autapses})"
    )
    return stamp(
        table.reset_index(drop=True),
        source=opened.name,
        query=query,
        snapshots=report.snapshots(),
        **hop_search.provenance(min_weight, sides, within, counts),
    )


def upstream(ids: pd.Series[Any], **how: Unpack[HopKeywords]) -> pd.DataFrame:
    """Edges onto the segments: :func:`edges` with ``downstream=False``.

    Parameters
    ----------
    ids : Series
        Segment IDs.
    **how
        As for :func:`edges`.

    Returns
    -------
    DataFrame
        Edge table ``pre, post, weight`` (int64).

    Examples
    --------
    >>> pdneuro.sandbox.neurons().root_id.head(50).neuro.upstream(min_weight=30).head(3)
                      pre                post  weight
    0  720575940607888220  720575940614626315      46
    1  720575940618495860  720575940644966971      45
    2  720575940643788498  720575940628052124     104
    """
    return edges(ids, upstream=True, downstream=False, **how)


def downstream(ids: pd.Series[Any], **how: Unpack[HopKeywords]) -> pd.DataFrame:
    """Edges from the segments: :func:`edges` with ``upstream=False``.

    Parameters
    ----------
    ids : Series
        Segment IDs.
    **how
        As for :func:`edges`.

    Returns
    -------
    DataFrame
        Edge table ``pre, post, weight`` (int64).

    Examples
    --------
    >>> pdneuro.sandbox.neurons().root_id.head(50).neuro.downstream(min_weight=30).head(3)
                      pre                post  weight
    0  720575940609676979  720575940626709709     119
    1  720575940637060607  720575940645453511     184
    2  720575940637060607  720575940632800256      32
    """
    return edges(ids, upstream=False, downstream=True, **how)


def partners(
    ids: pd.Series[Any],
    *,
    group_by: Labels | None = None,
    upstream: bool = True,
    downstream: bool = True,
    min_weight: int = 1,
    source: str | Source | None = None,
    **fetch: Unpack[FetchKeywords],
) -> pd.DataFrame:
    """Partners of the segments taken together, the strongest first.

    Parameters
    ----------
    ids : Series
        Segment IDs.
    group_by : mapping or Series, optional
        Label (such as a cell type) of each partner, by ID: one row a label then. Partners without a
        label are gathered under NA.
    upstream, downstream : bool
        Which sides to list.
    min_weight : int
        Count pairs of at least so many synapses.
    source, **fetch
        As for :func:`properties`.

    Returns
    -------
    DataFrame
        ``partner`` (int64; or the label, with ``n_partners``, the number of partners that have it),
        ``direction`` (``"downstream"``: receives from the segments; ``"upstream"``: sends to them),
        ``weight`` (int64, synapses), ``n_neurons`` (int64, how many of the segments it is connected
        with). Sorted by falling weight, within it by partner.

    Raises
    ------
    Exception
        As for :func:`edges`.

    Examples
    --------
    >>> neurons = pdneuro.sandbox.neurons()
    >>> types = neurons.set_index("root_id").cell_type
    >>> neurons.root_id.head(20).neuro.partners(group_by=types).head(3)
      partner   direction  weight  n_neurons  n_partners
    0    T106  downstream     720         20          19
    1    T080    upstream     332         18          20
    2    T083    upstream     253         12          13
    """
    table = edges(
        ids, upstream=upstream, downstream=downstream, min_weight=min_weight, source=source, **fetch
    )
    return partner_tables.partners(
        table, distinct_ids(ids), upstream=upstream, downstream=downstream, group_by=group_by
    )


def graph(ids: pd.Series[Any], **how: Unpack[EdgeKeywords]) -> nx.DiGraph[int]:
    """The segments' edges as a directed graph.

    Parameters
    ----------
    ids : Series
        Segment IDs.
    **how
        As for :func:`edges`.

    Returns
    -------
    networkx.DiGraph
        Nodes and weights are Python integers; see :func:`pdneuro.graphs.to_networkx`.

    Examples
    --------
    >>> print(pdneuro.sandbox.neurons().root_id.head(50).neuro.graph(within=True))
    DiGraph with 9 nodes and 5 edges
    """
    return to_networkx(edges(ids, **how))
