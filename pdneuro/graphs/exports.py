"""Export edge tables to igraph, Gephi and Cytoscape."""

from __future__ import annotations

import csv
import os
from collections.abc import Hashable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from pdneuro._atomic import replacing
from pdneuro._compat import TEXT, optional
from pdneuro.graphs.networkx import one_row_per_pair
from pdneuro.graphs.node_attributes import garbage_collector_paused, node_table
from pdneuro.tables import roles
from pdneuro.tables.columns import array_of, take_or_na
from pdneuro.tables.ids import Int64Array
from pdneuro.tables.pairs import coded_ends
from pdneuro.tables.provenance import KEY, facts

if TYPE_CHECKING:
    import igraph


def to_igraph(
    edges: pd.DataFrame, nodes: pd.DataFrame | None = None, on: Hashable | None = None
) -> igraph.Graph:
    """Return a directed igraph graph, which needs a fifth of networkx' memory and is faster.

    Parameters
    ----------
    edges : DataFrame
        An edge table. Rows of the same pair are summed.
    nodes : DataFrame, optional
        Table of neurons, whose columns become attributes of the nodes.
    on : hashable, optional
        Column of ``nodes`` that holds the IDs. Default: recognized by a name such as ``root_id``.

    Returns
    -------
    igraph.Graph
        Vertex attribute ``name``: the ID as decimal text (igraph's files store numbers as doubles,
        which would round it), so ``graph.vs.find(str(id))`` finds a neuron. Edge attribute ``weight``
        (int). ``graph["pdneuro"]`` is the provenance.

    Raises
    ------
    MissingDependencyError
        igraph is not installed (extra ``graph``).

    Examples
    --------
    >>> from pdneuro.graphs import to_igraph
    >>> edges = pd.DataFrame({"pre": [11, 11, 12], "post": [12, 12, 11], "weight": [3, 4, 5]})
    >>> graph = to_igraph(edges)
    >>> graph.vs["name"], graph.es["weight"]
    (['11', '12'], [7, 5])
    """
    igraph = optional("igraph", "graph")
    pairs = one_row_per_pair(edges)
    ids, attributes = _nodes(pairs, nodes, on)
    index = pd.Index(ids)
    ends = [index.get_indexer(pd.Index(pairs[end])).tolist() for end in ("pre", "post")]
    with garbage_collector_paused():
        graph = igraph.Graph(len(ids), list(zip(*ends, strict=True)), directed=True)
    graph.vs["name"] = list(map(str, ids.tolist()))
    for name in attributes.columns:
        graph.vs[str(name)] = _python_values(attributes[name])
    for name in pairs.columns.drop(["pre", "post"]):
        graph.es[str(name)] = _python_values(pairs[name])
    if facts(edges):
        graph[KEY] = facts(edges)
    return graph


def _nodes(
    pairs: pd.DataFrame, nodes: pd.DataFrame | None, on: Hashable | None
) -> tuple[Int64Array, pd.DataFrame]:
    """Return all neurons of the edges and of the table, and their attributes."""
    ids, _, _ = coded_ends(pairs)
    if nodes is None:
        return ids, pd.DataFrame(index=pd.RangeIndex(len(ids)))
    table_ids, others = node_table(nodes, on)
    all_ids = np.concatenate([table_ids, np.setdiff1d(ids, table_ids)])
    rows = np.where(np.arange(len(all_ids)) < len(table_ids), np.arange(len(all_ids)), -1)
    columns = {name: take_or_na(array_of(others[name]), rows) for name in others.columns}
    return all_ids, pd.DataFrame(columns, index=pd.RangeIndex(len(all_ids)))


def _python_values(column: pd.Series[Any]) -> list[Any]:
    missing = column.isna()
    return [None if absent else value for value, absent in zip(column.tolist(), missing, strict=True)]


