"""Count pairs of neurons: degrees, reciprocal edges, motifs."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from pdneuro.tables.collapse import collapse
from pdneuro.tables.edges import require_edges
from pdneuro.tables.grouping import number_ids, sums_by_code
from pdneuro.tables.ids import Int64Array
from pdneuro.tables.joins import add_columns
from pdneuro.tables.node_names import Nodes
from pdneuro.tables.provenance import inherit


def degree(edges: pd.DataFrame) -> pd.DataFrame:
    """Count the partners and synapses of each neuron in an edge table.

    Parameters
    ----------
    edges : DataFrame
        An edge table. Several rows of a pair count as one partner.

    Returns
    -------
    DataFrame
        Indexed by neuron (``id``, int64, sorted): ``in_degree``, ``out_degree`` (partners; an autapse
        counts as both), ``in_weight``, ``out_weight`` (synapses), all int64.

    Examples
    --------
    >>> from pdneuro.tables import degree
    >>> degree(pd.DataFrame({"pre": [1, 1, 2], "post": [2, 3, 1], "weight": [3, 4, 5]}))
        in_degree  out_degree  in_weight  out_weight
    id
    1           1           2          5           7
    2           1           1          3           5
    3           1           0          4           0
    """
    pairs = collapse(edges)
    ids, pre, post = coded_ends(pairs)
    weight, size = pairs["weight"].to_numpy(), len(ids)
    counts = pd.DataFrame(
        {
            "in_degree": np.bincount(post, minlength=size),
            "out_degree": np.bincount(pre, minlength=size),
            "in_weight": sums_by_code(post, weight, size),
            "out_weight": sums_by_code(pre, weight, size),
        },
        index=pd.Index(ids, name="id"),
        dtype="int64",
    )
    return inherit(counts, edges)


def coded_ends(edges: pd.DataFrame) -> tuple[Nodes, Any, Any]:
    """Return the sorted neurons of an edge table, and the positions of each edge's two ends in them."""
    pre, post = (edges[end].to_numpy() for end in ("pre", "post"))
    if pre.dtype == post.dtype == np.int64:
        ids, (starts, ends) = number_ids(pre, post)
        return ids, starts, ends
    (first, starts), (second, ends) = (pd.factorize(names) for names in (pre, post))
    names = np.union1d(starts, ends)
    positions = [np.searchsorted(names, distinct).astype(np.int32) for distinct in (starts, ends)]
    return names, positions[0][first], positions[1][second]


def reciprocal(edges: pd.DataFrame) -> pd.DataFrame:
    """Add the weight of the edge in the opposite direction to each edge.

    Parameters
    ----------
    edges : DataFrame
        An edge table.

    Returns
    -------
    DataFrame
        The edges, row by row, with ``reciprocal_weight`` (int64, synapses, summed over the rows of the
        opposite pair; 0 if there is no such pair, and for autapses).

    Examples
    --------
    >>> from pdneuro.tables import reciprocal
    >>> reciprocal(pd.DataFrame({"pre": [1, 1, 2], "post": [2, 3, 1], "weight": [3, 4, 5]}))
       pre  post  weight  reciprocal_weight
    0    1     2       3                  5
    1    1     3       4                  0
    2    2     1       5                  3
    """
    edges = require_edges(edges)
    return add_reciprocal(edges, collapse(edges))


def add_reciprocal(edges: pd.DataFrame, pairs: pd.DataFrame) -> pd.DataFrame:
    """Add the weight of the opposite edge to each edge, from a table with one row per pair."""
    return add_columns(edges, {"reciprocal_weight": _opposite(edges, pairs)}, overwrite=True)


def _opposite(edges: pd.DataFrame, pairs: pd.DataFrame) -> Int64Array:
    """Return the weight of the opposite pair of each edge, 0 if there is none."""
    ids, pre, post = coded_ends(edges)
    index = pd.Index(ids)
    forward = index.get_indexer(pd.Index(pairs["pre"])) * len(ids) + index.get_indexer(
        pd.Index(pairs["post"])
    )
    backward = post.astype(np.int64) * len(ids) + pre
    rows = pd.Index(forward).get_indexer(pd.Index(backward))
    weight = np.append(pairs["weight"].to_numpy(), 0)
    opposite: Int64Array = np.where(pre == post, 0, weight[rows])
    return opposite


def motifs(edges: pd.DataFrame) -> pd.Series[Any]:
    """Count the pairs of neurons in an edge table by their connections.

    Parameters
    ----------
    edges : DataFrame
        An edge table.

    Returns
    -------
    Series
        int64, by motif: ``mutual`` (pairs with edges in both directions), ``one_way``, ``unconnected``
        (pairs of neurons without an edge), ``autapse`` (neurons with an edge to themselves).

    Notes
    -----
    This is the dyad census of Holland and Leinhardt (1970). The share of reciprocated edges is
    ``2 * mutual / (2 * mutual + one_way + autapse)``, as in networkx.

    Examples
    --------
    >>> from pdneuro.tables import motifs
    >>> motifs(pd.DataFrame({"pre": [1, 1, 2, 3], "post": [2, 3, 1, 3], "weight": 1}))
    mutual         1
    one_way        1
    unconnected    1
    autapse        1
    Name: pairs, dtype: int64
    """
    pairs = collapse(edges)
    neurons = len(coded_ends(pairs)[0])
    autapse = int((pairs["pre"] == pairs["post"]).sum())
    # With weight 1 for all pairs, an edge of weight 0 also counts.
    both = int((_opposite(pairs, pairs.assign(weight=np.int64(1))) > 0).sum())
    mutual, one_way = both // 2, len(pairs) - both - autapse
    unconnected = neurons * (neurons - 1) // 2 - mutual - one_way
    counts = {"mutual": mutual, "one_way": one_way, "unconnected": unconnected, "autapse": autapse}
    return inherit(pd.Series(counts, name="pairs", dtype="int64"), edges)
