"""Layers: the number of hops at which a signal reaches each neuron."""

from __future__ import annotations

from numbers import Real
from typing import Any

import numpy as np
import pandas as pd

from pdneuro.graphs.paths import Codes, Ids
from pdneuro.graphs.shares import input_shares, known_positions
from pdneuro.tables.provenance import inherit

#: Number of runs that are computed at once.
_RUNS_AT_ONCE = 32
#: Maximum number of hops per run, as in navis: weak inputs alone would take hundreds.
_MAX_HOPS = 15


def layers(
    edges: pd.DataFrame,
    seeds: Ids,
    threshold: float | None = 0.3,
    *,
    n: int = 100,
    max_hops: int | None = None,
    seed: int | None = None,
) -> pd.DataFrame:
    """Return the layer of each neuron: the hop at which activity that starts in the seeds reaches it.

    Parameters
    ----------
    edges : DataFrame
        An edge table; the rows of a pair are summed.
    seeds : int, Series, array or list
        Neurons that are active from the start.
    threshold : float or None, default 0.3
        Share of the input that makes a neuron active with certainty. Below, the probability is the
        active share divided by the threshold. None: one active input is enough, so that the layer is the
        number of hops on the shortest path.
    n : int, default 100
        Number of runs; not used without a threshold.
    max_hops : int, optional
        Maximum number of hops. Default: 15 with a threshold, otherwise no limit.
    seed : int, optional
        Seed of the random numbers. Default: other numbers at each call.

    Returns
    -------
    DataFrame
        Indexed by neuron (``id``, int64, sorted): ``layer`` (Float64, mean over the runs that reached
        the neuron; 0 for seeds; NA if no run did) and ``reached`` (float64, share of the runs).

    Raises
    ------
    ValueError
        No seed has an edge in the table, or a number is out of range.
    MissingDependencyError
        SciPy is not installed (extra ``graph``).

    Notes
    -----
    This is the traversal model of Schlegel et al. (2021, eLife 10:e66018). At each hop, a neuron that is
    not active becomes active with probability ``min(1, active share of its input / threshold)``, and
    stays active. Shares are of all input that the neuron has in the table. navis' ``TraversalModel``
    counts seeds as layer 1, and draws once per edge instead of once per neuron.

    Examples
    --------
    >>> from pdneuro.graphs import layers
    >>> edges = pd.DataFrame({"pre": [1, 2, 4], "post": [2, 3, 3], "weight": [10, 5, 15]})
    >>> layers(edges, 1, threshold=None)
        layer  reached
    id
    1     0.0      1.0
    2     1.0      1.0
    3     2.0      1.0
    4    <NA>      0.0
    >>> layers(edges, 1, seed=0).loc[3].round(1).tolist()
    [2.2, 1.0]
    """
    if threshold is not None and (not isinstance(threshold, Real) or not threshold > 0):
        raise ValueError(f"threshold must be a positive share of the input or None, not {threshold!r}.")
    if not _is_whole(n) or n < 1:
        raise ValueError(f"n must be a whole number of at least 1, not {n!r}.")
    if max_hops is not None and (not _is_whole(max_hops) or max_hops < 0):
        raise ValueError(f"max_hops must be a whole number of at least 0, or None, not {max_hops!r}.")
    shares = input_shares(edges)
    start = known_positions(shares.ids, seeds, "seeds")
    matrix = shares.matrix()
    size = len(shares.ids)
    total, reached = np.zeros(size), np.zeros(size)
    if threshold is None:
        limit = size if max_hops is None else max_hops
        found = _run(matrix, start, 1, limit, lambda share: share > 0)
        runs = 1
        total[:], reached[:] = np.maximum(found[:, 0], 0), found[:, 0] >= 0
    else:
        limit = _MAX_HOPS if max_hops is None else max_hops
        rng = np.random.default_rng(seed)
        runs = n
        for first in range(0, n, _RUNS_AT_ONCE):
            count = min(_RUNS_AT_ONCE, n - first)
            found = _run(
                matrix, start, count, limit, lambda share: rng.random(share.shape) * threshold < share
            )
            total += np.where(found >= 0, found, 0).sum(axis=1)
            reached += (found >= 0).sum(axis=1)
    mean = total / np.maximum(reached, 1)
    table = pd.DataFrame(
        {"layer": pd.arrays.FloatingArray(mean, reached == 0), "reached": reached / runs},
        index=pd.Index(shares.ids, name="id"),
    )
    return inherit(table, edges)


def _is_whole(number: Any) -> bool:
    return isinstance(number, int | np.integer) and not isinstance(number, bool)


def _run(matrix: Any, start: Codes, runs: int, limit: int, becomes_active: Any) -> Any:
    """Return the hop at which each neuron becomes active in each run, -1 if it does not."""
    hop = np.full((matrix.shape[0], runs), -1)
    hop[start] = 0
    # The active share grows by the edges of neurons that became active at the last hop.
    share = np.zeros(hop.shape)
    new = hop == 0
    for number in range(1, limit + 1):
        if new.any():
            share += matrix @ new.astype(np.float64)
        waiting = (hop < 0) & (share > 0)
        if not waiting.any():
            break
        new = waiting & becomes_active(share)
        hop[new] = number
    return hop
