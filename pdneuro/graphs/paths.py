"""Find paths through an edge table."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from pdneuro._compat import optional
from pdneuro.errors import InvalidEdgesError, TooLargeError
from pdneuro.graphs.networkx import one_row_per_pair
from pdneuro.tables import roles
from pdneuro.tables.columns import objects
from pdneuro.tables.ids import Int64Array
from pdneuro.tables.node_names import Nodes, distinct_nodes
from pdneuro.tables.pairs import coded_ends
from pdneuro.tables.provenance import inherit

Ids = int | Iterable[Any]
Codes = npt.NDArray[np.intp]

#: Number of sources per search, since SciPy stores a distance to every neuron for each source.
_SOURCES_AT_ONCE = 64


def paths(
    edges: pd.DataFrame, sources: Ids, targets: Ids, max_hops: int = 3, *, max_paths: int = 1_000_000
) -> pd.DataFrame:
    """Return all simple paths from some neurons to others.

    Parameters
    ----------
    edges : DataFrame
        An edge table; the rows of a pair are summed.
    sources, targets : int, Series, array or list
        Neurons. A path may pass through further sources and targets.
    max_hops : int, default 3
        Maximum number of edges per path.
    max_paths : int, default 1,000,000
        Maximum number of paths, including partial paths during the search.

    Returns
    -------
    DataFrame
        One row per path, the shortest and strongest first: ``source, target`` (int64), ``hops`` (int64,
        number of edges), ``bottleneck`` (int64, synapses of its weakest edge), ``path`` (tuple of the
        IDs). A path visits each neuron at most once, so no path leads from a neuron to itself.

    Raises
    ------
    TooLargeError
        There are more than ``max_paths`` paths.

    Examples
    --------
    >>> from pdneuro.graphs import paths
    >>> edges = pd.DataFrame({"pre": [1, 1, 2], "post": [2, 3, 3], "weight": [9, 4, 6]})
    >>> paths(edges, 1, 3)
       source  target  hops  bottleneck       path
    0       1       3     1           4     (1, 3)
    1       1       3     2           6  (1, 2, 3)
    """
    if max_hops < 1:
        raise ValueError(f"max_hops must be at least 1, not {max_hops}.")
    pairs = one_row_per_pair(edges)
    ids, pre, post = coded_ends(pairs)
    weight = pairs["weight"].to_numpy()
    starts, ends = _positions(ids, sources, "sources"), _positions(ids, targets, "targets")
    from_start = _distances(pre, post, starts, len(ids), max_hops)
    to_end = _distances(post, pre, ends, len(ids), max_hops)
    useful = from_start[pre] + 1 + to_end[post] <= max_hops
    pre, post, weight = pre[useful], post[useful], weight[useful]
    order = np.argsort(pre, kind="stable")
    post, weight = post[order], weight[order]
    first = np.searchsorted(pre[order], np.arange(len(ids) + 1))
    is_end = np.zeros(len(ids), bool)
    is_end[ends] = True

    tables = []
    walks, weakest = starts[:, None], np.full(len(starts), np.iinfo(np.int64).max)
    for hop in range(1, max_hops + 1):
        last = walks[:, -1]
        counts = first[last + 1] - first[last]
        if counts.sum() > 20 * max_paths:
            raise _too_many(max_paths, hop)
        parent = np.repeat(np.arange(len(walks)), counts)
        step = np.arange(len(parent)) + np.repeat(first[last] - (np.cumsum(counts) - counts), counts)
        reached = post[step]
        continues = (to_end[reached] <= max_hops - hop) & (walks[parent] != reached[:, None]).all(axis=1)
        parent, step, reached = parent[continues], step[continues], reached[continues]
        walks = np.column_stack([walks[parent], reached])
        weakest = np.minimum(weakest[parent], weight[step])
        done = is_end[reached]
        tables.append(_table(ids, walks[done], weakest[done]))
        if len(walks) > max_paths or sum(map(len, tables)) > max_paths:
            raise _too_many(max_paths, hop)
    result = pd.concat(tables, ignore_index=True)
    return inherit(result, edges)


def _too_many(max_paths: int, hop: int) -> TooLargeError:
    return TooLargeError(
        f"the search found more than max_paths={max_paths:,} paths of {hop} hops. Drop weak edges "
        "with .threshold(), use fewer neurons, lower max_hops, or pass a larger max_paths."
    )


def distinct_neurons(neurons: Ids, role: str, like: Nodes) -> Nodes:
    """Return the distinct IDs or names of one neuron or several, in order of first appearance."""
    items: Any = [neurons] if pd.api.types.is_scalar(neurons) else neurons
    column = (
        items
        if isinstance(items, pd.Series | pd.Index)
        else pd.Series(items if isinstance(items, np.ndarray) else list(items), dtype=object, name=role)
    )
    return distinct_nodes(column, like)


def _positions(ids: Nodes, neurons: Ids, role: str) -> Codes:
    """Return the positions of neurons in ``ids``, without neurons that have no edge."""
    positions = pd.Index(ids).get_indexer(pd.Index(distinct_neurons(neurons, role, ids)))
    return positions[positions >= 0]


def _distances(own: Codes, other: Codes, begin: Codes, size: int, limit: int) -> Codes:
    """Return the number of edges from the nearest of ``begin`` to each neuron, up to ``limit``."""
    distance = np.full(size, limit + 1)
    distance[begin] = 0
    for hop in range(1, limit + 1):
        reached = other[distance[own] == hop - 1]
        distance[reached] = np.minimum(distance[reached], hop)
    return distance


def _table(ids: Nodes, walks: Codes, weakest: Int64Array) -> pd.DataFrame:
    order = np.argsort(-weakest, kind="stable")
    nodes = ids[walks[order]]
    tuples = objects(zip(*nodes.T.tolist(), strict=True))
    return pd.DataFrame(
        {
            "source": nodes[:, 0],
            "target": nodes[:, -1],
            "hops": np.full(len(nodes), nodes.shape[1] - 1, np.int64),
            "bottleneck": weakest[order],
            "path": tuples,
        }
    )


def shortest_paths(
    edges: pd.DataFrame, sources: Ids, targets: Ids, cost: str = "inverse"
) -> pd.DataFrame:
    """Return the path of lowest cost from each source to each target.

    Parameters
    ----------
    edges : DataFrame
        An edge table; the rows of a pair are summed.
    sources, targets : int, Series, array or list
        Neurons.
    cost : str, default "inverse"
        Cost of an edge: ``"inverse"`` (1 / weight: strong edges are short), ``"hops"`` (1 each), or a
        column of positive numbers.

    Returns
    -------
    DataFrame
        One row for each source and target that are connected: ``source, target`` (int64), ``hops``
        (int64), ``bottleneck`` (int64, synapses of its weakest edge), ``path`` (tuple of the IDs),
        ``cost`` (float64). If several paths have the lowest cost, one of them is returned.

    Raises
    ------
    InvalidEdgesError
        A cost is not a positive number.
    MissingDependencyError
        SciPy is not installed (extra ``graph``).

    Examples
    --------
    >>> from pdneuro.graphs import shortest_paths
    >>> edges = pd.DataFrame({"pre": [1, 1, 2], "post": [2, 3, 3], "weight": [9, 4, 9]})
    >>> shortest_paths(edges, 1, 3).path.tolist()
    [(1, 2, 3)]
    >>> shortest_paths(edges, 1, 3, cost="hops").path.tolist()
    [(1, 3)]
    """
    sparse, search = optional("scipy.sparse", "graph"), optional("scipy.sparse.csgraph", "graph")
    pairs = one_row_per_pair(edges)
    ids, pre, post = coded_ends(pairs)
    weight = pairs["weight"].to_numpy()
    costs, usable = _costs(pairs, cost)
    shape = (len(ids), len(ids))
    # The row of each edge, plus one, since 0 means that there is no edge.
    rows_of = sparse.csr_array((np.flatnonzero(usable) + 1, (pre[usable], post[usable])), shape=shape)
    prices = sparse.csr_array((costs[rows_of.data - 1], rows_of.indices, rows_of.indptr), shape=shape)
    starts, ends = _positions(ids, sources, "sources"), _positions(ids, targets, "targets")
    rows = []
    for begin in range(0, len(starts), _SOURCES_AT_ONCE):
        batch = starts[begin : begin + _SOURCES_AT_ONCE]
        distances, before = search.dijkstra(prices, indices=batch, return_predecessors=True)
        for row, start in enumerate(batch.tolist()):
            for end in ends.tolist():
                if end != start and np.isfinite(distances[row, end]):
                    walk = _walk_back(before[row], start, end)
                    weakest = min(int(weight[rows_of[a, b] - 1]) for a, b in itertools.pairwise(walk))
                    path = tuple(ids[walk].tolist())
                    rows.append((path, weakest, float(distances[row, end])))
    tuples = objects(path for path, _, _ in rows)
    result = pd.DataFrame(
        {
            "source": np.array([path[0] for path, _, _ in rows], ids.dtype),
            "target": np.array([path[-1] for path, _, _ in rows], ids.dtype),
            "hops": np.array([len(path) - 1 for path, _, _ in rows], np.int64),
            "bottleneck": np.array([weakest for _, weakest, _ in rows], np.int64),
            "path": tuples,
            "cost": np.array([price for _, _, price in rows], np.float64),
        }
    )
    return inherit(result, edges)


def _costs(pairs: pd.DataFrame, cost: str) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.bool_]]:
    """Return the cost of each edge, and which edges have a valid cost."""
    weight = pairs["weight"].to_numpy(dtype=np.float64)
    if cost == "hops":
        return np.ones(len(pairs)), np.ones(len(pairs), bool)
    if cost == "inverse":
        return 1 / np.where(weight > 0, weight, 1.0), weight > 0
    column = roles.named_column(pairs, cost)
    costs = column.to_numpy(dtype=np.float64, na_value=np.nan)
    wrong = ~(costs > 0) | np.isinf(costs)
    if wrong.any():
        row = int(np.argmax(wrong))
        raise InvalidEdgesError(
            f"{int(wrong.sum()):,} costs in column {cost!r} are not positive numbers, the first in row "
            f"{pairs.index[row]!r}: {column.iloc[row]!r}. Drop these rows or correct the values."
        )
    return costs, ~wrong


def _walk_back(before: Codes, start: int, end: int) -> list[int]:
    walk = [end]
    while walk[-1] != start:
        walk.append(int(before[walk[-1]]))
    return walk[::-1]
