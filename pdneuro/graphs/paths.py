"""Paths through an edge table."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from pdneuro._compat import optional
from pdneuro.errors import InvalidEdgesError, TooLargeError
from pdneuro.graphs.networkx import one_row_a_pair
from pdneuro.tables import roles
from pdneuro.tables.columns import objects
from pdneuro.tables.ids import Int64Array, distinct_ids
from pdneuro.tables.pairs import coded_ends
from pdneuro.tables.provenance import inherit

Ids = int | Iterable[Any]
Codes = npt.NDArray[np.intp]

#: SciPy keeps a distance to every neuron for each source of one search.
_SOURCES_AT_ONCE = 64


def paths(
    edges: pd.DataFrame, sources: Ids, targets: Ids, max_hops: int = 3, *, max_paths: int = 1_000_000
) -> pd.DataFrame:
    """All simple paths from some neurons to others.

    Parameters
    ----------
    edges : DataFrame
        An edge table; the rows of a pair are summed.
    sources, targets : int, Series, array or list
        Neurons. A path may pass through further sources and targets.
    max_hops : int
        Most edges of a path.
    max_paths : int
        Most paths to hold at once.

    Returns
    -------
    DataFrame
        One row a path, the shortest and strongest first: ``source, target`` (int64), ``hops`` (int64,
        number of edges), ``bottleneck`` (int64, synapses of its weakest edge), ``path`` (tuple of the
        IDs). A path visits no neuron twice, so there is none from a neuron to itself.

    Raises
    ------
    TooLargeError
        There are more than ``max_paths``.

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
        raise ValueError("paths need max_hops of at least 1.")
    pairs = one_row_a_pair(edges)
    ids, pre, post = coded_ends(pairs)
    weight = pairs["weight"].to_numpy()
    starts, ends = _places(ids, sources, "sources"), _places(ids, targets, "targets")
    from_start = _distances(pre, post, starts, len(ids), max_hops)
    to_end = _distances(post, pre, ends, len(ids), max_hops)
    useful = from_start[pre] + 1 + to_end[post] <= max_hops
    pre, post, weight = pre[useful], post[useful], weight[useful]
    order = np.argsort(pre, kind="stable")
    post, weight = post[order], weight[order]
    first = np.searchsorted(pre[order], np.arange(len(ids) + 1))
    is_end = np.zeros(len(ids), bool)
    is_end[ends] = True

    found = []
    walks, weakest = starts[:, None], np.full(len(starts), np.iinfo(np.int64).max)
    for hop in range(1, max_hops + 1):
        last = walks[:, -1]
        counts = first[last + 1] - first[last]
        if counts.sum() > 20 * max_paths:
            raise _too_many(max_paths, hop)
        parent = np.repeat(np.arange(len(walks)), counts)
        step = np.arange(len(parent)) + np.repeat(first[last] - (np.cumsum(counts) - counts), counts)
        reached = post[step]
        going = (to_end[reached] <= max_hops - hop) & (walks[parent] != reached[:, None]).all(axis=1)
        parent, step, reached = parent[going], step[going], reached[going]
        walks = np.column_stack([walks[parent], reached])
        weakest = np.minimum(weakest[parent], weight[step])
        done = is_end[reached]
        found.append(_table(ids, walks[done], weakest[done]))
        if len(walks) > max_paths or sum(map(len, found)) > max_paths:
            raise _too_many(max_paths, hop)
    result = pd.concat(found, ignore_index=True)
    return inherit(result, edges)


def _too_many(max_paths: int, hop: int) -> TooLargeError:
    return TooLargeError(
        f"there are more than max_paths={max_paths:,} paths of {hop} hops on the way. Leave weak "
        "edges out with .threshold(), choose fewer neurons, lower max_hops, or pass a larger max_paths."
    )


def _places(ids: Int64Array, chosen: Ids, role: str) -> Codes:
    """Places of neurons; those without an edge have no path."""
    items: Any = [chosen] if pd.api.types.is_scalar(chosen) else chosen
    column = (
        items
        if isinstance(items, pd.Series | pd.Index)
        else pd.Series(items if isinstance(items, np.ndarray) else list(items), dtype=object, name=role)
    )
    places = pd.Index(ids).get_indexer(pd.Index(distinct_ids(column)))
    return places[places >= 0]


