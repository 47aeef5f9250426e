"""Measure local connectomes from files that may be larger than memory, against DuckDB and polars."""

from __future__ import annotations

import multiprocessing
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet
from graphs import NEURONS, seconds
from measure import Row, in_own_process, make_ids

import pdneuro

#: Rows of one file.
FILE_ROWS = 5_000_000
#: Above this number of rows, the edges of 100,000 neurons do not fit into the memory of a laptop.
MOST_EDGES = 150_000_000
#: Memory limit of DuckDB; its processes need about a third more.
LIMIT = "2GB"


def files(rows: int) -> Path:
    """Write random edges with log-normal degrees into a folder of files, once for all runs."""
    folder = Path(tempfile.gettempdir()) / f"pdneuro-benchmark-big-{rows}"
    ids = make_ids(NEURONS)
    share = np.cumsum(np.random.default_rng(rows).lognormal(0, 1.2, NEURONS))
    folder.mkdir(exist_ok=True)
    for number, begin in enumerate(range(0, rows, FILE_ROWS)):
        path = folder / f"{number:03}.parquet"
        if path.exists():
            continue
        size, rng = min(FILE_ROWS, rows - begin), np.random.default_rng([rows, number])
        ends = np.searchsorted(share / share[-1], rng.random((2, size)))
        weight = rng.geometric(0.3, size)
        table = pa.table({"pre": ids[ends[0]], "post": ids[ends[1]], "weight": weight})
        pa.parquet.write_table(table, path.with_suffix(".unfinished"))
        path.with_suffix(".unfinished").rename(path)
    return folder


def used(root: int) -> float:
    """Return the memory of a process and its children in GB: RssAnon and RssShmem."""
    total, waiting = 0, [root]
    while waiting:
        process = waiting.pop()
        try:
            lines = Path(f"/proc/{process}/status").read_text().splitlines()
            tasks = Path(f"/proc/{process}/task").glob("*/children")
            waiting += [int(child) for task in tasks for child in task.read_text().split()]
        except (FileNotFoundError, ProcessLookupError):
            continue
        total += sum(int(line.split()[1]) for line in lines if line.startswith(("RssAnon", "RssShmem")))
    return total / 1e6


def measured(action: Callable[[], Any]) -> tuple[float, float, float]:
    """Return wall seconds, CPU seconds and peak memory in GB of an action in this process."""
    peak, stop = [0.0], threading.Event()

    def watch() -> None:
        while not stop.wait(0.05):
            peak[0] = max(peak[0], used(multiprocessing.current_process().pid or 0))

    thread = threading.Thread(target=watch)
    thread.start()
    wall, cpu = time.perf_counter(), time.process_time()
    action()
    found = time.perf_counter() - wall, time.process_time() - cpu
    stop.set()
    thread.join()
    return *found, peak[0]


def connect(place: str) -> Any:
    import duckdb

    connection = duckdb.connect(f"{place}/edges.duckdb")
    connection.execute(f"SET memory_limit='{LIMIT}'; SET threads=2; SET temp_directory='{place}/temp'")
    connection.execute("SET preserve_insertion_order=false")
    return connection


def sort_tables(folder: str, place: str) -> None:
    connection = connect(place)
    source = f"read_parquet('{folder}/*.parquet')"
    connection.execute(
        f"CREATE TABLE pairs AS SELECT pre, post, sum(weight)::BIGINT weight FROM {source} GROUP BY ALL"
    )
    for end in ("pre", "post"):
        connection.execute(f"CREATE TABLE by_{end} AS FROM pairs ORDER BY {end}, weight DESC")
    connection.execute("DROP TABLE pairs")
    connection.close()


def opened(folder: str, place: str) -> Any:
    pdneuro.set_options(cache_dir=place, progress=False)
    return pdneuro.Connectome.from_files(folder, index=True)


def build(ours: bool, folder: str, place: str) -> tuple[float, float, float]:
    return measured(lambda: opened(folder, place) if ours else sort_tables(folder, place))


def chosen(count: int) -> pd.Series[Any]:
    return pd.Series(np.random.default_rng(3).choice(make_ids(NEURONS), count, replace=False))


def types() -> pd.Series[Any]:
    ids = make_ids(NEURONS)
    return pd.Series([f"type {k % 300}" for k in range(len(ids))], index=ids, name="type")


