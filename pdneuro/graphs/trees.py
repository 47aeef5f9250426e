"""Reconstructions to networkx and back."""

from __future__ import annotations

import contextlib
import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from pdneuro.errors import InvalidSwcError, listing
from pdneuro.graphs.node_attributes import collector_paused, records
from pdneuro.tables.columns import column
from pdneuro.tables.provenance import KEY, facts
from pdneuro.tables.skeletons import NEURON, ROOT, neuron_column, segments

if TYPE_CHECKING:
    import networkx as nx


def to_tree(nodes: pd.DataFrame) -> nx.DiGraph[Any]:
    """Reconstructions as trees that grow from their roots.

    Parameters
    ----------
    nodes : DataFrame
        Node table.

    Returns
    -------
    networkx.DiGraph
        Edges lead from the parent to the child, with ``length`` in µm. Nodes are the numbers of the
        table, ``(neuron, number)`` where it holds several neurons; they have the attributes ``type, x,
        y, z, radius`` and ``parent``, numbers that are missing left out. A node whose parent is missing,
        or is the node itself, is a root. ``graph["pdneuro"]`` is the provenance as JSON text.

    Raises
    ------
    InvalidSwcError
        Two nodes of a neuron have the same number.
    MissingColumnsError
        The table is no node table.

    See Also
    --------
    from_tree : the way back.

    Examples
    --------
    >>> import networkx as nx
    >>> nodes = pdneuro.neuromorpho.swc(1)
    >>> nx.is_arborescence(nodes.neuro.to_networkx())
    True
    """
    import networkx as nx

    rows, lengths, codes = segments(nodes)
    numbers = nodes["node"].tolist()
    names = numbers if codes is None else list(zip(nodes[NEURON].tolist(), numbers, strict=True))
    if len(set(names)) < len(names):
        twice = pd.Series(names, dtype=object)
        raise InvalidSwcError(
            f"{listing(twice[twice.duplicated()].tolist())} are numbers of several nodes, so they "
            "cannot be the nodes of a graph; .neuro.check() lists them."
        )
    labels = ["type", "x", "y", "z", "radius", "parent"]
    labels += [name for name in nodes.columns if str(name).startswith("column_")]
    graph: nx.DiGraph[Any] = nx.DiGraph()
    with collector_paused():
        graph.add_nodes_from(zip(names, records(nodes[labels]), strict=True))
        inner = np.flatnonzero(rows >= 0).tolist()
        above, measured, known = rows.tolist(), lengths.tolist(), np.isfinite(lengths)
        graph.add_edges_from(
            (names[above[row]], names[row], {"length": measured[row]} if known[row] else {})
            for row in inner
        )
    if codes is None and NEURON in nodes.columns and len(nodes):
        graph.graph[NEURON] = nodes[NEURON].tolist()[0]
    if facts(nodes):
        graph.graph[KEY] = json.dumps(facts(nodes))
    return graph


def from_tree(graph: nx.DiGraph[Any]) -> pd.DataFrame:
    """The node table of a graph that :func:`to_tree` made, or of one like it.

    Parameters
    ----------
    graph : networkx.DiGraph
        Nodes are whole numbers, or ``(neuron, number)``; with ``x, y, z`` in µm and, where known,
        ``type`` (0 where it is absent) and ``radius``.

    Returns
    -------
    DataFrame
        Node table, in the order of the graph's nodes.

    Raises
    ------
    InvalidSwcError
        A node has two parents, or no coordinates; the nodes are no numbers.

    Examples
    --------
    >>> from pdneuro.graphs import from_tree, to_tree
    >>> nodes = pdneuro.neuromorpho.swc(1)
    >>> from_tree(to_tree(nodes)).equals(nodes)
    True
    """
    names = list(graph)
    pairs = [isinstance(name, tuple) and len(name) == 2 for name in names]
    several = bool(pairs) and all(pairs)
    numbers = [name[1] if several else name for name in names]
    if not all(isinstance(number, int | np.integer) for number in numbers):
        raise InvalidSwcError("the nodes of the graph are not whole numbers; relabel them first.")
    crowded = [name for name in names if graph.in_degree(name) > 1]
    if crowded:
        raise InvalidSwcError(f"nodes with several parents are no tree: {listing(crowded)}.")
    above = {child: parent[1] if several else parent for parent, child in graph.edges}
    data = [graph.nodes[name] for name in names]
    bare = [
        name
        for name, cell in zip(names, data, strict=True)
        if not {"x", "y", "z", "parent"} & cell.keys()
    ]
    if bare:
        raise InvalidSwcError(f"nodes without x, y, z: {listing(bare)}.")
    parents = [above.get(name, cell.get("parent", ROOT)) for name, cell in zip(names, data, strict=True)]
    owner = [name[0] for name in names] if several else [graph.graph.get(NEURON, "")] * len(names)
    table = pd.DataFrame(
        {
            NEURON: neuron_column(owner),
            "node": np.array(numbers, np.int64),
            "type": np.array([cell.get("type", 0) for cell in data], np.int64),
            **{
                name: np.array([cell.get(name, np.nan) for cell in data], np.float64)
                for name in ("x", "y", "z", "radius")
            },
            "parent": np.array(parents, np.int64),
        }
    )
    extras = dict.fromkeys(key for cell in data for key in cell if str(key).startswith("column_"))
    for name in extras:
        table[name] = pd.Series(column([cell.get(name) for cell in data], str(name)))
    with contextlib.suppress(TypeError, ValueError):
        table.attrs = {KEY: dict(json.loads(graph.graph[KEY]))} if KEY in graph.graph else {}
    return table
