"""Convert edge tables to networkx graphs, and graphs to edge tables."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Hashable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from pdneuro.errors import LargeGraphWarning, warn
from pdneuro.graphs.node_attributes import (
    attribute_names,
    file_column,
    garbage_collector_paused,
    node_table,
    records,
)
from pdneuro.graphs.trees import to_tree
from pdneuro.tables.collapse import collapse
from pdneuro.tables.columns import column
from pdneuro.tables.edges import COLUMNS, as_edges, require_edges
from pdneuro.tables.grouping import group_codes, pairs_differ
from pdneuro.tables.provenance import KEY, facts
from pdneuro.tables.skeletons import is_node_table

if TYPE_CHECKING:
    import networkx as nx

#: Memory of a networkx graph, as measured by benchmarks/run.py.
GIGABYTES_PER_MILLION = 0.35
_LARGE = 3_000_000
#: Names that networkx' file formats use for themselves, in lower case. GEXF and GML drop such
#: attributes, or read them as the IDs of nodes and edges.
_GEXF = {"id", "label", "start", "end", "viz", "slices", "spells"}
_NODES, _EDGES = _GEXF | {"pid", "parents"}, _GEXF | {"source", "target", "key", "type", "weight"}


def to_networkx(
    edges: pd.DataFrame,
    nodes: pd.DataFrame | None = None,
    on: Hashable | None = None,
    *,
    backend: str | None = None,
) -> nx.DiGraph[int]:
    """Return a directed graph with Python integers as nodes and as weights.

    Parameters
    ----------
    edges : DataFrame
        Edge table; for the node table of a reconstruction see :func:`to_tree`. With one row per pair,
        its other columns become attributes of the edges, without missing values. Otherwise the rows of
        a pair are summed, and only ``weight`` and ``hop`` are kept.
    nodes : DataFrame, optional
        Table of neurons. All of them become nodes; the other columns become attributes, without
        missing values.
    on : hashable, optional
        Column of ``nodes`` that holds the IDs. Default: recognized by a name such as ``root_id``.
    backend : str, optional
        Backend of networkx that creates the graph. Default: networkx itself.

    Returns
    -------
    networkx.DiGraph
        Edge attribute ``weight`` (number of synapses). ``graph["pdneuro"]`` is the provenance of the
        table as JSON text, which every file format of networkx supports.

        Other attributes are bool, int, float or text: dates, times and durations are ISO text, lists
        and mappings are JSON text. Their names have only letters, digits and underscores of ASCII
        (``cell type`` becomes ``cell_type``). Names that a file format uses for itself get the suffix
        ``_original``: ``id, label, start, end, pid, parents, viz, slices, spells`` of nodes, and
        ``id, label, start, end, type, key, source, target`` of edges.

    Warns
    -----
    LargeGraphWarning
        The graph has more than three million edges; the message estimates its memory.

    See Also
    --------
    to_sparse : about sixty times faster, for whole brains.
    to_igraph : uses a fifth of the memory.

    Notes
    -----
    A graph needs about 0.35 GB of memory per million edges. ``networkx.write_graphml(graph, path)``
    and the writers of GEXF and GML accept it unchanged.

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
    pairs = one_row_per_pair(edges)
    if len(pairs) > _LARGE:
        warn(
            f"a networkx graph of {len(pairs):,} edges needs about "
            f"{len(pairs) / 1e6 * GIGABYTES_PER_MILLION:,.1f} GB of memory. to_sparse() and to_igraph() "
            "are faster and smaller; threshold() drops weak edges.",
            LargeGraphWarning,
        )
    attributes = pairs.drop(columns=["pre", "post", "weight"])
    if attributes.shape[1]:
        attributes.columns = attribute_names(attributes.columns, _EDGES, ascii_only=True)
        pairs = pd.concat([pairs[["pre", "post", "weight"]], attributes], axis=1)
    graph: nx.DiGraph[int]
    if backend is not None:
        build: Any = nx.from_pandas_edgelist  # its type stubs lack backend=
        plain = pairs.assign(**{name: file_column(pairs[name]) for name in attributes.columns})
        names = list(pairs.columns[2:])
        graph = build(plain, "pre", "post", names, create_using=nx.DiGraph, backend=backend)
    else:
        graph = nx.DiGraph()
        with garbage_collector_paused():
            _fill(graph, pairs, list(pairs.columns[2:]))
    if facts(edges):
        graph.graph[KEY] = json.dumps(facts(edges))
    if nodes is not None:
        ids, others = node_table(nodes, on, like=pairs["pre"].to_numpy())
        others.columns = attribute_names(others.columns, _NODES, ascii_only=True)
        graph.add_nodes_from(zip(ids.tolist(), records(others), strict=True))
    return graph


def one_row_per_pair(edges: pd.DataFrame) -> pd.DataFrame:
    """Return the table itself if it has one row per pair, otherwise the sums per pair."""
    edges = require_edges(edges)
    return edges if pairs_differ(edges["pre"].to_numpy(), edges["post"].to_numpy()) else collapse(edges)


