"""Edges, partners and graphs of each group of a ``groupby``, with one download for all groups."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, Unpack, cast

import numpy as np
import pandas as pd

from pdneuro import tables
from pdneuro._docs import documented
from pdneuro.graphs import to_networkx
from pdneuro.options import FETCH_ARGUMENTS, Fetch, FetchKeywords
from pdneuro.queries import edges as queries
from pdneuro.queries.edges import EdgeKeywords, HopKeywords
from pdneuro.sources import Source, at_version, open_source
from pdneuro.tables import partners as partner_tables
from pdneuro.tables import roles
from pdneuro.tables.ids import Int64Array, distinct_ids
from pdneuro.tables.joins import Labels
from pdneuro.transport.report import collect_report

_NOBODY = np.empty(0, np.int64)


@documented(like=queries.edges)
def edges(groups: Any, on: Hashable | None = None, **options: Unpack[EdgeKeywords]) -> pd.DataFrame:
    """Return the edges of each group.

    Parameters
    ----------
    {groups}
    {on}
    {directions}
    {hops}
    {regions}
    {source}
    {fetch}

    Returns
    -------
    DataFrame
        Edge table with the group keys as outer index levels. An edge between two groups appears in both;
        ``within=True`` keeps the edges inside each group.

    Raises
    ------
    {segment errors}

    Examples
    --------
    >>> sides = pdneuro.sandbox.neurons().head(200).groupby("side")
    >>> sides.neuro.edges(within=True).groupby("side").size()
    side
    left     17
    right    28
    dtype: int64
    """
    found = dict(_edges_of_each(dict(_members(groups, on)), options))
    return _stack(groups, found or {None: queries.edges(_NOBODY, **options)})


@documented(like=queries.edges)
def upstream(groups: Any, on: Hashable | None = None, **options: Unpack[HopKeywords]) -> pd.DataFrame:
    """Return the inputs of each group: :func:`edges` with ``downstream=False``.

    Parameters
    ----------
    {groups}
    {on}
    {hops}
    {regions}
    {source}
    {fetch}

    Returns
    -------
    DataFrame
        Edge table ``pre, post, weight`` (int64), with the group keys as outer index levels.

    Raises
    ------
    {segment errors}

    Examples
    --------
    >>> sides = pdneuro.sandbox.neurons().head(200).groupby("side")
    >>> sides.neuro.upstream(min_weight=50).head(3)
                           pre                post  weight
    side
    left 0  720575940643788498  720575940628052124     104
         1  720575940655257127  720575940647656294     120
         2  720575940603930398  720575940647656294      96
    """
    return edges(groups, on, upstream=True, downstream=False, **options)


@documented(like=queries.edges)
def downstream(groups: Any, on: Hashable | None = None, **options: Unpack[HopKeywords]) -> pd.DataFrame:
    """Return the outputs of each group: :func:`edges` with ``upstream=False``.

    Parameters
    ----------
    {groups}
    {on}
    {hops}
    {regions}
    {source}
    {fetch}

    Returns
    -------
    DataFrame
        Edge table ``pre, post, weight`` (int64), with the group keys as outer index levels.

    Raises
    ------
    {segment errors}

    Examples
    --------
    >>> sides = pdneuro.sandbox.neurons().head(200).groupby("side")
    >>> sides.neuro.downstream(min_weight=50).head(3)
                           pre                post  weight
    side
    left 0  720575940637060607  720575940645453511     184
         1  720575940636462515  720575940653858550      62
         2  720575940621751069  720575940627133928      99
    """
    return edges(groups, on, upstream=False, downstream=True, **options)


@documented()
def partners(
    groups: Any,
    on: Hashable | None = None,
    *,
    group_by: Labels | None = None,
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
    """Return the partners of each group, the strongest first.

    Parameters
    ----------
    {groups}
    {on}
    group_by : mapping or Series, optional
        Label of each partner, by ID: one row per label.
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
        Columns of :func:`pdneuro.queries.edges.partners`, with the group keys as outer index levels.

    Raises
    ------
    {segment errors}

    Examples
    --------
    >>> sides = pdneuro.sandbox.neurons().head(200).groupby("side")
    >>> sides.neuro.partners(min_weight=10).groupby("side").head(1)
                        partner direction  weight  n_neurons
    side
    left  0  720575940604533124  upstream     464          1
    right 0  720575940624668104  upstream     465          2
    """
    options = cast(EdgeKeywords, {**fetch, "upstream": upstream, "downstream": downstream})
    options |= {"min_weight": min_weight, "source": source}
    partner_tables.check_strongest(top, cover)
    members = dict(_members(groups, on)) or {None: _NOBODY}
    edge_tables = dict(_edges_of_each(members, options))
    found = {
        key: partner_tables.partners(
            table,
            members[key],
            upstream=upstream,
            downstream=downstream,
            group_by=group_by,
            top=top,
            cover=cover,
            dropna=dropna,
            sort=sort,
            observed=observed,
        )
        for key, table in edge_tables.items()
    }
    return _stack(groups, found)


@documented(like=queries.edges)
def graph(groups: Any, on: Hashable | None = None, **options: Unpack[EdgeKeywords]) -> pd.Series[Any]:
    """Return a directed graph per group.

    Parameters
    ----------
    {groups}
    {on}
    {directions}
    {hops}
    {regions}
    {source}
    {fetch}

    Returns
    -------
    Series
        One ``networkx.DiGraph`` per group, by group key.

    Raises
    ------
    {segment errors}

    Examples
    --------
    >>> sides = pdneuro.sandbox.neurons().head(200).groupby("side")
    >>> print(sides.neuro.graph(within=True)["left"])
    DiGraph with 99 nodes and 17 edges
    """
    members = dict(_members(groups, on))
    graphs = {key: to_networkx(table) for key, table in _edges_of_each(members, options)}
    if options.get("within"):
        for key, ids in members.items():
            graphs[key].add_nodes_from(ids.tolist())
    cells = np.empty(len(graphs), object)
    cells[:] = list(graphs.values())
    return pd.Series(cells, index=_key_index(groups, graphs), name="graph")


# -- groups of an edge table ------------------------------------------------------------------------


@documented()
def threshold(
    groups: Any, min_weight: float, per: str = "pair", *, of: str | None = None
) -> pd.DataFrame:
    """Keep the edges of each group with a minimum number of synapses, or a minimum share.

    Sums and totals are those of the group.

    Parameters
    ----------
    {edge groups}
    {threshold}

    Returns
    -------
    DataFrame
        The remaining rows of the table, in their order. Rows without a group are dropped.

    Examples
    --------
    >>> edges = pd.DataFrame({"pre": 1, "post": 2, "weight": [3, 6], "dataset": ["fanc", "manc"]})
    >>> edges.groupby("dataset").neuro.threshold(5)
       pre  post  weight dataset
    1    1     2       6    manc
    """
    return _rows_of_each(groups, partial(tables.threshold, min_weight=min_weight, per=per, of=of))


@documented()
def fractions(
    groups: Any, of: str = "input", total: str | Labels = "present", *, overwrite: bool = False
) -> pd.DataFrame:
    """Add each edge's share of the input or output of its neuron in the group.

    Parameters
    ----------
    {edge groups}
    {fractions}

    Returns
    -------
    DataFrame
        The rows of the table in their order, with the new column. Rows without a group are dropped.

    Examples
    --------
    >>> edges = pd.DataFrame({"pre": 1, "post": 2, "weight": [3, 6], "dataset": ["fanc", "manc"]})
    >>> edges.groupby("dataset").neuro.fractions()["input_fraction"].tolist()
    [1.0, 1.0]
    """
    return _rows_of_each(groups, partial(tables.fractions, of=of, total=total, overwrite=overwrite))


@documented()
def collapse(
    groups: Any,
    group_by: Hashable | Sequence[Hashable] | Labels | Mapping[str, Any] | None = None,
    *,
    values: Hashable | Sequence[Hashable] | None = None,
    per_neuron: bool = False,
    roi: bool = False,
    regions: str | Iterable[str] | None = None,
    dropna: bool = False,
    sort: bool = False,
    observed: bool = True,
) -> pd.DataFrame:
    """Sum the edges of each group by pairs of neurons, or by pairs of labels.

    Parameters
    ----------
    {edge groups}
    {collapse}

    Returns
    -------
    DataFrame
        Columns of :func:`pdneuro.tables.collapse`, with the group keys as outer index levels.

    Examples
    --------
    >>> edges = pd.DataFrame({"pre": 1, "post": 2, "weight": [3, 6], "dataset": ["fanc", "manc"]})
    >>> edges.groupby("dataset").neuro.collapse()
               pre  post  weight
    dataset
    fanc    0    1     2       3
    manc    0    1     2       6
    """
    options: dict[str, Any] = {
        "group_by": group_by,
        "values": values,
        "per_neuron": per_neuron,
        "roi": roi,
        "regions": regions,
        "dropna": dropna,
        "sort": sort,
        "observed": observed,
    }
    return _tables_of_each(groups, partial(tables.collapse, **options))


@documented()
def degree(groups: Any) -> pd.DataFrame:
    """Count the partners and synapses of each neuron in each group.

    Parameters
    ----------
    {edge groups}

    Returns
    -------
    DataFrame
        Columns of :func:`pdneuro.tables.degree`, with the group keys as outer index levels.

    Examples
    --------
    >>> edges = pd.DataFrame({"pre": 1, "post": 2, "weight": [3, 6], "dataset": ["fanc", "manc"]})
    >>> edges.groupby("dataset").neuro.degree()["in_weight"].tolist()
    [0, 3, 0, 6]
    """
    return _tables_of_each(groups, tables.degree)


@documented()
def completeness(
    groups: Any,
    partners: Any = None,
    *,
    group_by: Hashable | Sequence[Hashable] | Labels | Mapping[str, Any] | None = None,
    of: str = "both",
) -> pd.DataFrame:
    """Return the share of each neuron's synapses in each group whose partner is known.

    Parameters
    ----------
    {edge groups}
    {completeness}

    Returns
    -------
    DataFrame
        Columns of :func:`pdneuro.tables.completeness`, with the group keys as outer index levels.

    Examples
    --------
    >>> edges = pd.DataFrame({"pre": 1, "post": 2, "weight": [3, 6], "dataset": ["fanc", "manc"]})
    >>> edges.groupby("dataset").neuro.completeness([1], of="input")["input_completeness"].tolist()
    [<NA>, 1.0, <NA>, 1.0]
    """
    find = partial(tables.completeness, partners=partners, group_by=group_by, of=of)
    return _tables_of_each(groups, find)


@documented()
def motifs(groups: Any) -> pd.DataFrame:
    """Count the pairs of neurons in each group by their connections.

    Parameters
    ----------
    {edge groups}

    Returns
    -------
    DataFrame
        One row per group, with the columns of :func:`pdneuro.tables.motifs` (int64).

    Examples
    --------
    >>> edges = pd.DataFrame({"pre": 1, "post": 2, "weight": [3, 6], "dataset": ["fanc", "manc"]})
    >>> edges.groupby("dataset").neuro.motifs()
             mutual  one_way  unconnected  autapse
    dataset
    fanc          0        1            0        0
    manc          0        1            0        0
    """
    counts = {key: tables.motifs(part) for key, part in groups}
    empty = pd.DataFrame(
        {name: np.empty(0, np.int64) for name in tables.motifs(groups.obj.iloc[:0]).index}
    )
    rows = pd.DataFrame(list(counts.values())) if counts else empty
    return rows.set_axis(_key_index(groups, counts))


def _tables_of_each(groups: Any, function: Callable[[pd.DataFrame], pd.DataFrame]) -> pd.DataFrame:
    """Return the tables of the groups of an edge table, one after the other, with their keys."""
    found = {key: function(part) for key, part in groups}
    return _stack(groups, found or {None: function(groups.obj.iloc[:0])})


def _rows_of_each(groups: Any, function: Callable[[pd.DataFrame], pd.DataFrame]) -> pd.DataFrame:
    """Return the rows that a function keeps of each group, in the order of the whole table."""
    table = groups.obj
    parts = [table.iloc[rows].set_axis(rows) for rows in groups.indices.values()]
    found = [function(part) for part in parts if len(part)] or [function(table.iloc[:0].set_axis([]))]
    kept = pd.concat(found).sort_index()
    result = kept.set_axis(table.index[kept.index.astype(np.intp)])
    result.attrs = found[0].attrs
    return result


def _members(groups: Any, on: Hashable | None) -> Iterator[tuple[Hashable, Int64Array]]:
    """Yield the key and the distinct IDs of each group."""
    found = {key: distinct_ids(roles.id_column(part, on)) for key, part in groups}
    sizes = _sizes(groups)
    # Before pandas 3, an iteration leaves out combinations of categories without rows.
    if len(sizes) > len(found) and found.keys() <= set(sizes):
        found = {key: found.get(key, _NOBODY) for key in sizes}
    yield from found.items()


def _edges_of_each(
    members: Mapping[Hashable, Int64Array], options: EdgeKeywords
) -> Iterator[tuple[Hashable, pd.DataFrame]]:
    """Yield the key and the edge table of each group."""
    if options.get("hops", 1) > 1:  # each group reaches other neurons
        fetch = Fetch.of(**{name: value for name, value in options.items() if name in FETCH_ARGUMENTS})
        everyone = np.concatenate([_NOBODY, *members.values()])
        with collect_report(fetch):
            # One version for all groups.
            opened = at_version(open_source(options.get("source")), everyone, fetch)
            of_group: EdgeKeywords = {**options, "source": opened}
            for key, ids in members.items():
                yield key, queries.edges(ids, **of_group)
        return
    within = options.get("within", False)
    if not members:
        return
    everyone = np.concatenate(list(members.values()))
    together: EdgeKeywords = {**options, "within": False}
    table = queries.edges(everyone, **together)
    for key, ids in members.items():
        own = pd.Index(ids)
        starts, ends = table["pre"].isin(own), table["post"].isin(own)
        outside = starts & options.get("downstream", True) | ends & options.get("upstream", True)
        yield key, table[starts & ends if within else outside].reset_index(drop=True)


def _stack(groups: Any, parts: dict[Hashable, pd.DataFrame]) -> pd.DataFrame:
    """Concatenate the tables of the groups, with the group keys as outer index levels.

    The one table of no group has the key None.
    """
    keys = _key_index(groups, [] if list(parts) == [None] else parts)
    if not len(keys):
        nothing = next(iter(parts.values())).iloc[:0]
        levels = [keys.get_level_values(k) for k in range(keys.nlevels)]
        if not groups.as_index:
            names = dict(zip(keys.names, levels, strict=True))
            return pd.DataFrame({**names, **nothing}, index=pd.RangeIndex(0))
        index = pd.MultiIndex.from_arrays([*levels, pd.RangeIndex(0)], names=[*keys.names, None])
        return nothing.set_axis(index)
    stacked = pd.concat(list(parts.values()), keys=keys, names=[*keys.names, None])
    if not groups.as_index:
        stacked = stacked.reset_index(level=list(keys.names)).reset_index(drop=True)
    stacked.attrs = next(iter(parts.values())).attrs
    return stacked


def _key_index(groups: Any, keys: Iterable[Any]) -> pd.Index[Any]:
    """Return the group keys as an index with the names of the grouping columns."""
    names = list(_sizes(groups).names)
    if len(names) > 1:
        return pd.MultiIndex.from_tuples(list(keys), names=names) if keys else _no_keys(names)
    # The keys of groupby(["side"]) are tuples of one element.
    single: pd.Index[Any] = pd.Index([k[0] if isinstance(k, tuple) else k for k in keys], name=names[0])
    return single


def _sizes(groups: Any) -> pd.Index[Any]:
    """Return the keys of all groups, as ``groups.size()`` has them."""
    sizes: pd.Series[Any] | pd.DataFrame = groups.size()
    if isinstance(sizes, pd.DataFrame):  # of groupby(..., as_index=False)
        sizes = sizes.set_index(list(sizes.columns[:-1]))
    return sizes.index


def _no_keys(names: list[Hashable]) -> pd.MultiIndex:
    return pd.MultiIndex.from_arrays([[] for _ in names], names=names)
