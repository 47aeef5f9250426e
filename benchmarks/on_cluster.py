"""Measure edge tables on a cluster of two dask workers of 2 GiB, against DuckDB on the same files."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from big import figures, files, measured, types
from measure import Row, in_own_process

#: Memory limit of DuckDB.
LIMIT = "4GB"
#: Without these, workers of 2 GiB keep memory that they do not use, and are ended.
WORKERS = {"MALLOC_TRIM_THRESHOLD_": 65536, "MALLOC_ARENA_MAX": 1, "ARROW_DEFAULT_MEMORY_POOL": "system"}
KINDS = ("degree", "matrix", "collapse", "fractions", "annotate")


def by_dask(kind: str, folder: str, place: str) -> tuple[float, float, float]:
    """Measure a method; results with a row per pair or edge are written to files."""
    import dask
    import dask.dataframe as dd
    from distributed import Client, LocalCluster

    import pdneuro.dask

    pdneuro.set_options(progress=False)
    labels = types().rename_axis("id").reset_index()
    with (
        dask.config.set({"distributed.nanny.pre-spawn-environ": WORKERS}),
        LocalCluster(
            n_workers=2,
            threads_per_worker=1,
            memory_limit="2GiB",
            dashboard_address=None,
            local_directory=place,
        ) as cluster,
        Client(cluster),
    ):
        edges = dd.read_parquet(f"{folder}/*.parquet").neuro
        actions: dict[str, Callable[[], Any]] = {
            "degree": lambda: edges.degree().compute(),
            "matrix": lambda: edges.to_matrix(group_by=types()).compute(),
            "collapse": lambda: edges.collapse().to_parquet(f"{place}/result"),
            "fractions": lambda: edges.fractions().to_parquet(f"{place}/result"),
            "annotate": lambda: edges.annotate(labels, "type", on="id").to_parquet(f"{place}/result"),
        }
        return measured(actions[kind])


def by_duckdb(kind: str, folder: str, place: str) -> tuple[float, float, float]:
    """Measure the query of a method."""
    import duckdb

    connection = duckdb.connect(f"{place}/edges.duckdb")
    connection.execute(f"SET memory_limit='{LIMIT}'; SET threads=2; SET temp_directory='{place}/temp'")
    connection.execute("SET preserve_insertion_order=false")
    connection.register("labels", types().rename_axis("id").reset_index())
    connection.execute(f"CREATE VIEW edges AS FROM read_parquet('{folder}/*.parquet')")
    # A neuron may have several rows with a partner, which counts once.
    pairs = "WITH pairs AS (SELECT pre, post, sum(weight) AS weight FROM edges GROUP BY 1, 2)"
    one_side = "SELECT {0} AS id, count(*), sum(weight) FROM pairs GROUP BY 1"
    joined = "FROM edges LEFT JOIN labels a ON pre = a.id LEFT JOIN labels b ON post = b.id"
    statements = {
        "degree": f"{pairs} {one_side.format('pre')} UNION ALL {one_side.format('post')}",
        "matrix": f"SELECT a.type, b.type, sum(weight) {joined} GROUP BY 1, 2",
        "collapse": "SELECT pre, post, sum(weight) AS weight FROM edges GROUP BY 1, 2",
        "fractions": "SELECT edges.*, weight / total AS fraction FROM edges JOIN "
        "(SELECT post, sum(weight) AS total FROM edges GROUP BY 1) USING (post)",
        "annotate": f"SELECT edges.*, a.type AS type_pre, b.type AS type_post {joined}",
    }
    if kind in ("degree", "matrix"):
        return measured(lambda: connection.sql(statements[kind]).df())
    target = f"TO '{place}/result.parquet' (FORMAT parquet)"
    return measured(lambda: connection.execute(f"COPY ({statements[kind]}) {target}"))


def methods(rounds: int, sizes: Sequence[int]) -> Iterator[Row]:
    """Measure each size once."""
    for rows in sizes:
        folder = str(files(rows))
        for kind in KINDS:
            found = []
            for way in (by_dask, by_duckdb):
                with tempfile.TemporaryDirectory() as place:
                    found.append(in_own_process(way, kind, folder, place))
            mine, theirs = found
            ratio = mine[0] / theirs[0]
            what = f"{rows / 1e6:.0f} M rows: {kind} on two workers of 2 GiB / DuckDB, two threads, 4 GB"
            yield Row(what, figures(mine), figures(theirs), ratio, "<= 4", ratio <= 4)