def to_gephi(
    edges: pd.DataFrame,
    folder: str | os.PathLike[str],
    nodes: pd.DataFrame | None = None,
    on: Hashable | None = None,
    *,
    label: Hashable | None = None,
) -> Path:
    """Write ``nodes.csv`` and ``edges.csv`` in the format of Gephi's import.

    Parameters
    ----------
    edges : DataFrame
        An edge table. Rows of the same pair are summed.
    nodes : DataFrame, optional
        Table of neurons, whose columns become attributes of the nodes.
    on : hashable, optional
        Column of ``nodes`` that holds the IDs. Default: recognized by a name such as ``root_id``.
    folder : path
        Created if it does not exist. Existing files with these names are replaced.
    label : hashable, optional
        Column of ``nodes`` that names the neurons. Default: the ID.

    Returns
    -------
    Path
        The folder. Edges: ``Source, Target, Type, Weight`` and the other columns; nodes: ``Id, Label``
        and the other columns. IDs are quoted, so that they are read as text.

    Examples
    --------
    >>> import tempfile
    >>> from pdneuro.graphs import to_gephi
    >>> edges = pd.DataFrame({"pre": [11], "post": [12], "weight": [3]})
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     print((to_gephi(edges, folder) / "edges.csv").read_text())
    "Source","Target","Type","Weight"
    "11","12","Directed",3
    <BLANKLINE>
    """
    pairs = one_row_per_pair(edges)
    ids, attributes = _nodes(pairs, nodes, on)
    text = pd.Series(ids).astype(TEXT)
    names = None if label is None else roles.named_column(attributes, str(label))
    labels = text if names is None else names.astype(TEXT).fillna(text)
    attributes = _without(attributes, "Id", "Label")
    vertices = pd.concat([pd.DataFrame({"Id": text, "Label": labels}), attributes], axis=1)
    arcs = _without(pairs, "Source", "Target", "Type", "Weight")
    arcs = arcs.rename(columns={"pre": "Source", "post": "Target", "weight": "Weight"})
    arcs.insert(2, "Type", "Directed")
    return _write(folder, vertices, arcs, ["Source", "Target"])


def to_cytoscape(
    edges: pd.DataFrame,
    folder: str | os.PathLike[str],
    nodes: pd.DataFrame | None = None,
    on: Hashable | None = None,
) -> Path:
    """Write ``nodes.csv`` and ``edges.csv`` in the format of Cytoscape's import from file.

    Parameters
    ----------
    edges : DataFrame
        An edge table. Rows of the same pair are summed.
    nodes : DataFrame, optional
        Table of neurons, whose columns become attributes of the nodes.
    on : hashable, optional
        Column of ``nodes`` that holds the IDs. Default: recognized by a name such as ``root_id``.
    folder : path
        Created if it does not exist. Existing files with these names are replaced.

    Returns
    -------
    Path
        The folder. Edges: ``source, target, interaction, weight`` and the other columns, where the
        interaction is the transmitter (``nt``), or ``synapse`` if it is missing. Nodes: ``name`` and
        the other columns. IDs are quoted text.

    Examples
    --------
    >>> import tempfile
    >>> from pdneuro.graphs import to_cytoscape
    >>> edges = pd.DataFrame({"pre": [11], "post": [12], "weight": [3]})
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     print((to_cytoscape(edges, folder) / "edges.csv").read_text())
    "source","target","interaction","weight"
    "11","12","synapse",3
    <BLANKLINE>
    """
    pairs = one_row_per_pair(edges)
    ids, attributes = _nodes(pairs, nodes, on)
    names = pd.DataFrame({"name": pd.Series(ids).astype(TEXT)})
    vertices = pd.concat([names, _without(attributes, "name")], axis=1)
    arcs = _without(pairs, "source", "target", "interaction")
    arcs = arcs.rename(columns={"pre": "source", "post": "target"})
    kind: Any = arcs["nt"].astype(TEXT).fillna("synapse") if "nt" in arcs else "synapse"
    arcs.insert(2, "interaction", kind)
    return _write(folder, vertices, arcs, ["source", "target"])


def _without(table: pd.DataFrame, *reserved: str) -> pd.DataFrame:
    """Rename columns whose names the program reserves."""
    return table.rename(columns={name: f"{name}_original" for name in reserved})


def _write(
    folder: str | os.PathLike[str], nodes: pd.DataFrame, edges: pd.DataFrame, ends: list[str]
) -> Path:
    target = Path(folder).expanduser()
    target.mkdir(parents=True, exist_ok=True)
    edges = edges.astype(dict.fromkeys(ends, TEXT))
    for name, table in (("nodes.csv", nodes), ("edges.csv", edges)):
        with replacing(target / name) as unfinished:
            table.to_csv(unfinished, index=False, quoting=csv.QUOTE_NONNUMERIC)
    return target
