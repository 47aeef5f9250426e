"""Edge tables to networkx and back."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Hashable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from pdneuro.errors import LargeGraphWarning, warn
from pdneuro.graphs.node_attributes import collector_paused, node_table, records
from pdneuro.graphs.trees import to_tree
from pdneuro.tables.columns import column
from pdneuro.tables.edges import COLUMNS, as_edges, collapse, require_edges
from pdneuro.tables.grouping import group_codes, pairs_differ
from pdneuro.tables.provenance import KEY, facts
from pdneuro.tables.skeletons import is_node_table

if TYPE_CHECKING:
    import networkx as nx

#: Memory of a networkx graph, measured: benchmarks/run.py.
GIGABYTES_PER_MILLION = 0.35
_LARGE = 3_000_000


def to_networkx(
    edges: pd.DataFrame,
    nodes: pd.DataFrame | None = None,
    on: Hashable | None = None,
    *,
    backend: str | None = None,
) -> nx.DiGraph[int]:
    """A directed graph with Python integers as nodes and as weights.

    Parameters
    ----------
    edges : DataFrame
        Edge table; for the node table of a reconstruction see :func:`to_tree`. Where it has one row a
        pair, its other columns become attributes of the edges, missing values left out. Else the rows
        of a pair are summed, and only ``weight`` and ``hop`` are kept.
    nodes : DataFrame, optional
        Neurons: all of them become nodes, their other columns attributes. Missing values are left out.
    on : hashable, optional
        The column of ``nodes`` that holds the IDs; recognised by name when not given.
    backend : str, optional
        Passed on to networkx, which then makes the graph of that backend. None is set by default.

    Returns
    -------
    networkx.DiGraph
        Edge attribute ``weight`` (number of synapses). ``graph["pdneuro"]`` is the provenance of the
        table, as JSON text, so that every file format of networkx takes it.

    Warns
    -----
    LargeGraphWarning
        Above three million edges, before the graph is built: how much memory it will take.

    See Also
    --------
    to_sparse : some sixty times faster, for whole brains.
    to_igraph : a fifth of the memory.

    Notes
    -----
    A graph takes about 0.35 GB of memory for each million edges. ``networkx.write_graphml(graph, path)``
    and the other writers of networkx take it as it is.

    Examples
    --------
    >>> from pdneuro.graphs import to_networkx
    >>> edges = pd.DataFrame({"pre": [1, 1, 2], "post": [2, 2, 1], "weight": [3, 4, 5]})
    >>> to_networkx(edges).edges(data="weight")
    OutEdgeDataView([(1, 2, 7), (2, 1, 5)])
    """
    import networkx as nx

    if is_node_table(edges):
        return to_tree(edges)
    pairs = one_row_a_pair(edges)
    if len(pairs) > _LARGE:
        warn(
            f"a networkx graph of {len(pairs):,} edges takes about "
            f"{len(pairs) / 1e6 * GIGABYTES_PER_MILLION:,.1f} GB of memory. to_sparse() and to_igraph() "
            "are quicker and smaller; threshold() leaves weak edges out.",
            LargeGraphWarning,
        )
    attributes = [name for name in pairs.columns if name not in ("pre", "post")]
    graph: nx.DiGraph[int]
    if backend is not None:
        build: Any = nx.from_pandas_edgelist  # the stubs do not know backend=
        graph = build(pairs, "pre", "post", attributes, create_using=nx.DiGraph, backend=backend)
    else:
        graph = nx.DiGraph()
        with collector_paused():
            _fill(graph, pairs, attributes)
    if facts(edges):
        graph.graph[KEY] = json.dumps(facts(edges))
    if nodes is not None:
        ids, others = node_table(nodes, on)
        graph.add_nodes_from(zip(ids.tolist(), records(others), strict=True))
    return graph


def one_row_a_pair(edges: pd.DataFrame) -> pd.DataFrame:
    """The table itself where it has one row a pair, else its sums."""
    edges = require_edges(edges)
    return edges if pairs_differ(edges["pre"].to_numpy(), edges["post"].to_numpy()) else collapse(edges)


def _edge_data(attributes: pd.DataFrame) -> list[dict[str, Any]]:
    if list(attributes.columns) == ["weight"]:
        return [{"weight": weight} for weight in attributes["weight"].tolist()]
    return records(attributes)


def _fill(graph: nx.DiGraph[int], pairs: pd.DataFrame, attributes: Sequence[Hashable]) -> None:
    """Add edges to an empty graph, all edges of a node at a time.

    ``adjacency()`` hands out the graph's own inner dicts; should a networkx hand out copies one day,
    the edges are added one by one.
    """
    import networkx as nx

    if not len(pairs):
        return
    # Nodes in the order in which add_edge() would meet them.
    codes, ids = pd.factorize(pairs[["pre", "post"]].to_numpy().ravel())
    # Half-sized copies, and nothing held longer than needed: the graph takes memory enough.
    starts, ends = (codes[side::2].astype(np.int32) for side in (0, 1))
    del codes
    graph.add_nodes_from(ids.tolist())
    # The graph's own node objects serve as keys everywhere: one integer a node, not one an edge.
    names = np.fromiter(graph, object, len(graph))
    backwards: Any = nx.reverse_view(graph)  # type: ignore[type-var]
    by_start = group_codes(starts, len(ids)).rows
    # Data are made in the order of their first use, and handed to the other side by their place in it.
    place = np.empty(len(pairs), np.int32)
    place[by_start] = np.arange(len(pairs), dtype=np.int32)
    data = _edge_data(pairs[attributes].take(by_start))
    _fill_side(graph, names, starts[by_start], ends[by_start], data)
    del by_start
    by_end = group_codes(ends, len(ids)).rows
    cells = np.fromiter(data, object, len(data))[place[by_end]].tolist()
    _fill_side(backwards, names, ends[by_end], starts[by_end], cells)
    pre, post, first = names[starts[0]], names[ends[0]], data[place[0]]
    if graph.get_edge_data(pre, post) is not first or backwards.get_edge_data(post, pre) is not first:
        in_order = (data[where] for where in place.tolist())
        graph.add_edges_from(zip(names[starts], names[ends], in_order, strict=True))


def _fill_side(view: Any, names: Any, own: Any, other: Any, data: list[dict[str, Any]]) -> None:
    """Enter edges, which are ordered by ``own``, into the inner dicts of a graph's view."""
    partners, start = names[other].tolist(), 0
    until = np.cumsum(np.bincount(own, minlength=len(names))).tolist()
    for (_, inner), end in zip(view.adjacency(), until, strict=True):
        for partner, datum in zip(partners[start:end], data[start:end], strict=True):
            inner[partner] = datum
        start = end


