"""What can be asked about a table of neurons: the questions of ``segments``, with ``on=``."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import TYPE_CHECKING, Any, Unpack

import pandas as pd

from pdneuro.queries import properties as segments
from pdneuro.queries.properties import EdgeKeywords, HopKeywords, PartnerKeywords, join_properties
from pdneuro.tables import roles

if TYPE_CHECKING:
    import networkx as nx

__all__ = ["downstream", "edges", "graph", "join_properties", "partners", "upstream"]


def edges(table: pd.DataFrame, on: Hashable | None = None, **how: Unpack[EdgeKeywords]) -> pd.DataFrame:
    """Edges of the neurons in a table.

    Parameters
    ----------
    table : DataFrame
    on : hashable, optional
        The column of segment IDs. Default: recognised by a name such as ``root_id``.
    **how
        As for :func:`pdneuro.queries.properties.edges`.

    Returns
    -------
    DataFrame
        Edge table ``pre, post, weight`` (int64).

    Raises
    ------
    MissingColumnsError, AmbiguousColumnError
        No column of IDs is recognised, or several are.
    Exception
        As for :func:`pdneuro.queries.properties.edges`.

    Examples
    --------
    >>> neurons = pdneuro.sandbox.neurons().query("cell_type == 'T001'")
    >>> neurons.neuro.edges(on="root_id", within=True).head(3)
    Empty DataFrame
    Columns: [pre, post, weight]
    Index: []
    """
    return segments.edges(roles.id_column(table, on), **how)


def upstream(
    table: pd.DataFrame, on: Hashable | None = None, **how: Unpack[HopKeywords]
) -> pd.DataFrame:
    """Edges onto the neurons in a table: :func:`edges` with ``downstream=False``.

    Parameters
    ----------
    table : DataFrame
    on : hashable, optional
        The column of segment IDs. Default: recognised by a name such as ``root_id``.
    **how
        As for :func:`pdneuro.queries.properties.edges`.

    Returns
    -------
    DataFrame
        Edge table ``pre, post, weight`` (int64).

    Examples
    --------
    >>> neurons = pdneuro.sandbox.neurons().head(50)
    >>> neurons.neuro.upstream(min_weight=30).head(3)
                      pre                post  weight
    0  720575940607888220  720575940614626315      46
    1  720575940618495860  720575940644966971      45
    2  720575940643788498  720575940628052124     104
    """
    return segments.upstream(roles.id_column(table, on), **how)


def downstream(
    table: pd.DataFrame, on: Hashable | None = None, **how: Unpack[HopKeywords]
) -> pd.DataFrame:
    """Edges from the neurons in a table: :func:`edges` with ``upstream=False``.

    Parameters
    ----------
    table : DataFrame
    on : hashable, optional
        The column of segment IDs. Default: recognised by a name such as ``root_id``.
    **how
        As for :func:`pdneuro.queries.properties.edges`.

    Returns
    -------
    DataFrame
        Edge table ``pre, post, weight`` (int64).

    Examples
    --------
    >>> neurons = pdneuro.sandbox.neurons().head(50)
    >>> neurons.neuro.downstream(min_weight=30).head(3)
                      pre                post  weight
    0  720575940609676979  720575940626709709     119
    1  720575940637060607  720575940645453511     184
    2  720575940637060607  720575940632800256      32
    """
    return segments.downstream(roles.id_column(table, on), **how)


def partners(
    table: pd.DataFrame,
    on: Hashable | None = None,
    *,
    group_by: Hashable | Mapping[int, Any] | pd.Series[Any] | None = None,
    **how: Unpack[PartnerKeywords],
) -> pd.DataFrame:
    """Partners of the neurons in a table taken together, the strongest first.

    Parameters
    ----------
    table : DataFrame
    on : hashable, optional
        The column of segment IDs. Default: recognised by a name such as ``root_id``.
    group_by : hashable, mapping or Series, optional
        As for :func:`pdneuro.queries.properties.partners`, or a column of the table that
        labels those partners which are in the table.
    **how
        As for :func:`pdneuro.queries.properties.partners`.

    Returns
    -------
    DataFrame
        ``partner, direction, weight, n_neurons``; see :func:`pdneuro.queries.properties.partners`.

    Examples
    --------
    >>> neurons = pdneuro.sandbox.neurons().head(50)
    >>> neurons.neuro.partners(min_weight=10).head(3)
                  partner   direction  weight  n_neurons
    0  720575940620171167    upstream     373          1
    1  720575940632765258  downstream     355          1
    2  720575940645453511  downstream     195          2
    """
    ids = roles.id_column(table, on)
    if group_by is None or isinstance(group_by, Mapping | pd.Series):
        labels = group_by
    else:
        column = roles.named_column(table, group_by).set_axis(pd.Index(ids))
        labels = column[~column.index.duplicated()]
    return segments.partners(ids, group_by=labels, **how)


def graph(
    table: pd.DataFrame, on: Hashable | None = None, **how: Unpack[EdgeKeywords]
) -> nx.DiGraph[int]:
    """The edges of the neurons in a table as a directed graph.

    Parameters
    ----------
    table : DataFrame
    on : hashable, optional
        The column of segment IDs. Default: recognised by a name such as ``root_id``.
    **how
        As for :func:`pdneuro.queries.properties.edges`.

    Returns
    -------
    networkx.DiGraph
        Nodes and weights are Python integers.

    Examples
    --------
    >>> neurons = pdneuro.sandbox.neurons().head(50)
    >>> print(neurons.neuro.graph(within=True))
    DiGraph with 9 nodes and 5 edges
    """
    return segments.graph(roles.id_column(table, on), **how)