def query(kind: str, ours: bool, folder: str, place: str) -> tuple[float, float, float]:
    """Measure a query with an index or sorted tables that exist; the second of two runs."""
    labels = types()
    if ours:
        brain = opened(folder, place)
        ids = chosen(int(kind)) if kind.isdigit() else chosen(100_000)
        actions: dict[str, Callable[[], Any]] = {
            "partners": lambda: ids.neuro.partners(source=brain),
            "degree": brain.degree,
            "collapse": lambda: brain.collapse(labels),
        }
        action = actions.get(kind, lambda: ids.neuro.edges(source=brain))
    else:
        connection = connect(place)
        ids = chosen(int(kind) if kind.isdigit() else 100_000).to_frame("id")
        connection.register("ids", ids)
        connection.register("labels", labels.rename_axis("id").reset_index())
        edges = (
            "FROM by_pre WHERE pre IN (SELECT id FROM ids) UNION ALL FROM by_post WHERE post IN "
            "(SELECT id FROM ids) AND pre NOT IN (SELECT id FROM ids)"
        )
        side = (
            "SELECT {1}, sum(weight), count(*) FROM by_{0} WHERE {0} IN (SELECT id FROM ids) GROUP BY 1"
        )
        statements = {
            "partners": f"{side.format('pre', 'post')} UNION ALL {side.format('post', 'pre')}",
            "degree": "SELECT pre, count(*), sum(weight) FROM by_pre GROUP BY 1 UNION ALL "
            "SELECT post, count(*), sum(weight) FROM by_post GROUP BY 1",
            "collapse": "SELECT a.type, b.type, sum(weight), count(*), count(DISTINCT pre), "
            "count(DISTINCT post) FROM by_pre JOIN labels a ON pre = a.id JOIN labels b ON post = b.id "
            "GROUP BY 1, 2",
        }
        statement = statements.get(kind, edges)
        action = lambda: connection.sql(statement).df()  # noqa: E731
    action()
    return measured(action)


def scan(folder: str) -> tuple[float, float, float]:
    """Measure the first query of 1,000 IDs by polars, which scans the files."""
    import polars as pl

    ids = chosen(1_000).tolist()
    table = pl.scan_parquet(f"{folder}/*.parquet")
    wanted = pl.col("pre").is_in(ids) | pl.col("post").is_in(ids)
    return measured(lambda: table.filter(wanted).collect())


def figures(found: tuple[float, float, float]) -> str:
    wall, cpu, peak = found
    return f"{seconds(wall)} (CPU {seconds(cpu)}, {peak:.2f} GB)"


def large(rounds: int, sizes: Sequence[int]) -> Iterator[Row]:
    """Measure each size once; the files are read from the page cache where they fit in it."""
    for rows in sizes:
        folder, title = str(files(rows)), f"{rows / 1e6:.0f} M rows"
        with tempfile.TemporaryDirectory() as place:
            mine, theirs = (in_own_process(build, ours, folder, place) for ours in (True, False))
            ratio = mine[0] / theirs[0]
            what = f"{title}: build the index / DuckDB sums and sorts twice"
            yield Row(
                what, figures(mine), figures(theirs), ratio, "<= 1, 3 GB", ratio <= 1 and mine[2] <= 3
            )
            times = {}
            kinds = ["1", "1000", "100000", "partners", "degree", "collapse"]
            if rows > MOST_EDGES:
                kinds.remove("100000")
            for kind in kinds:
                mine, theirs = (
                    in_own_process(query, kind, ours, folder, place) for ours in (True, False)
                )
                times[kind], ratio = mine[0], mine[0] / theirs[0]
                name = f"edges of {int(kind):,} neurons" if kind.isdigit() else kind
                goal = "<= 1" if kind.isdigit() else "-"
                met = ratio <= 1 if kind.isdigit() else None
                what = f"{title}: {name} / DuckDB on sorted tables"
                yield Row(what, figures(mine), figures(theirs), ratio, goal, met)
            if "100000" in times:
                mine, theirs = times["partners"], times["100000"]
                ratio, what = mine / theirs, f"{title}: partners of 100,000 neurons / their edges"
                yield Row(what, seconds(mine), seconds(theirs), ratio, "<= 3", ratio <= 3)
            found = in_own_process(scan, folder)
            yield Row(
                f"{title}: polars scans for 1,000 neurons", "-", figures(found), found[0], "-", None
            )
