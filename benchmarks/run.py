"""Measure speed and memory, as ratios within one run.

    python benchmarks/run.py [--rounds 5] [--only NAME ...] [--rows ROWS.parquet]
        [--rows-big 5000000 20000000 ...] [--json RUN.jsonl]

Each figure is the median over rounds in which pdneuro and its yardstick take turns. ``--rows`` names a
table of many rows and few IDs for the join; without it one of the same shape is made. ``--json`` appends
the rows to a file, for several_runs.py.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sqlite3
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import allen
import analysis
import big
import cave
import graphs
import groups
import main_job
import neuprint_edges
import neuromorpho
import numpy as np
import on_cluster
import pandas as pd
import server
import tables
from measure import Row, spreads

from pdneuro.transport import tokens

#: Above this spread of a yardstick, ratios are uncertain.
MAX_SPREAD = 0.3
#: Numbers of rows of the files of ``big`` and ``cluster``.
SIZES = [5_000_000]
JOBS: dict[str, Callable[[int, str | None], Iterable[Row]]] = {
    "properties": lambda rounds, rows: main_job.properties(rounds),
    "connectivity": lambda rounds, rows: main_job.connectivity(rounds),
    "warm": lambda rounds, rows: main_job.warm(rounds),
    "join": main_job.join,
    "dimension": lambda rounds, rows: main_job.dimension(rounds),
    "imports": lambda rounds, rows: main_job.imports(rounds),
    "to_sparse": lambda rounds, rows: graphs.to_sparse(rounds),
    "to_networkx": lambda rounds, rows: graphs.to_networkx(rounds),
    "paths": lambda rounds, rows: graphs.paths(rounds),
    "collapse": lambda rounds, rows: graphs.collapse(rounds),
    "connectome": lambda rounds, rows: graphs.connectome(rounds),
    "tables": lambda rounds, rows: tables.sums(rounds),
    "similarity": lambda rounds, rows: graphs.similarity(rounds),
    "analysis": lambda rounds, rows: analysis.methods(rounds),
    "analysis_peers": lambda rounds, rows: analysis.peers(rounds),
    "groups": lambda rounds, rows: groups.sums(rounds),
    "similar_types": lambda rounds, rows: groups.similar_types(rounds),
    "big": lambda rounds, rows: big.large(rounds, SIZES),
    "cluster": lambda rounds, rows: on_cluster.methods(rounds, SIZES),
    "growth": lambda rounds, rows: graphs.growth(rounds),
    "structures": lambda rounds, rows: allen.columns(rounds),
    "structures_json": lambda rounds, rows: allen.decoding(rounds),
    "allen_import": lambda rounds, rows: allen.imports(rounds),
    "neuromorpho": lambda rounds, rows: neuromorpho.join(rounds),
    "swc": lambda rounds, rows: neuromorpho.swc(rounds),
    "neuprint": lambda rounds, rows: neuprint_edges.edges(rounds),
    "cave": lambda rounds, rows: cave.join(rounds),
    "synapses": lambda rounds, rows: cave.edges(rounds),
    "cave_synapses": lambda rounds, rows: cave.synapses(rounds),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", choices=JOBS, nargs="+", default=list(JOBS))
    parser.add_argument("--rows", help="parquet file with a column flywire_id")
    parser.add_argument("--sizes", type=int, nargs="+", help="rows of the synthetic edge tables, rising")
    parser.add_argument("--rows-big", type=int, nargs="+", default=SIZES, help="sizes of big, cluster")
    parser.add_argument("--json", help="file to which the rows are appended, one JSON object per line")
    chosen = parser.parse_args()
    SIZES[:] = chosen.rows_big
    graphs.SIZES = tuple(chosen.sizes or graphs.SIZES)
    print(
        f"{platform.machine()}, {os.cpu_count()} cores, {platform.system()}; "
        f"Python {platform.python_version()}, pandas {pd.__version__}, numpy {np.__version__}, "
        f"SQLite {sqlite3.sqlite_version}; median of {chosen.rounds} rounds\n"
    )
    print("| what | pdneuro | yardstick | ratio | goal | met |\n|---|---|---|---|---|---|", flush=True)
    words = {True: "yes", False: "**no**", None: "-"}
    with tokens.overridden(braincircuits=server.TOKEN):
        for name in chosen.only:
            spreads.clear()
            for row in JOBS[name](chosen.rounds, chosen.rows):
                if chosen.json:
                    with Path(chosen.json).open("a") as out:
                        print(json.dumps({"job": name, **row._asdict()}), file=out)
                print(
                    f"| {row.what} | {row.ours} | {row.yardstick} | {row.ratio:.2f} | {row.goal} "
                    f"| {words[row.met]} |",
                    flush=True,
                )
            if max(spreads, default=0) > MAX_SPREAD:
                print(
                    f"{name}: the machine was too busy; the times of a yardstick differ by "
                    f"{max(spreads):.0%} of their median, so the ratios are uncertain.",
                    file=sys.stderr,
                )


if __name__ == "__main__":
    main()
