"""Edges, partners and graphs of segments; and edge tables with further edges or fractions."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Unpack, cast

import numpy as np
import pandas as pd

from pdneuro._docs import documented
from pdneuro.errors import InvalidQueryError, UnsupportedError
from pdneuro.graphs import to_networkx
from pdneuro.options import Fetch, FetchKeywords
from pdneuro.sources import PartnerSource, Source, at_version, open_source, version_of
from pdneuro.tables import partners as partner_tables
from pdneuro.tables import roles, threshold, weights
from pdneuro.tables.columns import check_choice
from pdneuro.tables.edges import COLUMNS, append_edges, require_edges
from pdneuro.tables.hops import MAX_NODES, check_budget, direction_of
from pdneuro.tables.ids import Int64Array, distinct_ids
from pdneuro.tables.joins import Labels, are_labels
from pdneuro.tables.node_names import require_numbers
from pdneuro.tables.provenance import note, stamp
from pdneuro.tables.rounding import rounding_hint
from pdneuro.tables.thresholds import END_OF, least_weight, whole_threshold
from pdneuro.transport.report import collect_report

if TYPE_CHECKING:
    import networkx as nx


class HopKeywords(FetchKeywords, total=False):
    """Keywords of :func:`edges` without its directions."""

    roi: bool
    fragments: bool
    hops: int
    min_weight: int
    within: bool
    autapses: bool
    max_nodes: int | None
    source: str | Source | None


class EdgeKeywords(HopKeywords, total=False):
    """Keywords of :func:`edges`."""

    upstream: bool
    downstream: bool


@documented()
def edges(
    ids: Any,
    on: Hashable | None = None,
    *,
    upstream: bool = True,
    downstream: bool = True,
    hops: int = 1,
    min_weight: int = 1,
    within: bool = False,
    autapses: bool = True,
    max_nodes: int | None = None,
    roi: bool = False,
    fragments: bool = True,
    source: str | Source | None = None,
    **fetch: Unpack[FetchKeywords],
) -> pd.DataFrame:
    """Return the edges of segments: their outputs, their inputs, or both.

    Parameters
    ----------
    {segments}
    {on}
    {directions}
    {hops}
    {regions}
    {source}
    {fetch}

    Returns
    -------
    DataFrame
        Edge table ``pre, post, weight`` (int64; weights are numbers of synapses). With ``hops > 1``
        also ``hop`` (int64), the hop that found the edge. An edge listed by both neurons appears once.
        With ``roi=True`` one row per pair and region, in the column ``roi`` (category).

    Raises
    ------
    {segment errors}
    UnsupportedError
        The source has no regions or no fragments.
    InvalidQueryError
        ``roi`` or ``fragments`` is not True or False.
    NodeBudgetError
        The next hop would query more than ``max_nodes`` neurons. No request is sent for it.

    Warns
    -----
    InconsistentEdgesWarning
        The two neurons of an edge report different weights.

    See Also
    --------
    upstream, downstream : One direction only.
    partners : One row per partner.
    graph : The same as a networkx graph.

    Examples
    --------
    >>> neurons = pdneuro.sandbox.neurons().head(50)
    >>> neurons.neuro.edges(on="root_id", within=True, min_weight=5)
                      pre                post  weight
    0  720575940650239002  720575940640789882      14
    1  720575940652959873  720575940601328727       5
    """
    if hops < 1:
        raise ValueError(f"hops must be at least 1, not {hops!r}.")
    min_weight = whole_threshold(min_weight)
    direction = direction_of(upstream, downstream)
    options = Fetch.of(**fetch)
    given = distinct_ids(roles.id_column(ids, on))
    opened = open_source(source)
    special = _special(opened, roi=roi, fragments=fragments)
    limit = max_nodes if max_nodes is not None else MAX_NODES if hops > 1 else len(given)
    with collect_report(options, partial(rounding_hint, given)) as report:
        opened = at_version(opened, given, options)
        tables, counts = _follow(
            given,
            opened,
            upstream=upstream,
            downstream=downstream,
            hops=1 if within else hops,  # further hops only add edges that leave
            min_weight=min_weight,
            max_nodes=limit,
            fetch=options,
            special=special,
        )
    table = tables[0] if hops == 1 else _merge_hops(tables)
    if within:
        inside = pd.Index(given)
        table = table[table["pre"].isin(inside) & table["post"].isin(inside)]
    if not autapses:
        table = table[table["pre"] != table["post"]]
    query = (
        f"edges(upstream={upstream}, downstream={downstream}, hops={hops}, min_weight={min_weight}, "
        f"within={within}, autapses={autapses}"
        f"{''.join(f', {key}={value}' for key, value in special.items())})"
    )
    return stamp(
        table.reset_index(drop=True),
        source=opened.name,
        query=query,
        snapshots=report.snapshots(),
        **version_of(opened),
        **_completeness(min_weight, direction, within, counts),
    )


@documented(like=edges)
def upstream(ids: Any, on: Hashable | None = None, **options: Unpack[HopKeywords]) -> pd.DataFrame:
    """Return the inputs of segments: :func:`edges` with ``downstream=False``.

    Parameters
    ----------
    {segments}
    {on}
    {hops}
    {regions}
    {source}
    {fetch}

    Returns
    -------
    DataFrame
        Edge table ``pre, post, weight`` (int64).

    Raises
    ------
    {segment errors}

    Examples
    --------
    >>> neurons = pdneuro.sandbox.neurons().head(50)
    >>> neurons.neuro.upstream(min_weight=30).head(3)
                      pre                post  weight
    0  720575940607888220  720575940614626315      46
    1  720575940618495860  720575940644966971      45
    2  720575940643788498  720575940628052124     104
    """
    return edges(ids, on, upstream=True, downstream=False, **options)


@documented(like=edges)
def downstream(ids: Any, on: Hashable | None = None, **options: Unpack[HopKeywords]) -> pd.DataFrame:
    """Return the outputs of segments: :func:`edges` with ``upstream=False``.

    Parameters
    ----------
    {segments}
    {on}
    {hops}
    {regions}
    {source}
    {fetch}

    Returns
    -------
    DataFrame
        Edge table ``pre, post, weight`` (int64).

    Raises
    ------
    {segment errors}

    Examples
    --------
    >>> neurons = pdneuro.sandbox.neurons().head(50)
    >>> neurons.neuro.downstream(min_weight=30).head(3)
                      pre                post  weight
    0  720575940609676979  720575940626709709     119
    1  720575940637060607  720575940645453511     184
    2  720575940637060607  720575940632800256      32
    """
    return edges(ids, on, upstream=False, downstream=True, **options)


@documented()
def partners(
    ids: Any,
    on: Hashable | None = None,
    *,
    group_by: Hashable | Labels | None = None,
    upstream: bool = True,
    downstream: bool = True,
    min_weight: int = 1,
    top: int | None = None,
    cover: float | None = None,
    dropna: bool = False,
    sort: bool = False,
    observed: bool = True,
    source: str | Source | None = None,
    **fetch: Unpack[FetchKeywords],
) -> pd.DataFrame:
    """Return the partners of segments taken together, the strongest first.

    Parameters
    ----------
    {segments}
    {on}
    group_by : mapping, Series or hashable, optional
        Label (such as a cell type) of each partner, by ID: one row per label. Of a DataFrame also a
        column, which labels the partners that are in the table. Partners without a label are NA;
        ``attrs["pdneuro"]["without_label"]`` is the number of their synapses.
    {directions}
    min_weight : int, default 1
        Minimum number of synapses per pair.
    {strongest}
    {grouping}
    {source}
    {fetch}

    Returns
    -------
    DataFrame
        ``partner`` (int64; or the label, with ``n_partners``, the number of partners that have it),
        ``direction`` (``"downstream"``: receives from the segments; ``"upstream"``: sends to them),
        ``weight`` (int64, synapses), ``n_neurons`` (int64, number of the segments that are connected
        with it). Sorted by falling weight, then by partner.

    Raises
    ------
    {segment errors}

    Examples
    --------
    >>> neurons = pdneuro.sandbox.neurons()
    >>> types = neurons.set_index("root_id").cell_type
    >>> neurons.head(20).neuro.partners(group_by=types).head(3)
      partner   direction  weight  n_neurons  n_partners
    0    T106  downstream     720         20          19
    1    T080    upstream     332         18          20
    2    T083    upstream     253         12          13

    The largest partners that together make up half of the output:

    >>> len(neurons.head(20).neuro.partners(upstream=False, cover=0.5))
    9
    """
    column = roles.id_column(ids, on)
    labels: Labels | None = None
    if are_labels(group_by):
        labels = group_by
    elif group_by is not None and isinstance(ids, pd.DataFrame):
        named = roles.named_column(ids, cast(Hashable, group_by)).set_axis(pd.Index(column))
        labels = named[~named.index.duplicated()]
    elif group_by is not None:
        raise TypeError(
            f"group_by={group_by!r} names a column, but ids is not a DataFrame. Pass labels by ID as a "
            "mapping or a Series."
        )
    choice: dict[str, Any] = {
        "top": top, "cover": cover, "dropna": dropna, "sort": sort, "observed": observed
    }  # fmt: skip
    partner_tables.check_strongest(top, cover)  # before anything is requested
    sides = {"upstream": upstream, "downstream": downstream}
    given, opened = distinct_ids(column), open_source(source)
    if not isinstance(opened, PartnerSource):
        table = edges(column, **sides, min_weight=min_weight, source=opened, **fetch)
        # With further columns, a pair may have several rows.
        once = list(table.columns) == list(COLUMNS)
        return partner_tables.partners(table, given, **sides, group_by=labels, **choice, once=once)
    least, direction, options = whole_threshold(min_weight), direction_of(**sides), Fetch.of(**fetch)
    with collect_report(options, partial(rounding_hint, given)) as report:
        rows = opened.partner_rows(given, **sides, fetch=options)
    found = partner_tables.sum_partners(*rows, labels, min_weight=least, **choice)
    unlabeled = partner_tables.without_label(found)
    result = stamp(
        found,
        source=opened.name,
        query=f"partners(upstream={upstream}, downstream={downstream}, min_weight={least})",
        snapshots=report.snapshots(),
        **version_of(opened),
        **_completeness(least, direction, False, [len(given)]),
    )
    return note(result, **unlabeled)


@documented(like=edges)
def graph(ids: Any, on: Hashable | None = None, **options: Unpack[EdgeKeywords]) -> nx.DiGraph[int]:
    """Return the edges of segments as a directed graph.

    Parameters
    ----------
    {segments}
    {on}
    {directions}
    {hops}
    {regions}
    {source}
    {fetch}

    Returns
    -------
    networkx.DiGraph
        Nodes and weights are Python integers; see :func:`pdneuro.graphs.to_networkx`. With
        ``within=True`` all segments are nodes, also those without an edge.

    Raises
    ------
    {segment errors}

    Examples
    --------
    >>> print(pdneuro.sandbox.neurons().head(50).neuro.graph(within=True))
    DiGraph with 50 nodes and 5 edges
    """
    column = roles.id_column(ids, on)
    found = to_networkx(edges(column, **options))
    if options.get("within"):
        found.add_nodes_from(distinct_ids(column).tolist())
    return found


@documented()
def expand(
    edges: pd.DataFrame,
    hops: int = 1,
    *,
    upstream: bool = True,
    downstream: bool = True,
    min_weight: int | None = None,
    autapses: bool = True,
    max_nodes: int = MAX_NODES,
    source: str | Source | None = None,
    **fetch: Unpack[FetchKeywords],
) -> pd.DataFrame:
    """Add the edges of all neurons in an edge table, one hop or more.

    Parameters
    ----------
    edges : DataFrame
        An edge table.
    hops : int, default 1
        Number of hops to follow. The first hop queries every neuron in the table; cached neurons are
        not requested again.
    upstream, downstream : bool, default True
        Follow inputs, outputs, or both.
    min_weight : int, optional
        Minimum number of synapses per pair. Default: the threshold of the table if it is known, else 1.
    autapses : bool, default True
        Add edges from a neuron to itself.
    max_nodes : int, default 50,000
        Maximum number of neurons to query. It is checked before each hop.
    {source}
    {fetch}

    Returns
    -------
    DataFrame
        The rows of the table unchanged, then the new edges; ``hop`` (int64) continues to count. Other
        columns are NA in new rows. ``attrs["pdneuro"]["asked_per_hop"]`` has the number of neurons.

    Raises
    ------
    {segment errors}
    NodeBudgetError
        The next hop would query more than ``max_nodes`` neurons. No request is sent for it.

    Examples
    --------
    >>> neurons = pdneuro.sandbox.neurons().root_id.head(5)
    >>> near = neurons.neuro.edges(min_weight=20)
    >>> near.neuro.expand(min_weight=20).groupby("hop").size()
    hop
    1     9
    2    14
    dtype: int64
    """
    if hops < 1:
        raise ValueError(f"hops must be at least 1, not {hops!r}.")
    direction = direction_of(upstream, downstream)
    table = require_edges(edges)
    require_numbers(table, "a query")
    options = Fetch.of(**fetch)
    opened = open_source(source)
    least = least_weight(table) if min_weight is None else whole_threshold(min_weight)
    if "hop" not in table.columns:
        table = table.assign(hop=np.int64(1))
    first_hop = int(table["hop"].max()) + 1 if len(table) else 1
    nodes = np.asarray(pd.unique(table[["pre", "post"]].to_numpy().ravel()), np.int64)
    with collect_report(options, partial(rounding_hint, nodes)) as report:
        opened = at_version(opened, nodes, options)
        tables, counts = _follow(
            nodes,
            opened,
            upstream=upstream,
            downstream=downstream,
            hops=hops,
            min_weight=least,
            max_nodes=max_nodes,
            fetch=options,
            first_hop=first_hop,
        )
    found = _merge_hops(tables, first_hop)
    known = pd.MultiIndex.from_frame(table[["pre", "post"]])
    new = found[~pd.MultiIndex.from_frame(found[["pre", "post"]]).isin(known)]
    if not autapses:
        new = new[new["pre"] != new["post"]]
    return stamp(
        append_edges(table, new),
        source=opened.name,
        query=f"expand(hops={hops}, upstream={upstream}, downstream={downstream}, min_weight={least})",
        snapshots=report.snapshots(),
        earlier=table.attrs,
        **version_of(opened),
        **_completeness(least, direction, False, counts),
    )


@documented()
def fractions(
    edges: pd.DataFrame,
    of: str = "input",
    total: str | Labels = "present",
    *,
    overwrite: bool = False,
    source: str | Source | None = None,
    **fetch: Unpack[FetchKeywords],
) -> pd.DataFrame:
    """Add each edge's share of the input or output of its neuron.

    Parameters
    ----------
    edges : DataFrame
        An edge table.
    {share of}
    total : {"present", "source"}, Series or mapping, default "present"
        The denominators: sums over the rows of the table; the totals that the source reports
        (``nr_post`` of ``link_post``, ``nr_pre`` of ``link_pre``); or a number for each ID.
    overwrite : bool, default False
        Replace an existing column of the same name.
    {source}
    {fetch}

    Returns
    -------
    DataFrame
        The edges, row by row, with ``input_fraction`` or ``output_fraction`` (Float64, 0 to 1; NA if
        the total is unknown or 0). ``attrs["pdneuro"]`` has ``fractions_of`` and ``fractions_total``.

    Raises
    ------
    {segment errors}

    Warns
    -----
    IncompleteEdgesWarning
        ``total="present"``, and the table is known to lack edges: it has a threshold, or one direction
        only.
    InconsistentEdgesWarning
        A total is smaller than the weights in the table.

    See Also
    --------
    pdneuro.tables.fractions : The same without a source.

    Examples
    --------
    >>> neurons = pdneuro.sandbox.neurons().root_id.head(5)
    >>> edges = neurons.neuro.upstream(min_weight=10)
    >>> edges.neuro.fractions(total="source").input_fraction.head(2).round(3).tolist()
    [0.351, 0.076]
    """
    options = Fetch.of(**fetch)
    if not (isinstance(total, str) and total == "source"):
        return weights.fractions(edges, of, total, overwrite=overwrite)
    table = require_edges(edges)
    check_choice("of", of, END_OF)
    require_numbers(table, "total='source'")
    opened = open_source(source)
    name, column = ("link_post", "nr_post") if of == "input" else ("link_pre", "nr_pre")
    ids = np.asarray(pd.unique(table[END_OF[of]]), np.int64)
    with collect_report(options, partial(rounding_hint, ids)) as report:
        opened = at_version(opened, ids, options)
        found = opened.properties(ids, name, multiple="count", fetch=options)
    totals: pd.Series[Any] = pd.Series(found[column], index=ids)
    result = weights.fractions(table, of, totals, overwrite=overwrite)
    query = f"fractions({of!r}, total='source')"
    result = stamp(
        result,
        source=opened.name,
        query=query,
        snapshots=report.snapshots(),
        earlier=result.attrs,
        **version_of(opened),
    )
    return note(result, fractions_total="source")


# -- hops ------------------------------------------------------------------------------------------


def _follow(
    given: Int64Array,
    source: Source,
    *,
    upstream: bool,
    downstream: bool,
    hops: int,
    min_weight: int,
    max_nodes: int,
    fetch: Fetch,
    first_hop: int = 1,
    special: Mapping[str, bool] = MappingProxyType({}),
) -> tuple[list[pd.DataFrame], list[int]]:
    """Return the edges found at each hop, and the number of neurons queried at each hop."""
    queried, frontier = given[:0], given
    tables: list[pd.DataFrame] = []
    counts: list[int] = []
    for hop in range(first_hop, first_hop + hops):
        check_budget(hop, len(frontier), counts, max_nodes, min_weight)
        table = source.edges(frontier, upstream=upstream, downstream=downstream, fetch=fetch, **special)
        if (table["weight"].to_numpy() < min_weight).any():
            table = threshold(table, min_weight)
        tables.append(table)
        counts.append(len(frontier))
        queried = np.concatenate([queried, frontier])
        if hop < first_hop + hops - 1:
            frontier = _not_yet_queried(table, queried, upstream, downstream)
            if not len(frontier):
                break
    return tables, counts


def _special(source: Source, **options: bool) -> dict[str, bool]:
    """Return the options of edges that differ from their defaults; raise if the source lacks one."""
    for name, value in options.items():
        if not isinstance(value, bool | np.bool_):
            hint = " To keep some regions, filter the column 'roi' of the result." * (name == "roi")
            raise InvalidQueryError(f"{name} must be True or False, not {value!r}.{hint}")
    chosen = {
        name: bool(value) for name, value in options.items() if bool(value) != (name == "fragments")
    }
    known = {
        "roi": "regions of edges (roi=True). CAVE datastacks with a column or table of regions do, and "
        "data sets of neuPrint",
        "fragments": "fragments (fragments=False). Data sets of neuPrint do",
    }
    for name in chosen:
        if name not in getattr(source, "EDGE_OPTIONS", ()):
            raise UnsupportedError(
                f"{source.name} does not know {known[name]}, such as source='neuprint:hemibrain:v1.2.1'."
            )
    return chosen


def _merge_hops(tables: list[pd.DataFrame], first_hop: int = 1) -> pd.DataFrame:
    """Number the hops in a column ``hop``; each pair has the hop that found it first."""
    numbered = [table.assign(hop=np.int64(hop)) for hop, table in enumerate(tables, first_hop)]
    if len(numbered) == 1:
        return numbered[0]
    merged = pd.concat(numbered, ignore_index=True)
    # A later hop returns an edge again from its other end.
    first_found = merged.groupby(["pre", "post"], sort=False)["hop"].transform("min")
    return merged[merged["hop"] == first_found]


def _not_yet_queried(
    table: pd.DataFrame, queried: Int64Array, upstream: bool, downstream: bool
) -> Int64Array:
    """Return the neurons that these edges reach, without those that were queried before."""
    ends = [table[end].to_numpy() for end, used in (("post", downstream), ("pre", upstream)) if used]
    reached = np.asarray(pd.unique(np.concatenate(ends)), np.int64)
    return reached[pd.Index(queried).get_indexer(pd.Index(reached)) < 0]


def _completeness(min_weight: int, direction: str, within: bool, counts: list[int]) -> Mapping[str, Any]:
    """Return the provenance from which later steps see that edges are missing."""
    return {
        "min_weight": min_weight,
        "direction": direction,
        "within": bool(within),
        "asked": sum(counts),
        "asked_per_hop": counts,
    }
