"""Measure edge tables and graphs up to a whole brain: synthetic edges, 1 to 15.1 million rows."""

from __future__ import annotations

import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import networkx as nx
import numpy as np
import pandas as pd
from measure import Row, in_own_process, in_turn, make_ids, memory_grown, resident
from scipy import sparse

import pdneuro

NEURONS = 139_255
SIZES = (1_000_000, 2_700_000, 15_100_000)
#: Rows of the whole brain with one row per region: 16.8 million of 15.1 million pairs.
ROWS = 16_800_000


def edges_file(pairs: int, rows: int = 0) -> Path:
    """Write distinct pairs of neurons with log-normal degrees, in random order, once for all runs."""
    path = Path(tempfile.gettempdir()) / f"pdneuro-benchmark-{pairs}-{rows}.parquet"
    if not path.exists():
        rng = np.random.default_rng(pairs)
        ids = make_ids(NEURONS)
        share = np.cumsum(rng.lognormal(0, 1.2, NEURONS))
        ends = np.searchsorted(share / share[-1], rng.random((2, int(1.2 * pairs))))
        keys = np.unique(ends[0] * NEURONS + ends[1])
        keys = rng.permutation(keys)[:pairs]
        if rows:  # further regions of some pairs
            keys = rng.permutation(np.concatenate([keys, rng.choice(keys, rows - pairs)]))
        weight = rng.geometric(0.3, len(keys))
        table = pd.DataFrame(
            {"pre": ids[keys // NEURONS], "post": ids[keys % NEURONS], "weight": weight}
        )
        table.to_parquet(path)
    return path


def edges(pairs: int, rows: int = 0) -> pd.DataFrame:
    return pd.read_parquet(edges_file(pairs, rows))


def seconds(value: float) -> str:
    return f"{value * 1e3:.1f} ms" if value < 0.1 else f"{value:.2f} s"


def to_sparse(rounds: int) -> list[Row]:
    found = []
    for size in SIZES:
        table = edges(size)

        def plain(table: pd.DataFrame = table) -> Any:
            (pre, starts), (post, ends) = pd.factorize(table["pre"]), pd.factorize(table["post"])
            shape = (len(starts), len(ends))
            return sparse.csr_array((table["weight"].to_numpy(), (pre, post)), shape=shape)

        mine, theirs = in_turn(rounds, lambda table=table: table.neuro.to_sparse(), plain)
        what = f"to_sparse, {size / 1e6:.1f} M rows / factorize twice and csr_array"
        ratio = mine / theirs
        found.append(Row(what, seconds(mine), seconds(theirs), ratio, "<= 1.2", ratio <= 1.2))
    return found


def plain_networkx(table: pd.DataFrame) -> Any:
    return nx.from_pandas_edgelist(table, "pre", "post", edge_attr=True, create_using=nx.DiGraph)


def networkx_memory(ours: bool, size: int) -> tuple[float, float]:
    """Measure the memory of the graph and the peak, in MB, in a separate process."""
    table = edges(size)
    build: Callable[[pd.DataFrame], Any] = pdneuro.graphs.to_networkx if ours else plain_networkx
    build(table.head(1000))
    before = resident("VmRSS")
    with memory_grown() as grown:
        graph = build(table)
    return resident("VmRSS") - before + 0 * len(graph), grown()


def to_networkx(rounds: int) -> list[Row]:
    found = []
    for size, times in ((SIZES[0], rounds), (SIZES[1], 1)):
        table = edges(size)
        mine, theirs = in_turn(
            times,
            lambda table=table: table.neuro.to_networkx(),
            lambda table=table: plain_networkx(table),
        )
        what = f"to_networkx, {size / 1e6:.1f} M pairs / nx.from_pandas_edgelist"
        ratio = mine / theirs
        found.append(Row(what, seconds(mine), seconds(theirs), ratio, "<= 0.28", ratio <= 0.28))
    (kept, top), (their_kept, their_top) = (
        in_own_process(networkx_memory, ours, SIZES[0]) for ours in (True, False)
    )
    for what, mine, theirs in (("memory kept", kept, their_kept), ("peak memory", top, their_top)):
        ratio = mine / theirs
        what = f"the same at {SIZES[0] / 1e6:.1f} M pairs, {what}"
        found.append(Row(what, f"{mine:.0f} MB", f"{theirs:.0f} MB", ratio, "<= 1", ratio <= 1))
    return found


def collapse(rounds: int) -> list[Row]:
    table = edges(SIZES[-1], ROWS)
    mine, theirs = in_turn(
        1,
        lambda: table.neuro.collapse(),
        lambda: table.groupby(["pre", "post"]).sum(),
        warm=False,
    )
    ratio = mine / theirs
    what = f"collapse, {ROWS / 1e6:.1f} M rows to {SIZES[-1] / 1e6:.1f} M pairs / groupby.sum"
    return [Row(what, seconds(mine), seconds(theirs), ratio, "<= 1, aim 0.5", ratio <= 1)]


def opened(path: str, cache: str) -> tuple[float, float, int]:
    """Measure seconds and MB to open an indexed connectome, in a separate process."""
    pdneuro.Connectome  # noqa: B018 - import the module before the measurement
    import pyarrow.dataset  # noqa: F401

    with pdneuro.set_options(cache_dir=cache), memory_grown() as grown:
        start = time.perf_counter()
        brain = pdneuro.Connectome.from_files(path, index=True)
        return time.perf_counter() - start, grown(), len(brain.ids)


def connectome(rounds: int) -> list[Row]:
    path = edges_file(SIZES[-1])
    table = pd.read_parquet(path)
    with tempfile.TemporaryDirectory() as cache, pdneuro.set_options(cache_dir=cache, progress=False):
        start = time.perf_counter()
        brain = pdneuro.Connectome.from_files(path, index=True)
        built = time.perf_counter() - start
        ids = np.random.default_rng(3).choice(brain.ids.to_numpy(), 1000, replace=False)
        column = pd.Series(ids)

        def scan() -> pd.DataFrame:
            return table[table["pre"].isin(ids) | table["post"].isin(ids)]

        assert len(column.neuro.edges(source=brain)) == len(scan())
        edges_time, partners_time, theirs = in_turn(
            2 * rounds + 1,
            lambda: column.neuro.edges(source=brain),
            lambda: column.neuro.partners(source=brain),
            scan,
        )
        open_time, open_memory, _ = in_own_process(opened, str(path), cache)
    rows = [
        Row(
            f"Connectome, {SIZES[-1] / 1e6:.1f} M pairs: isin scan / edges of 1,000 random neurons",
            seconds(edges_time),
            seconds(theirs),
            theirs / edges_time,
            ">= 80",
            theirs / edges_time >= 80,
        ),
        Row(
            "the same: isin scan / .partners(), which also sums them up and sorts them",
            seconds(partners_time),
            seconds(theirs),
            theirs / partners_time,
            ">= 25",
            theirs / partners_time >= 25,
        ),
        Row("opening it, indexed", seconds(open_time), "-", open_time, "< 0.2 s", open_time < 0.2),
        Row(
            "opening it, growth of peak resident memory",
            f"{open_memory:.0f} MB",
            "-",
            open_memory,
            "< 100 MB",
            open_memory < 100,
        ),
        Row("reading the file and building the index", seconds(built), "-", built, "-", None),
    ]
    return rows


def similarity(rounds: int) -> list[Row]:
    table = edges(SIZES[1])
    matrix, known = table.neuro.to_sparse()
    chosen = table["pre"].value_counts().index[:20_000]
    features = sparse.hstack([matrix, matrix.T], format="csr").astype(float)[known.get_indexer(chosen)]
    mine, theirs = in_turn(
        rounds, lambda: table.neuro.similarity(top=10, ids=chosen), lambda: features @ features.T
    )
    ratio = mine / theirs
    what = f"similarity, top 10 of 20,000 neurons, {SIZES[1] / 1e6:.1f} M pairs / SciPy's product alone"
    return [Row(what, seconds(mine), seconds(theirs), ratio, "<= 2", ratio <= 2)]


def paths(rounds: int) -> list[Row]:
    """Measure paths between 10 and 10 neurons against the same search by hand, and the matrix alone."""
    table = edges(SIZES[1])
    starts, ends = pd.unique(table["pre"].head(1000))[:10], pd.unique(table["post"].tail(1000))[:10]

    def matrix() -> tuple[Any, np.ndarray]:
        codes, ids = pd.factorize(np.concatenate([table["pre"], table["post"]]))
        pre, post = codes[: len(table)], codes[len(table) :]
        cost = 1 / table["weight"].to_numpy()
        return sparse.csr_array((cost, (pre, post)), shape=(len(ids),) * 2), ids

    def by_hand() -> list[list[int]]:
        costs, ids = matrix()
        first, last = (pd.Index(ids).get_indexer(chosen) for chosen in (starts, ends))
        _, before = sparse.csgraph.dijkstra(costs, indices=first, return_predecessors=True)
        walks = []
        for row, start in enumerate(first.tolist()):
            for end in last.tolist():
                walk = [end]
                while walk[-1] != start and before[row, walk[-1]] >= 0:
                    walk.append(int(before[row, walk[-1]]))
                walks.append(ids[walk[::-1]].tolist())
        return walks

    found = table.neuro.shortest_paths(starts, ends)
    assert len(found) == sum(walk[0] != walk[-1] for walk in by_hand())
    rows = []
    for what, ours, theirs, goal in (
        ("shortest_paths / CSR, Dijkstra, walks", table.neuro.shortest_paths, by_hand, 1.2),
        ("paths of 2 hops / CSR alone", lambda *ends: table.neuro.paths(*ends, max_hops=2), matrix, 2),
    ):
        mine, other = in_turn(rounds, lambda ours=ours: ours(starts, ends), theirs)
        ratio, what = mine / other, f"{what}, {SIZES[1] / 1e6:.1f} M pairs"
        rows.append(Row(what, seconds(mine), seconds(other), ratio, f"<= {goal}", ratio <= goal))
    return rows


def transmitters(ids: Any) -> pd.Categorical:
    return pd.Categorical.from_codes(np.asarray(ids) % 2, ["ach", "gaba"])


def neurons_of(table: pd.DataFrame) -> pd.DataFrame:
    ids = pd.unique(pd.concat([table["pre"], table["post"]]))
    return pd.DataFrame({"root_id": ids, "nt": transmitters(ids)})


VERBS: dict[str, Callable[[pd.DataFrame], Any]] = {
    "threshold(5)": lambda table: table.neuro.threshold(5),
    "collapse": lambda table: table.neuro.collapse(),
    "fractions": lambda table: table.neuro.fractions(),
    "degree": lambda table: table.neuro.degree(),
    "annotate": lambda table: table.neuro.annotate(neurons_of(table)),
    "sign": lambda table: table.assign(nt_pre=transmitters(table["pre"])).neuro.sign(
        inhibitory="gaba", excitatory="ach"
    ),
    "reciprocal": lambda table: table.neuro.reciprocal(),
    "motifs": lambda table: table.neuro.motifs(),
    "completeness": lambda table: table.neuro.completeness(table["pre"].head(1000)),
    "paths": lambda table: table.neuro.paths(table["pre"].head(3), table["post"].head(3), 2),
    "shortest_paths": lambda table: table.neuro.shortest_paths(
        table["pre"].head(3), table["post"].head(3)
    ),
    "to_sparse": lambda table: table.neuro.to_sparse(),
    "Connectome": lambda table: pdneuro.Connectome(table),
    "to_igraph": lambda table: table.neuro.to_igraph(),
    "to_networkx": lambda table: table.neuro.to_networkx(),
}


def verb_at(verb: str, size: int, rounds: int) -> tuple[float, float]:
    """Measure processor seconds and peak MB of a method, in a process that has read the table."""
    warnings.simplefilter("ignore")
    table = edges(size)
    VERBS[verb](table.head(1000))
    busy, top = [], 0.0
    for _ in range(rounds):
        with memory_grown() as grown:
            start = time.process_time()
            VERBS[verb](table)
            busy.append(time.process_time() - start)
        top = max(top, grown())  # a later round finds memory that the first has left
    return min(busy), top


def growth(rounds: int) -> Iterator[Row]:
    for size in SIZES:
        edges_file(size)
    for verb in VERBS:
        small, middle, large = (in_own_process(verb_at, verb, size, rounds) for size in SIZES)
        for number, words in ((0, "processor seconds"), (1, "MB")):
            ratio = large[number] / small[number] / (SIZES[-1] / SIZES[0])
            digits = 0 if number else 2
            yield Row(
                f"{verb}, {words} at 1, 2.7 and 15.1 M rows; 15.1 times the first",
                ", ".join(f"{point[number]:.{digits}f}" for point in (small, middle, large)),
                f"{small[number] * SIZES[-1] / SIZES[0]:.{digits}f}",
                ratio,
                "<= 1.1",
                ratio <= 1.1,
            )
