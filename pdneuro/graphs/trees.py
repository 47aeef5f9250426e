"""Convert reconstructions to networkx trees, and trees to reconstructions."""

from __future__ import annotations

import contextlib
import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from pdneuro.errors import InvalidSwcError, listing
from pdneuro.graphs.node_attributes import garbage_collector_paused, records
from pdneuro.tables.columns import column
from pdneuro.tables.provenance import KEY, facts
from pdneuro.tables.skeletons import NEURON, ROOT, arrays, neuron_column, segments

if TYPE_CHECKING:
    import networkx as nx


def to_tree(nodes: pd.DataFrame) -> nx.DiGraph[Any]:
    """Return reconstructions as a networkx graph, one tree per root.

    Parameters
    ----------
    nodes : DataFrame
        Node table.

    Returns
    -------
    networkx.DiGraph
        Edges lead from parent to child and have a ``length`` in µm. Nodes are the node numbers of the
        table, or ``(neuron, number)`` if it has several neurons. Their attributes are ``type, x, y, z,
        radius`` and ``parent``, without missing values. A node whose parent is missing, or
        is the node itself, is a root. ``graph["pdneuro"]`` is the provenance as JSON text.

    Raises
    ------
    InvalidSwcError
        Two nodes of a neuron have the same number.
    MissingColumnsError
        The table is not a node table.

    See Also
    --------
    from_tree : the inverse.

    Examples
    --------
    >>> import networkx as nx
    >>> nodes = pdneuro.neuromorpho.swc(1)
    >>> nx.is_arborescence(nodes.neuro.to_networkx())
    True
    """
    import networkx as nx

    rows, lengths, codes = segments(nodes)
    columns, _ = arrays(nodes)
    numbers = columns.node.tolist()
    nodes = nodes.assign(type=columns.type, parent=columns.parent)
    names = numbers if codes is None else list(zip(nodes[NEURON].tolist(), numbers, strict=True))
    if len(set(names)) < len(names):
        keys = pd.Series(names, dtype=object)
        duplicates = keys[keys.duplicated()]
        raise InvalidSwcError(
            f"several nodes have the same number: {listing(duplicates.tolist())}. "
            ".neuro.check() lists them; correct them in the table."
        )
    labels = ["type", "x", "y", "z", "radius", "parent"]
    labels += [name for name in nodes.columns if str(name).startswith("column_")]
    graph: nx.DiGraph[Any] = nx.DiGraph()
    with garbage_collector_paused():
        graph.add_nodes_from(zip(names, records(nodes[labels]), strict=True))
        inner = np.flatnonzero(rows >= 0).tolist()
        parents, values, finite = rows.tolist(), lengths.tolist(), np.isfinite(lengths)
        graph.add_edges_from(
            (names[parents[row]], names[row], {"length": values[row]} if finite[row] else {})
            for row in inner
        )
    if codes is None and NEURON in nodes.columns and len(nodes):
        graph.graph[NEURON] = nodes[NEURON].tolist()[0]
    if facts(nodes):
        graph.graph[KEY] = json.dumps(facts(nodes))
    return graph


def from_tree(graph: nx.DiGraph[Any]) -> pd.DataFrame:
    """Return the node table of a graph like those of :func:`to_tree`.

    Parameters
    ----------
    graph : networkx.DiGraph
        Nodes are integers or ``(neuron, number)``, with ``x, y, z`` in µm and, optionally, ``type``
        (default 0) and ``radius``.

    Returns
    -------
    DataFrame
        Node table, in the order of the graph's nodes.

    Raises
    ------
    InvalidSwcError
        A node has several parents or no coordinates, or is not an integer.

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
        raise InvalidSwcError("the nodes of the graph are not integers. Relabel them with integers.")
    merged = [name for name in names if graph.in_degree(name) > 1]
    if merged:
        raise InvalidSwcError(f"nodes have several parents, so this is not a tree: {listing(merged)}.")
    parent_of = {child: parent[1] if several else parent for parent, child in graph.edges}
    data = [graph.nodes[name] for name in names]
    without_position = [
        name
        for name, attributes in zip(names, data, strict=True)
        if not {"x", "y", "z", "parent"} & attributes.keys()
    ]
    if without_position:
        raise InvalidSwcError(f"nodes lack x, y, z: {listing(without_position)}. Add these attributes.")
    parents = [
        parent_of.get(name, attributes.get("parent", ROOT))
        for name, attributes in zip(names, data, strict=True)
    ]
    owner = [name[0] for name in names] if several else [graph.graph.get(NEURON, "")] * len(names)
    table = pd.DataFrame(
        {
            NEURON: neuron_column(owner),
            "node": np.array(numbers, np.int64),
            "type": np.array([attributes.get("type", 0) for attributes in data], np.int64),
            **{
                name: np.array([attributes.get(name, np.nan) for attributes in data], np.float64)
                for name in ("x", "y", "z", "radius")
            },
            "parent": np.array(parents, np.int64),
        }
    )
    extras = dict.fromkeys(key for item in data for key in item if str(key).startswith("column_"))
    for name in extras:
        table[name] = pd.Series(column([attributes.get(name) for attributes in data], str(name)))
    with contextlib.suppress(TypeError, ValueError):
        table.attrs = {KEY: dict(json.loads(graph.graph[KEY]))} if KEY in graph.graph else {}
    return table
