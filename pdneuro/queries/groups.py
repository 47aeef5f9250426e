"""The questions of ``segments`` for each group of a ``groupby``, asked once for all groups."""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from typing import Any, Unpack, cast

import numpy as np
import pandas as pd

from pdneuro.graphs import to_networkx
from pdneuro.options import FETCH_ARGUMENTS, Fetch
from pdneuro.queries import properties as segments
from pdneuro.queries.properties import EdgeKeywords, HopKeywords, PartnerKeywords
from pdneuro.tables import partners as partner_tables
from pdneuro.tables import roles
from pdneuro.tables.ids import Int64Array, distinct_ids
from pdneuro.transport.report import one_call


def edges(groups: Any, on: Hashable | None = None, **how: Unpack[EdgeKeywords]) -> pd.DataFrame:
    """Edges of each group.

    Parameters
    ----------
    groups : DataFrameGroupBy or SeriesGroupBy
        Groups of a table with a column of segment IDs, or of such a column.
    on : hashable, optional
        The column of segment IDs of a table. Default: recognised by a name such as ``root_id``.
    **how
        As for :func:`pdneuro.queries.properties.edges`; ``within=True`` keeps edges inside a group.

    Returns
    -------
    DataFrame
        Edge table with the group keys as outer index levels. An edge between two groups stands in both.

    Examples
    --------
    >>> sides = pdneuro.sandbox.neurons().head(200).groupby("side")
    >>> sides.neuro.edges(within=True).groupby("side").size()
    side
    left     47
    right    20
    dtype: int64
    """
    return _stacked(groups, dict(_edges_of_each(groups, on, how)))


def upstream(groups: Any, on: Hashable | None = None, **how: Unpack[HopKeywords]) -> pd.DataFrame:
    """Edges onto the neurons of each group: :func:`edges` with ``downstream=False``.

    Parameters
    ----------
    groups : DataFrameGroupBy or SeriesGroupBy
    on : hashable, optional
        The column of segment IDs. Default: recognised by a name such as ``root_id``.
    **how
        As for :func:`pdneuro.queries.properties.edges`.

    Returns
    -------
    DataFrame
        Edge table ``pre, post, weight`` (int64), with the group keys as outer index levels.

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
    chosen: EdgeKeywords = {**how, "upstream": True, "downstream": False}
    return edges(groups, on, **chosen)


def downstream(groups: Any, on: Hashable | None = None, **how: Unpack[HopKeywords]) -> pd.DataFrame:
    """Edges from the neurons of each group: :func:`edges` with ``upstream=False``.

    Parameters
    ----------
    groups : DataFrameGroupBy or SeriesGroupBy
    on : hashable, optional
        The column of segment IDs. Default: recognised by a name such as ``root_id``.
    **how
        As for :func:`pdneuro.queries.properties.edges`.

    Returns
    -------
    DataFrame
        Edge table ``pre, post, weight`` (int64), with the group keys as outer index levels.

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
    chosen: EdgeKeywords = {**how, "upstream": False, "downstream": True}
    return edges(groups, on, **chosen)


def partners(
    groups: Any, on: Hashable | None = None, *, group_by: Any = None, **how: Unpack[PartnerKeywords]
) -> pd.DataFrame:
    """Partners of each group, the strongest first.

    Parameters
    ----------
    groups : DataFrameGroupBy or SeriesGroupBy
    on : hashable, optional
        The column of segment IDs. Default: recognised by a name such as ``root_id``.
    group_by : mapping or Series, optional
        Label of each partner, by ID.
    **how
        As for :func:`pdneuro.queries.properties.partners`.

    Returns
    -------
    DataFrame
        As :func:`pdneuro.queries.properties.partners`, with the group keys as outer index levels.

    Examples
    --------
    >>> sides = pdneuro.sandbox.neurons().head(200).groupby("side")
    >>> sides.neuro.partners(min_weight=10).groupby("side").head(1)
                        partner   direction  weight  n_neurons
    side
    left  0  720575940615123282  downstream     900          1
    right 0  720575940625198262    upstream     911          2
    """
    sides = {"upstream": how.get("upstream", True), "downstream": how.get("downstream", True)}
    members = dict(_members(groups, on))
    return _stacked(
        groups,
        {
            key: partner_tables.partners(table, members[key], group_by=group_by, **sides)
            for key, table in _edges_of_each(groups, on, cast(EdgeKeywords, how))
        },
    )


def graph(groups: Any, on: Hashable | None = None, **how: Unpack[EdgeKeywords]) -> pd.Series[Any]:
    """Directed graphs of the groups.

    Parameters
    ----------
    groups : DataFrameGroupBy or SeriesGroupBy
    on : hashable, optional
        The column of segment IDs. Default: recognised by a name such as ``root_id``.
    **how
        As for :func:`pdneuro.queries.properties.edges`.

    Returns
    -------
    Series
        One ``networkx.DiGraph`` a group, by group key.

    Examples
    --------
    >>> sides = pdneuro.sandbox.neurons().head(200).groupby("side")
    >>> print(sides.neuro.graph(within=True)["left"])
    DiGraph with 47 nodes and 47 edges
    """
    graphs = [to_networkx(table) for _, table in _edges_of_each(groups, on, how)]
    cells = np.empty(len(graphs), object)
    cells[:] = graphs
    return pd.Series(cells, index=groups.size().index, name="graph")


def _members(groups: Any, on: Hashable | None) -> Iterator[tuple[Hashable, Int64Array]]:
    for key, part in groups:
        yield key, distinct_ids(roles.id_column(part, on) if isinstance(part, pd.DataFrame) else part)


def _edges_of_each(
    groups: Any, on: Hashable | None, how: EdgeKeywords
) -> Iterator[tuple[Hashable, pd.DataFrame]]:
    members = dict(_members(groups, on))
    everyone = pd.Series(np.concatenate([np.empty(0, np.int64), *members.values()]))
    if how.get("hops", 1) > 1:  # groups reach further neurons of their own
        fetch = Fetch.of(**{name: value for name, value in how.items() if name in FETCH_ARGUMENTS})
        with one_call(fetch):
            for key, ids in members.items():
                yield key, segments.edges(pd.Series(ids), **how)
        return
    within = how.get("within", False)
    chosen: EdgeKeywords = {**how, "within": False}
    table = segments.edges(everyone, **chosen)
    for key, ids in members.items():
        own = pd.Index(ids)
        starts, ends = table["pre"].isin(own), table["post"].isin(own)
        told = starts & how.get("downstream", True) | ends & how.get("upstream", True)
        yield key, table[starts & ends if within else told].reset_index(drop=True)


def _stacked(groups: Any, parts: dict[Hashable, pd.DataFrame]) -> pd.DataFrame:
    if not parts:
        return segments.edges(pd.Series([], dtype="int64"))
    names = groups.size().index.names
    # groupby(["side"]) has keys of one element
    keys = [key[0] if isinstance(key, tuple) and len(names) == 1 else key for key in parts]
    stacked = pd.concat(list(parts.values()), keys=keys, names=[*names, None])
    stacked.attrs = next(iter(parts.values())).attrs
    return stacked
