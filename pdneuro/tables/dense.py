"""Edges of an adjacency matrix with labeled rows and columns."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from pdneuro.errors import InvalidEdgesError
from pdneuro.tables.edges import as_edges, edge_table
from pdneuro.tables.ids import id_array
from pdneuro.tables.node_names import IDS, NAMES, name_array, named_edges
from pdneuro.tables.provenance import inherit, note


def matrix_edges(
    matrix: pd.DataFrame, name: str = "weight", nodes: str = IDS
) -> tuple[pd.DataFrame, Any, Any]:
    """Return the edges of a matrix, and the row and column of each.

    Parameters
    ----------
    matrix : DataFrame
        A matrix with IDs as index and columns; 0 and missing values mean no edge.
    name : str
        Name of the weights, for messages.
    nodes : {"ids", "names"}
        What the labels are.

    >>> matrix = pd.DataFrame([[0, 3], [5, 0]], index=[11, 12], columns=[11, 12])
    >>> edges, rows, columns = matrix_edges(matrix)
    >>> edges.to_numpy().tolist(), rows.tolist(), columns.tolist()
    ([[11, 12, 3], [12, 11, 5]], [0, 1], [1, 0])
    """
    ends = []
    for label, axis in (("pre", matrix.index), ("post", matrix.columns)):
        column = axis.to_series(name=label)
        labels, missing = name_array(column) if nodes == NAMES else id_array(axis, label)
        if missing is not None and missing.any():
            raise InvalidEdgesError(
                f"a {label} label of the matrix is missing or 0. Drop this row or column."
            )
        ends.append(labels)
    entries = matrix.to_numpy()
    present = ~pd.isna(entries)
    # Objects, for integers next to missing values: a float would round them.
    rows, columns = np.nonzero(present & (np.where(present, entries, 0) != 0))
    read = as_edges(pd.DataFrame({"pre": 1, "post": 1, name: entries[rows, columns]}), weight=name)
    weights = read["weight"].to_numpy()
    kept = weights != 0  # "0" as text
    rows, columns = rows[kept], columns[kept]
    make = named_edges if nodes == NAMES else edge_table
    edges = inherit(make(ends[0][rows], ends[1][columns], weights[kept]), matrix)
    return note(edges, nodes=NAMES) if nodes == NAMES else edges, rows, columns
