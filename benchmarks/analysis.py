"""Measure influence, effective connectivity and random graphs up to a whole brain."""

from __future__ import annotations

import functools
import resource
import time
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import graphs
import numpy as np
import pandas as pd
from measure import Row, in_own_process, in_turn
from scipy import sparse

#: The inhibitory transmitters of the made-up neurons.
INHIBITORY = ["gaba", "glutamate"]


def signed_edges(size: int) -> pd.DataFrame:
    """Return edges with a transmitter per presynaptic neuron; a third of them is inhibitory."""
    table = graphs.edges(size)
    kind = np.array([0, 0, 0, 0, 1, 2])[table["pre"].to_numpy() % 6]
    return table.assign(nt=pd.Categorical.from_codes(kind, ["acetylcholine", *INHIBITORY]))


def seeds(table: pd.DataFrame, count: int) -> np.ndarray:
    return pd.unique(table["pre"].head(100 * count))[:count]


METHODS: dict[str, Callable[[pd.DataFrame], Any]] = {
    "influence of 20 neurons": lambda table: table.neuro.influence(seeds(table, 20)),
    "signed influence of 20 neurons": lambda table: table.neuro.influence(
        seeds(table, 20), signed=INHIBITORY
    ),
    "five signed hops of 50 neurons to all, by 100 groups": lambda table: table.neuro.effective(
        seeds(table, 50), table["post"].unique(), 5,
        group_by={"post": groups_of(table)}, signed=INHIBITORY,
    ),
    "five signed hops of 50 neurons to 1,000": lambda table: table.neuro.effective(
        seeds(table, 50), pd.unique(table["post"].head(100_000))[:1000], 5, signed=INHIBITORY
    ),
}  # fmt: skip


def groups_of(table: pd.DataFrame) -> pd.Series:
    ids = pd.unique(table["post"])
    return pd.Series(ids % 100, ids)


def at(name: str, size: int) -> tuple[float, float, float]:
    """Measure seconds, seconds of processors, and the peak in MB, in a process that has the table."""
    warnings.simplefilter("ignore")
    table = signed_edges(size)
    METHODS[name](table.head(1000))
    before = time.process_time()
    start = time.perf_counter()
    METHODS[name](table)
    seconds = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
    return seconds, time.process_time() - before, peak


def methods(rounds: int) -> list[Row]:
    """Measure each method at both sizes; the goals are for 15.1 M pairs."""
    found = []
    for name in METHODS:
        for size in graphs.SIZES[1:]:
            graphs.edges_file(size)
            seconds, busy, peak = min(in_own_process(at, name, size) for _ in range(rounds))
            what = f"{name}, {size / 1e6:.1f} M pairs (processors {busy:.1f} s)"
            goal = seconds < 5 if size == graphs.SIZES[-1] else None
            found.append(Row(what, graphs.seconds(seconds), "-", seconds, "< 5 s", goal))
            met = peak < 4000 if size == graphs.SIZES[-1] else None
            found.append(Row("the same, peak memory", f"{peak:.0f} MB", "-", peak, "< 4000 MB", met))
    return found


def influence_by_hand(table: pd.DataFrame) -> Any:
    """Solve the equation once, without a check of cycles or of the residual."""
    share, pre, post, names = shares_by_hand(table)
    matrix = sparse.csr_array((share, (post, pre)), shape=(len(names),) * 2)
    largest = sparse.linalg.eigs(matrix, 1, which="LR", return_eigenvectors=False).real[0]
    system = sparse.eye_array(len(names), format="csr") - matrix * (0.99 / largest)
    start = np.isin(names, seeds(table, 20)).astype(float)
    return sparse.linalg.bicgstab(system, start, rtol=1e-8)


def hops_by_hand(table: pd.DataFrame) -> Any:
    """Multiply dense states by two sparse matrices, in float64."""
    share, pre, post, names = shares_by_hand(table)
    inhibits = table["nt"].isin(INHIBITORY).to_numpy()
    plus, minus = (
        sparse.csr_array((share[rows], (post[rows], pre[rows])), shape=(len(names),) * 2)
        for rows in (~inhibits, inhibits)
    )
    more, less = np.zeros((2, len(names), 50))
    more[pd.Index(names).get_indexer(seeds(table, 50)), np.arange(50)] = 1
    ends = pd.Index(names).get_indexer(pd.unique(table["post"].head(100_000))[:1000])
    found = []
    for _ in range(5):
        more, less = plus @ more + minus @ less, plus @ less + minus @ more
        found.append((more[ends], less[ends]))
    return found


def shares_by_hand(table: pd.DataFrame) -> tuple[Any, Any, Any, Any]:
    """Return shares of input, numbers of both ends, and the neurons, with pandas and NumPy."""
    codes, names = pd.factorize(np.concatenate([table["pre"], table["post"]]))
    pre, post = codes[: len(table)], codes[len(table) :]
    weight = table["weight"].to_numpy()
    return weight / np.bincount(post, weight, len(names))[post], pre, post, names


def fewest_hops(table: pd.DataFrame, graph: Any) -> Any:
    starts = np.searchsorted(np.union1d(table["pre"], table["post"]), seeds(table, 20))
    return np.min(graph.distances(starts.tolist()), axis=0)


Compared = Callable[[pd.DataFrame, Any], Any]
#: By name: the method, the same by hand or with igraph, and the largest ratio that is allowed.
PEERS: dict[str, tuple[Compared, Compared, float | None]] = {
    "influence of 20 neurons / eigs and bicgstab by hand": (
        lambda table, graph: table.neuro.influence(seeds(table, 20)),
        lambda table, graph: influence_by_hand(table),
        2,
    ),
    "five signed hops of 50 neurons to 1,000 / dense states in float64 by hand": (
        lambda table, graph: METHODS["five signed hops of 50 neurons to 1,000"](table),
        lambda table, graph: hops_by_hand(table),
        1,
    ),
    "layers by hops from 20 neurons / igraph's distances in a finished graph": (
        lambda table, graph: table.neuro.layers(seeds(table, 20), threshold=None),
        fewest_hops,
        None,
    ),
    "components / igraph's components of a finished graph": (
        lambda table, graph: table.neuro.components(),
        lambda table, graph: graph.connected_components(),
        None,
    ),
    "rewire / igraph's rewire of a finished graph": (
        lambda table, graph: table.neuro.rewire(seed=0),
        lambda table, graph: graph.copy().rewire(),
        None,
    ),
}


def peers(rounds: int) -> Iterator[Row]:
    """Compare with the same steps written with SciPy, and with igraph."""
    import igraph

    warnings.simplefilter("ignore")
    for size in graphs.SIZES[1:]:
        table = signed_edges(size)
        ids = np.union1d(table["pre"], table["post"])
        ends = np.searchsorted(ids, table[["pre", "post"]].to_numpy())
        graph = igraph.Graph(len(ids), ends, directed=True)
        for name, (ours, peer, goal) in PEERS.items():
            if name.startswith("rewire") and size > graphs.SIZES[1]:
                continue  # igraph takes minutes
            calls = (functools.partial(call, table, graph) for call in (ours, peer))
            mine, theirs = in_turn(rounds, *calls)
            ratio = mine / theirs
            what = f"{size / 1e6:.1f} M pairs: {name}"
            wanted, met = ("-", None) if goal is None else (f"<= {goal}", ratio <= goal)
            yield Row(what, graphs.seconds(mine), graphs.seconds(theirs), ratio, wanted, met)
