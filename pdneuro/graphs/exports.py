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
from pdneuro.graphs.node_attributes import (
    attribute_names,
    file_column,
    file_values,
    garbage_collector_paused,
    node_table,
)
from pdneuro.tables import roles
from pdneuro.tables.columns import array_of, take_or_na
from pdneuro.tables.node_names import Nodes
from pdneuro.tables.pairs import coded_ends
from pdneuro.tables.provenance import KEY, facts
from pdneuro.tables.rounding import MAX_EXACT_FLOAT

if TYPE_CHECKING:
    import igraph

#: Names of columns that each program uses for itself, in lower case. Programs ignore the case.
_IGRAPH_NODES, _IGRAPH_EDGES = {"name", "id"}, {"weight", "source", "target"}
_GEPHI = {"id", "label", "source", "target", "type", "kind", "weight"}
_CYTOSCAPE_NODES = {"name", "shared name", "suid", "selected"}
_CYTOSCAPE_EDGES = _CYTOSCAPE_NODES | {"source", "target", "interaction", "shared interaction", "weight"}


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

        Other attributes are bool, int, float or text, so that igraph's writers accept them: dates are
        ISO text, lists are JSON text, and integers above ``2**53`` are decimal text. A missing number
        is None, a missing text is ``""``. Columns that are called ``name`` or ``id`` (edges:
        ``source``, ``target``) get the suffix ``_original``.

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
    _set_attributes(graph.vs, attributes, _IGRAPH_NODES)
    graph.es["weight"] = pairs["weight"].tolist()
    _set_attributes(graph.es, pairs.drop(columns=["pre", "post", "weight"]), _IGRAPH_EDGES)
    if facts(edges):
        graph[KEY] = facts(edges)
    return graph


def _nodes(
    pairs: pd.DataFrame, nodes: pd.DataFrame | None, on: Hashable | None
) -> tuple[Nodes, pd.DataFrame]:
    """Return all neurons of the edges and of the table, and their attributes."""
    ids, _, _ = coded_ends(pairs)
    if nodes is None:
        return ids, pd.DataFrame(index=pd.RangeIndex(len(ids)))
    table_ids, others = node_table(nodes, on, like=ids)
    all_ids = np.concatenate([table_ids, np.setdiff1d(ids, table_ids)])
    rows = np.where(np.arange(len(all_ids)) < len(table_ids), np.arange(len(all_ids)), -1)
    columns = [take_or_na(array_of(others.iloc[:, place]), rows) for place in range(others.shape[1])]
    attributes = pd.DataFrame(dict(enumerate(columns)), index=pd.RangeIndex(len(all_ids)))
    attributes.columns = others.columns
    return all_ids, attributes


def _set_attributes(sequence: Any, columns: pd.DataFrame, reserved: set[str]) -> None:
    """Set columns as attributes of the vertices or edges of an igraph graph."""
    for place, name in enumerate(attribute_names(columns.columns, reserved)):
        values = file_values(columns.iloc[:, place])
        kinds = {type(value) for value in values}
        large = int in kinds and any(
            isinstance(value, int) and abs(value) > MAX_EXACT_FLOAT for value in values
        )
        # igraph's files hold numbers as doubles, missing text as "None" and missing booleans as false.
        if large or str in kinds or {bool, type(None)} <= kinds:
            values = ["" if value is None else str(value) for value in values]
        sequence[name] = values


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
        and the other columns. IDs are quoted, so that they are read as text. Dates are ISO text, lists
        are JSON text. Gephi ignores the case of names and uses Id, Label, Source, Target, Type, Kind
        and Weight for itself: other columns of these names get the suffix ``_original``.

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
    names = None if label is None else roles.named_column(attributes, label)
    labels = text if names is None else file_column(names).astype(TEXT).fillna(text)
    vertices = _with_columns(pd.DataFrame({"Id": text, "Label": labels}), attributes, _GEPHI)
    arcs = pd.DataFrame({"Source": pairs["pre"], "Target": pairs["post"], "Type": "Directed"})
    arcs["Weight"] = pairs["weight"]
    others = pairs.drop(columns=["pre", "post", "weight"])
    return _write(folder, vertices, _with_columns(arcs, others, _GEPHI), ["Source", "Target"])


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
        the other columns. IDs are quoted text, dates are ISO text, lists are JSON text. Other columns
        with names that Cytoscape uses for itself, in any case (also ``shared name``, ``SUID``,
        ``selected``), get the suffix ``_original``.

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
    vertices = _with_columns(names, attributes, _CYTOSCAPE_NODES)
    arcs = pd.DataFrame({"source": pairs["pre"], "target": pairs["post"]})
    arcs["interaction"] = pairs["nt"].astype(TEXT).fillna("synapse") if "nt" in pairs else "synapse"
    arcs["weight"] = pairs["weight"]
    others = pairs.drop(columns=["pre", "post", "weight"])
    return _write(folder, vertices, _with_columns(arcs, others, _CYTOSCAPE_EDGES), ["source", "target"])


def _with_columns(table: pd.DataFrame, others: pd.DataFrame, reserved: set[str]) -> pd.DataFrame:
    """Return a program's table with further columns, under names that it does not use for itself."""
    columns = [file_column(others.iloc[:, place]) for place in range(others.shape[1])]
    joined = pd.concat([table, *columns], axis=1)
    joined.columns = [*table.columns, *attribute_names(others.columns, reserved)]
    return joined


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
