"""Edge tables to other programs: igraph, Gephi, Cytoscape."""

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
from pdneuro.graphs.networkx import one_row_a_pair
from pdneuro.graphs.node_attributes import collector_paused, node_table
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
    """A directed igraph graph: a fifth of networkx' memory, and C-speed algorithms.

    Parameters
    ----------
    edges : DataFrame
        An edge table. Rows of one pair are summed.
    nodes : DataFrame, optional
        Table of neurons, whose columns become attributes of the nodes.
    on : hashable, optional
        Column of ``nodes`` that holds the IDs. Default: recognized by a name such as ``root_id``.

    Returns
    -------
    igraph.Graph
        Vertex attribute ``name``: the ID as decimal text (igraph's own files keep numbers as doubles,
        which would round it), so ``graph.vs.find(str(id))`` finds a neuron. Edge attribute ``weight``
        (int). ``graph["pdneuro"]`` is the provenance.

    Raises
    ------
    MissingDependencyError
        Needs igraph: the extra ``graph``.

    Examples
    --------
    >>> from pdneuro.graphs import to_igraph
    >>> edges = pd.DataFrame({"pre": [11, 11, 12], "post": [12, 12, 11], "weight": [3, 4, 5]})
    >>> graph = to_igraph(edges)
    >>> graph.vs["name"], graph.es["weight"]
    (['11', '12'], [7, 5])
    """
    igraph = optional("igraph", "graph")
    pairs = one_row_a_pair(edges)
    ids, attributes = _nodes(pairs, nodes, on)
    here = pd.Index(ids)
    ends = [here.get_indexer(pd.Index(pairs[end])).tolist() for end in ("pre", "post")]
    with collector_paused():
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
    """All neurons of the edges and of the table, and their attributes."""
    ids, _, _ = coded_ends(pairs)
    if nodes is None:
        return ids, pd.DataFrame(index=pd.RangeIndex(len(ids)))
    given, others = node_table(nodes, on)
    both = np.concatenate([given, np.setdiff1d(ids, given)])
    places = np.where(np.arange(len(both)) < len(given), np.arange(len(both)), -1)
    cells = {name: take_or_na(array_of(others[name]), places) for name in others.columns}
    return both, pd.DataFrame(cells, index=pd.RangeIndex(len(both)))


def _python_values(column: pd.Series[Any]) -> list[Any]:
    return [
        None if absent else cell for cell, absent in zip(column.tolist(), column.isna(), strict=True)
    ]


def to_gephi(
    edges: pd.DataFrame,
    folder: str | os.PathLike[str],
    nodes: pd.DataFrame | None = None,
    on: Hashable | None = None,
    *,
    label: Hashable | None = None,
) -> Path:
    """Write ``nodes.csv`` and ``edges.csv`` as Gephi's import reads them.

    Parameters
    ----------
    edges : DataFrame
        An edge table. Rows of one pair are summed.
    nodes : DataFrame, optional
        Table of neurons, whose columns become attributes of the nodes.
    on : hashable, optional
        Column of ``nodes`` that holds the IDs. Default: recognized by a name such as ``root_id``.
    folder : path
        Made when absent; files of these names are replaced.
    label : hashable, optional
        Column of ``nodes`` that names the neurons. Default: the ID.

    Returns
    -------
    Path
        The folder. Edges: ``Source, Target, Type, Weight`` and the other columns; nodes: ``Id, Label``
        and the other columns. IDs are quoted, so they are read as text.

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
    pairs = one_row_a_pair(edges)
    ids, attributes = _nodes(pairs, nodes, on)
    text = pd.Series(ids).astype(TEXT)
    named = None if label is None else roles.named_column(attributes, str(label))
    labels = text if named is None else named.astype(TEXT).fillna(text)
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
    """Write ``nodes.csv`` and ``edges.csv`` as Cytoscape's import from file reads them.

    Parameters
    ----------
    edges : DataFrame
        An edge table. Rows of one pair are summed.
    nodes : DataFrame, optional
        Table of neurons, whose columns become attributes of the nodes.
    on : hashable, optional
        Column of ``nodes`` that holds the IDs. Default: recognized by a name such as ``root_id``.
    folder : path
        Made when absent; files of these names are replaced.

    Returns
    -------
    Path
        The folder. Edges: ``source, target, interaction, weight`` and the other columns, where the
        interaction is the transmitter (``nt``) if there is one, else ``synapse``. Nodes: ``name`` and
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
    pairs = one_row_a_pair(edges)
    ids, attributes = _nodes(pairs, nodes, on)
    names = pd.DataFrame({"name": pd.Series(ids).astype(TEXT)})
    vertices = pd.concat([names, _without(attributes, "name")], axis=1)
    arcs = _without(pairs, "source", "target", "interaction")
    arcs = arcs.rename(columns={"pre": "source", "post": "target"})
    kind: Any = arcs["nt"].astype(TEXT).fillna("synapse") if "nt" in arcs else "synapse"
    arcs.insert(2, "interaction", kind)
    return _write(folder, vertices, arcs, ["source", "target"])


def _without(table: pd.DataFrame, *taken: str) -> pd.DataFrame:
    """The table with columns of these names renamed, as the program needs the names itself."""
    return table.rename(columns={name: f"{name}_original" for name in taken})


def _write(
    folder: str | os.PathLike[str], nodes: pd.DataFrame, edges: pd.DataFrame, ends: list[str]
) -> Path:
    place = Path(folder).expanduser()
    place.mkdir(parents=True, exist_ok=True)
    edges = edges.astype(dict.fromkeys(ends, TEXT))
    for name, table in (("nodes.csv", nodes), ("edges.csv", edges)):
        with replacing(place / name) as unfinished:
            table.to_csv(unfinished, index=False, quoting=csv.QUOTE_NONNUMERIC)
    return place
