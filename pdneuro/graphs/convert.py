"""Edge tables to graph libraries."""

from __future__ import annotations

from collections.abc import Hashable
from typing import TYPE_CHECKING, Any

import pandas as pd

from pdneuro.tables import edges as edge_tables
from pdneuro.tables import roles
from pdneuro.tables.ids import id_array
from pdneuro.tables.provenance import KEY

if TYPE_CHECKING:
    import networkx as nx


def to_networkx(
    edges: pd.DataFrame, nodes: pd.DataFrame | None = None, on: Hashable | None = None
) -> nx.DiGraph[int]:
    """A directed graph with Python integers as nodes and as weights.

    Parameters
    ----------
    edges : DataFrame
        Edge table. Rows of one pair are summed. A ``hop`` column becomes an attribute of the edges.
    nodes : DataFrame, optional
        Neurons: all of them become nodes, their other columns attributes. Missing values are left out.
    on : hashable, optional
        The column of ``nodes`` that holds the IDs; recognised by name when not given.

    Returns
    -------
    networkx.DiGraph
        Edge attribute ``weight`` (number of synapses); ``graph["pdneuro"]`` is the provenance of the
        table.

    Notes
    -----
    A graph takes about 0.35 GB of memory for each million edges.

    Examples
    --------
    >>> import pandas as pd
    >>> from pdneuro.graphs import to_networkx
    >>> edges = pd.DataFrame({"pre": [1, 1, 2], "post": [2, 2, 1], "weight": [3, 4, 5]})
    >>> to_networkx(edges).edges(data="weight")
    OutEdgeDataView([(1, 2, 7), (2, 1, 5)])
    """
    import networkx as nx

    pairs = edge_tables.collapse(edges)
    graph: nx.DiGraph[int] = nx.DiGraph()
    if KEY in edges.attrs:
        graph.graph[KEY] = dict(edges.attrs[KEY])
    if nodes is not None:
        graph.add_nodes_from(_attributes(nodes, on))
    pre, post, weight = (pairs[name].tolist() for name in edge_tables.COLUMNS)
    if "hop" in pairs:
        data = [{"weight": w, "hop": h} for w, h in zip(weight, pairs["hop"].tolist(), strict=True)]
        graph.add_edges_from(zip(pre, post, data, strict=True))
    else:
        graph.add_weighted_edges_from(zip(pre, post, weight, strict=True))
    return graph


def _attributes(nodes: pd.DataFrame, on: Hashable | None) -> list[tuple[int, dict[str, Any]]]:
    column = roles.id_column(nodes, on)
    numbers, missing = id_array(column)
    known = nodes.drop(columns=[column.name] if column.name in nodes.columns else [])
    if missing is not None:
        known, numbers = known[~missing], numbers[~missing]
    records: list[dict[str, Any]] = [{} for _ in range(len(known))]
    for name, cells in known.items():
        for record, value, absent in zip(records, cells.tolist(), cells.isna(), strict=True):
            if not absent:
                record[str(name)] = value
    return list(zip(numbers.tolist(), records, strict=True))