def _edge_data(attributes: pd.DataFrame) -> list[dict[str, Any]]:
    if list(attributes.columns) == ["weight"]:
        return [{"weight": weight} for weight in attributes["weight"].tolist()]
    return records(attributes)


def _fill(graph: nx.DiGraph[int], pairs: pd.DataFrame, attributes: Sequence[Hashable]) -> None:
    """Add edges to an empty graph, all edges of a node at a time.

    This relies on ``adjacency()`` returning the graph's inner dicts. If a version of networkx returns
    copies, the edges are added one by one.
    """
    import networkx as nx

    if not len(pairs):
        return
    # Nodes get the order in which add_edge() would add them.
    codes, ids = pd.factorize(pairs[["pre", "post"]].to_numpy().ravel())
    # int32 and del keep memory low, since the graph itself needs much.
    starts, ends = (codes[side::2].astype(np.int32) for side in (0, 1))
    del codes
    graph.add_nodes_from(ids.tolist())
    # Keys are the graph's own node objects: one integer object per node instead of one per edge.
    names = np.fromiter(graph, object, len(graph))
    backwards: Any = nx.reverse_view(graph)  # type: ignore[type-var]
    by_start = group_codes(starts, len(ids)).rows
    # Both sides share the dicts of the edges, which are created in the order of the first side.
    position = np.empty(len(pairs), np.int32)
    position[by_start] = np.arange(len(pairs), dtype=np.int32)
    data = _edge_data(pairs[attributes].take(by_start))
    _fill_side(graph, names, starts[by_start], ends[by_start], data)
    del by_start
    by_end = group_codes(ends, len(ids)).rows
    data_by_end = np.fromiter(data, object, len(data))[position[by_end]].tolist()
    _fill_side(backwards, names, ends[by_end], starts[by_end], data_by_end)
    pre, post, first = names[starts[0]], names[ends[0]], data[position[0]]
    if graph.get_edge_data(pre, post) is not first or backwards.get_edge_data(post, pre) is not first:
        in_order = (data[number] for number in position.tolist())
        graph.add_edges_from(zip(names[starts], names[ends], in_order, strict=True))


def _fill_side(view: Any, names: Any, own: Any, other: Any, data: list[dict[str, Any]]) -> None:
    """Write edges, which are ordered by ``own``, into the inner dicts of a graph's view."""
    partners, start = names[other].tolist(), 0
    until = np.cumsum(np.bincount(own, minlength=len(names))).tolist()
    for (_, inner), end in zip(view.adjacency(), until, strict=True):
        for partner, datum in zip(partners[start:end], data[start:end], strict=True):
            inner[partner] = datum
        start = end


def from_networkx(graph: nx.Graph[Any], weight: str = "weight") -> pd.DataFrame:
    """Return the edges of a graph as an edge table.

    Parameters
    ----------
    graph : networkx.DiGraph or MultiDiGraph
        A graph whose nodes are IDs: integers, or decimal text as in GraphML files.
    weight : str, default "weight"
        Attribute with the number of synapses; an edge without it counts as 1.

    Returns
    -------
    DataFrame
        ``pre, post, weight`` (int64), and the other attributes of the edges as columns. The provenance
        that :func:`to_networkx` stored is copied to ``attrs``.

    Raises
    ------
    ValueError
        The graph is undirected, so the presynaptic neuron of an edge is not known.
    InvalidIdError, InvalidEdgesError
        A node is not an ID, or a weight is not a number of synapses.

    Examples
    --------
    >>> import networkx as nx
    >>> from pdneuro.graphs import from_networkx
    >>> from_networkx(nx.DiGraph([(1, 2, {"weight": 3})]))
       pre  post  weight
    0    1     2       3
    """
    if not hasattr(graph, "is_directed"):
        raise TypeError(f"graph must be a networkx graph, not {type(graph).__name__}.")
    if not graph.is_directed():
        raise ValueError(
            "the graph is undirected, so the presynaptic neuron of an edge is not known. Make it a "
            "DiGraph, for example with graph.to_directed(), which gives each edge both directions."
        )
    pre, post, data = zip(*graph.edges(data=True), strict=True) if graph.size() else ((), (), ())
    names = list(dict.fromkeys(name for record in data for name in record))
    if {"mode", "edge_default"} <= graph.graph.keys():  # a GEXF file, which numbers its edges
        names = [name for name in names if name != "id"]
    columns = {"pre": pd.Series(pre, dtype=object), "post": pd.Series(post, dtype=object)}
    columns["weight"] = pd.Series([record.get(weight, 1) for record in data], dtype=object)
    for name in names:
        if name != weight:
            columns[str(name)] = pd.Series(column([record.get(name) for record in data], str(name)))
    columns["weight"] = columns["weight"].infer_objects()
    frame = pd.DataFrame(columns)
    with contextlib.suppress(TypeError, ValueError):
        frame.attrs = {KEY: dict(json.loads(graph.graph[KEY]))} if KEY in graph.graph else {}
    return as_edges(frame, *COLUMNS)
