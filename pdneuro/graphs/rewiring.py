"""Random graphs with the degrees of an edge table, and z-scores against them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

from pdneuro._compat import optional
from pdneuro.tables.collapse import collapse
from pdneuro.tables.edges import edge_table
from pdneuro.tables.node_names import named_edges
from pdneuro.tables.pairs import coded_ends
from pdneuro.tables.provenance import inherit

Statistic = str | Callable[[pd.DataFrame], Any]
#: Rounds of trades for a random graph, and for each further one.
_ROUNDS, _FURTHER_ROUNDS = 20, 10
#: Connected triads and their positions in igraph's census.
_TRIADS = {
    "021D": 3, "021U": 4, "021C": 5, "111D": 6, "111U": 7, "030T": 8, "030C": 9,
    "201": 10, "120D": 11, "120U": 12, "120C": 13, "210": 14, "300": 15,
}  # fmt: skip


def rewire(edges: pd.DataFrame, seed: int | None = None) -> pd.DataFrame:
    """Return a random edge table in which each neuron has as many inputs and outputs as before.

    Parameters
    ----------
    edges : DataFrame
        An edge table; the rows of a pair are summed.
    seed : int, optional
        Seed of the random numbers. Default: other numbers at each call.

    Returns
    -------
    DataFrame
        ``pre, post, weight`` (int64), one row per pair, sorted by ``pre`` and ``post``. In- and
        out-degrees are unchanged. Autapses stay as they are, and no other ones appear. The other weights
        are permuted, so synapses per neuron change.

    See Also
    --------
    zscores : compare counts with those of many such tables.

    Notes
    -----
    All graphs with these degrees are equally likely, after 20 rounds of global trades (Carstens et al.
    2018): in each round, neurons form random pairs, and each pair exchanges a random part of the
    partners that only one of them has. igraph's ``rewire`` and networkx'
    ``directed_edge_swap`` exchange two edges at a time, without weights.

    Examples
    --------
    >>> from pdneuro.graphs import rewire
    >>> edges = pd.DataFrame({"pre": [1, 2, 3, 4], "post": [2, 3, 4, 1], "weight": [5, 6, 7, 8]})
    >>> rewire(edges, seed=1)
       pre  post  weight
    0    1     3       5
    1    2     4       7
    2    3     2       6
    3    4     1       8
    """
    rng = np.random.default_rng(seed)
    return inherit(_State(collapse(edges)).rewired(rng, _ROUNDS), edges)


class _State:
    """The edges of a random graph, which change with each round of trades."""

    def __init__(self, pairs: pd.DataFrame) -> None:
        self.ids, self.pre, self.post = coded_ends(pairs)
        self.weight = pairs["weight"].to_numpy()
        self.free = np.flatnonzero(self.pre != self.post)
        self.owner = self.pre[self.free].astype(np.int64)
        self.partner = self.post[self.free].astype(np.int64)

    def rewired(self, rng: np.random.Generator, rounds: int) -> pd.DataFrame:
        for _ in range(rounds):
            self._trade(rng)
        pre, post, weight = self.pre.copy(), self.post.copy(), self.weight.copy()
        pre[self.free], post[self.free] = self.owner, self.partner
        weight[self.free] = rng.permutation(weight[self.free])
        order = np.lexsort((post, pre))
        ends = self.ids[pre[order]], self.ids[post[order]]
        table = named_edges if self.ids.dtype == object else edge_table
        return table(*ends, weight[order])

    def _trade(self, rng: np.random.Generator) -> None:
        """Let each of many disjoint pairs of neurons exchange partners that only one of them has."""
        size = len(self.ids)
        shuffled = rng.permutation(size)
        if size % 2:  # one neuron does not take part
            shuffled = shuffled[:-1]
        other = np.full(size, -1)
        other[shuffled[::2]], other[shuffled[1::2]] = shuffled[1::2], shuffled[::2]
        number = np.full(size, size)
        number[shuffled[::2]] = number[shuffled[1::2]] = np.arange(len(shuffled) // 2)
        pair = number[self.owner]
        # A partner of both stays, and so does an edge between the two: it would become an autapse.
        key = pair * size + self.partner
        order = np.argsort(key, kind="stable")
        same = key[order][1:] == key[order][:-1]
        both = np.zeros(len(key), bool)
        both[order[1:][same]] = both[order[:-1][same]] = True
        takes_part = (pair < size) & ~both & (self.partner != other[self.owner])
        chosen = np.flatnonzero(takes_part)
        chosen = chosen[np.argsort(pair[chosen], kind="stable")]
        # Owners are exchanged within each pair: the numbers of edges of both stay.
        mixed = chosen[np.argsort(pair[chosen] + rng.random(len(chosen)), kind="stable")]
        self.owner[chosen] = self.owner[mixed]


def zscores(
    edges: pd.DataFrame, statistic: Statistic = "motifs", n: int = 100, seed: int | None = None
) -> pd.DataFrame:
    """Compare counts of motifs with those in random graphs with the same degrees.

    Parameters
    ----------
    edges : DataFrame
        An edge table; the rows of a pair are summed.
    statistic : {"motifs", "reciprocal"} or callable, default "motifs"
        ``"motifs"``: pairs with edges in both directions or one, and the 13 connected triads;
        ``"reciprocal"``: pairs with edges in both directions alone, which is fast. Or a function
        that returns a number, or a Series of numbers, for an edge table.
    n : int, default 100
        Number of random graphs, see :func:`rewire`.
    seed : int, optional
        Seed of the random numbers. Default: other numbers at each call.

    Returns
    -------
    DataFrame
        Indexed by motif (``motif``, text): ``count`` in the table, ``mean`` and ``std`` of the random
        graphs (float64, ``ddof=1``), ``z`` (Float64; NA if all random graphs have the same count) and
        ``p_value`` (float64, two-sided, the share of counts that are at least as extreme; NaN if a
        random graph has no count). ``count`` is int64 for the given statistics.

    Raises
    ------
    ValueError
        ``n`` or ``statistic`` is not valid, or a function returns something other than numbers.
    MissingDependencyError
        igraph is not installed, for triads (extra ``graph``).

    Notes
    -----
    ``z`` is ``(count - mean) / std`` (Milo et al. 2002). Triads have the names of Davis and Leinhardt:
    the numbers of mutual, one-way and unconnected pairs, and a letter. Autapses are not counted. The
    smallest possible ``p_value`` is ``2 / (n + 1)``; it is not corrected for the number of motifs.
    The random graphs form a chain, with 10 rounds of trades between them.

    Examples
    --------
    >>> from pdneuro.graphs import zscores
    >>> edges = pd.DataFrame({"pre": [1, 2, 3, 4, 5, 6], "post": [2, 1, 4, 3, 6, 5], "weight": 5})
    >>> found = zscores(edges, "reciprocal", n=50, seed=0)
    >>> found.loc["mutual", "count"].item(), bool(found.loc["mutual", "z"] > 2)
    (3, True)
    """
    if isinstance(n, bool) or not isinstance(n, int | np.integer) or n < 2:
        raise ValueError(f"n must be a number of random graphs of at least 2, not {n!r}.")
    count_in = _statistic(statistic)
    pairs = collapse(edges)
    observed = count_in(pairs)
    rng = np.random.default_rng(seed)
    state = _State(pairs)
    counts = []
    for number in range(n):
        random_graph = state.rewired(rng, _FURTHER_ROUNDS if number else _ROUNDS)
        found_in = count_in(random_graph).reindex(observed.index)
        counts.append(found_in.to_numpy(np.float64, na_value=np.nan))
    found = np.array(counts)
    mean, std = found.mean(axis=0), found.std(axis=0, ddof=1)
    values = observed.to_numpy(np.float64, na_value=np.nan)
    lower, upper = ((1 + side.sum(axis=0)) / (n + 1) for side in (found <= values, found >= values))
    scores = (values - mean) / np.where(std > 0, std, 1.0)
    table = pd.DataFrame(
        {
            "count": observed.to_numpy(),
            "mean": mean,
            "std": std,
            "z": pd.arrays.FloatingArray(scores, ~(std > 0)),
            # Nothing compares with NaN, which would count as an extreme value.
            "p_value": np.where(
                np.isnan(values + mean), np.nan, np.minimum(1.0, 2 * np.minimum(lower, upper))
            ),
        },
        index=observed.index.rename("motif"),
    )
    return inherit(table, edges)


def _statistic(statistic: Statistic) -> Callable[[pd.DataFrame], pd.Series[Any]]:
    if callable(statistic):

        def counted(table: pd.DataFrame) -> pd.Series[Any]:
            value = statistic(table)
            name = getattr(statistic, "__name__", "statistic")
            counts = value if isinstance(value, pd.Series) else pd.Series([value], [name])
            if not pd.api.types.is_numeric_dtype(counts):
                raise ValueError(
                    f"the statistic {name!r} must return a number or a Series of numbers, "
                    f"not {value!r:.60}."
                )
            return counts

        return counted
    if statistic == "reciprocal":
        return lambda table: _pairs(table)[["mutual"]]
    if statistic == "motifs":
        return _pairs_and_triads
    raise ValueError(f"statistic must be 'motifs', 'reciprocal' or a function, not {statistic!r}.")


def _pairs(table: pd.DataFrame) -> pd.Series[Any]:
    """Count pairs with edges in both directions or one; each pair has one row."""
    ids, pre, post = coded_ends(table)
    first, second = (ends[pre != post].astype(np.int64) for ends in (pre, post))
    edges, opposite = first * len(ids) + second, second * len(ids) + first
    mutual = len(np.intersect1d(edges, opposite, assume_unique=True)) // 2
    return pd.Series({"mutual": mutual, "one_way": len(edges) - 2 * mutual})


def _pairs_and_triads(table: pd.DataFrame) -> pd.Series[Any]:
    """Count pairs with edges in both directions or one, and connected triads."""
    igraph = optional("igraph", "graph")
    ids, pre, post = coded_ends(table)
    other = pre != post
    links = np.column_stack([pre[other], post[other]])
    census = igraph.Graph(len(ids), links.tolist(), directed=True).triad_census()
    triads = {name: int(census[place]) for name, place in _TRIADS.items()}
    counts: pd.Series[Any] = pd.concat([_pairs(table), pd.Series(triads, dtype="int64")])
    return counts
