"""Measure influence, effective connectivity and random graphs up to a whole brain."""

from __future__ import annotations

import resource
import time
import warnings
from collections.abc import Callable
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


def peers(rounds: int) -> list[Row]:
    """Compare with the same steps written with SciPy, and with igraph, at 2.7 M pairs."""
    import igraph

    size = graphs.SIZES[1]
    table = signed_edges(size)
    ids = seeds(table, 20)

    def plain() -> Any:
        """Solve the equation once, without a check of cycles or of the residual."""
        codes, names = pd.factorize(np.concatenate([table["pre"], table["post"]]))
        pre, post = codes[: len(table)], codes[len(table) :]
        weight = table["weight"].to_numpy()
        share = weight / np.bincount(post, weight, len(names))[post]
        matrix = sparse.csr_array((share, (post, pre)), shape=(len(names),) * 2)
        largest = sparse.linalg.eigs(matrix, 1, which="LR", return_eigenvectors=False).real[0]
        system = sparse.eye_array(len(names), format="csr") - matrix * (0.99 / largest)
        return sparse.linalg.bicgstab(system, np.isin(names, ids).astype(float), rtol=1e-8)

    mine, theirs = in_turn(rounds, lambda: table.neuro.influence(ids), plain)
    what = f"influence of 20 neurons, {size / 1e6:.1f} M pairs / eigs and bicgstab by hand"
    ratio = mine / theirs
    rows = [Row(what, graphs.seconds(mine), graphs.seconds(theirs), ratio, "<= 2", ratio <= 2)]
    graph = igraph.Graph(list(zip(*[pd.factorize(table[e])[0] for e in ("pre", "post")], strict=True)),
                         directed=True)  # fmt: skip
    mine, theirs = in_turn(
        1, lambda: table.neuro.rewire(seed=0), lambda: graph.copy().rewire(), warm=False
    )
    what = f"rewire, {size / 1e6:.1f} M pairs / igraph's rewire of a finished graph"
    ratio = mine / theirs
    rows.append(Row(what, graphs.seconds(mine), graphs.seconds(theirs), ratio, "-", None))
    return rows