def _distances(own: Codes, other: Codes, begin: Codes, size: int, limit: int) -> Codes:
    """Edges from the nearest of ``begin`` to each neuron, up to ``limit``."""
    far = np.full(size, limit + 1)
    far[begin] = 0
    for hop in range(1, limit + 1):
        reached = other[far[own] == hop - 1]
        far[reached] = np.minimum(far[reached], hop)
    return far


def _table(ids: Int64Array, walks: Codes, weakest: Int64Array) -> pd.DataFrame:
    order = np.argsort(-weakest, kind="stable")
    nodes = ids[walks[order]]
    cells = objects(zip(*nodes.T.tolist(), strict=True))
    return pd.DataFrame(
        {
            "source": nodes[:, 0],
            "target": nodes[:, -1],
            "hops": np.full(len(nodes), nodes.shape[1] - 1, np.int64),
            "bottleneck": weakest[order],
            "path": cells,
        }
    )


def shortest_paths(
    edges: pd.DataFrame, sources: Ids, targets: Ids, cost: str = "inverse"
) -> pd.DataFrame:
    """The cheapest path from each of some neurons to each of others.

    Parameters
    ----------
    edges : DataFrame
        An edge table; the rows of a pair are summed.
    sources, targets : int, Series, array or list
        Neurons.
    cost : str
        What an edge costs: ``"inverse"`` (1 / weight: strong edges are short), ``"hops"`` (1 each), or a
        column of positive numbers.

    Returns
    -------
    DataFrame
        One row for each source and target that are connected: ``source, target`` (int64), ``hops``
        (int64), ``bottleneck`` (int64, synapses of its weakest edge), ``path`` (tuple of the IDs),
        ``cost`` (float64). Of several equally cheap paths, one.

    Raises
    ------
    InvalidEdgesError
        A cost that is not a positive number.
    MissingDependencyError
        Needs SciPy: the extra ``graph``.

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
    pairs = one_row_a_pair(edges)
    ids, pre, post = coded_ends(pairs)
    weight = pairs["weight"].to_numpy()
    costs, usable = _costs(pairs, cost)
    shape = (len(ids), len(ids))
    prices = sparse.csr_array((costs[usable], (pre[usable], post[usable])), shape=shape)
    weights = sparse.csr_array((weight, (pre, post)), shape=shape)
    starts, ends = _places(ids, sources, "sources"), _places(ids, targets, "targets")
    rows = []
    for begin in range(0, len(starts), _SOURCES_AT_ONCE):
        some = starts[begin : begin + _SOURCES_AT_ONCE]
        distances, before = search.dijkstra(prices, indices=some, return_predecessors=True)
        for place, start in enumerate(some.tolist()):
            for end in ends.tolist():
                if end != start and np.isfinite(distances[place, end]):
                    walk = _walk_back(before[place], start, end)
                    weakest = min(int(weights[a, b]) for a, b in itertools.pairwise(walk))
                    path = tuple(ids[walk].tolist())
                    rows.append((path, weakest, float(distances[place, end])))
    cells = objects(path for path, _, _ in rows)
    result = pd.DataFrame(
        {
            "source": np.array([path[0] for path, _, _ in rows], np.int64),
            "target": np.array([path[-1] for path, _, _ in rows], np.int64),
            "hops": np.array([len(path) - 1 for path, _, _ in rows], np.int64),
            "bottleneck": np.array([weakest for _, weakest, _ in rows], np.int64),
            "path": cells,
            "cost": np.array([price for _, _, price in rows], np.float64),
        }
    )
    return inherit(result, edges)


def _costs(pairs: pd.DataFrame, cost: str) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.bool_]]:
    """The cost of each edge, and which edges can be used at all."""
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
            f"{int(wrong.sum()):,} costs in {cost!r} are no positive numbers, the first at row "
            f"{pairs.index[row]!r}: {column.iloc[row]!r}."
        )
    return costs, ~wrong


def _walk_back(before: Codes, start: int, end: int) -> list[int]:
    walk = [end]
    while walk[-1] != start:
        walk.append(int(before[walk[-1]]))
    return walk[::-1]