def from_networkx(graph: nx.Graph[Any], weight: str = "weight") -> pd.DataFrame:
    """The edges of a graph as an edge table.

    Parameters
    ----------
    graph : networkx.DiGraph or MultiDiGraph
        Nodes are IDs: integers, or decimal text as GraphML files have it.
    weight : str
        Attribute with the number of synapses; an edge without it counts 1.

    Returns
    -------
    DataFrame
        ``pre, post, weight`` (int64), and the other attributes of the edges as columns. The provenance
        that :func:`to_networkx` wrote is in ``attrs`` again.

    Raises
    ------
    ValueError
        The graph is undirected: which end is presynaptic?
    InvalidIdError, InvalidEdgesError
        Nodes that are no IDs, weights that are no numbers of synapses.

    Examples
    --------
    >>> import networkx as nx
    >>> from pdneuro.graphs import from_networkx
    >>> from_networkx(nx.DiGraph([(1, 2, {"weight": 3})]))
       pre  post  weight
    0    1     2       3
    """
    if not hasattr(graph, "is_directed"):
        raise TypeError(f"from_networkx takes a networkx graph, not a {type(graph).__name__}.")
    if not graph.is_directed():
        raise ValueError(
            "the graph is undirected, so it does not say which end of an edge is presynaptic. Make it a "
            "DiGraph first, for example by graph.to_directed(), which gives each edge both directions."
        )
    pre, post, data = zip(*graph.edges(data=True), strict=True) if graph.size() else ((), (), ())
    names = list(dict.fromkeys(name for record in data for name in record))
    columns = {"pre": pd.Series(pre, dtype=object), "post": pd.Series(post, dtype=object)}
    columns["weight"] = pd.Series([record.get(weight, 1) for record in data], dtype=object)
    for name in names:
        if name != weight:
            columns[str(name)] = pd.Series(column([record.get(name) for record in data], str(name)))
    columns["weight"] = columns["weight"].infer_objects()
    table = as_edges(pd.DataFrame(columns), *COLUMNS)
    with contextlib.suppress(TypeError, ValueError):
        table.attrs = {KEY: dict(json.loads(graph.graph[KEY]))} if KEY in graph.graph else {}
    return table
