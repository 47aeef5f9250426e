"""Measure joins of NeuroMorpho.org's records, and reading of SWC files, against other ways."""

from __future__ import annotations

import math
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import requests
import server
from allen import times
from measure import Row, in_turn

import pdneuro
from pdneuro.files import read_swc
from pdneuro.neuromorpho.payload import IDS_AT_ONCE
from pdneuro.sandbox import neuromorpho_data as data
from pdneuro.sandbox.neuromorpho import NeuroMorphoApp

ROWS, LATENCY = 5_000, 0.02
#: Number of rows for the slow way, whose time is proportional to it.
SLOW_ROWS = 500
FILES, NODES = 1_000, 2_000


def service() -> NeuroMorphoApp:
    """Return a service that has created its records before the measurement."""
    for number in range(1, ROWS + 1):
        data.neuron(number)
    return NeuroMorphoApp(ROWS)


def join(rounds: int) -> list[Row]:
    """Measure 5,000 rows by ID with an empty cache, against one request per row."""
    ids = np.random.default_rng(3).permutation(np.arange(1, ROWS + 1))
    table = pd.DataFrame({"neuron_id": ids})
    with server.running(LATENCY, service) as running, tempfile.TemporaryDirectory() as folder:
        options = {"neuromorpho_url": f"{running.url}/api", "neuromorpho_rate": None, "progress": False}
        turn = iter(range(10**6))

        def ours() -> pd.DataFrame:
            with pdneuro.set_options(**options, cache_dir=Path(folder) / str(next(turn))):
                return table.neuro.join_neuromorpho("species", "cell_type", "surface")

        def theirs() -> pd.DataFrame:
            found = [requests.get(f"{running.url}/api/neuron/id/{i}").json() for i in ids[:SLOW_ROWS]]
            return pd.DataFrame(found)[["neuron_id", "species", "cell_type", "surface"]]

        assert ours().species.head(SLOW_ROWS).tolist() == theirs().species.tolist()
        before = running.count()
        ours()
        sent = running.count() - before
        mine, slow = in_turn(rounds, ours, theirs, warm=False)
    slow *= ROWS / SLOW_ROWS
    theirs_words = f"one request per row (timed on {SLOW_ROWS})"
    what = f"join_neuromorpho, {ROWS:,} rows by ID, 20 ms latency: {theirs_words} / pdneuro"
    most = math.ceil(ROWS / IDS_AT_ONCE) + 1
    return [
        Row(what, times(mine), times(slow), slow / mine, ">= 100", slow >= 100 * mine),
        Row("the same, requests sent / most", str(sent), str(most), sent / most, "<= 1", sent <= most),
    ]


def swc(rounds: int) -> list[Row]:
    """Measure a thousand files of 2,000 nodes with all checks, against pandas' reader alone."""
    with tempfile.TemporaryDirectory() as folder:
        files = [_write(Path(folder), number) for number in range(FILES)]

        def ours() -> list[pd.DataFrame]:
            return [read_swc(file) for file in files]

        def theirs() -> list[pd.DataFrame]:
            return [pd.read_csv(file, sep=" ", comment="#", header=None) for file in files]

        for mine, other in zip(ours(), theirs(), strict=True):
            np.testing.assert_allclose(
                mine.iloc[:, 1:].to_numpy(float), other.to_numpy(float), rtol=1e-15
            )
        mine_s, one, other_s = in_turn(rounds, ours, lambda: read_swc(files), theirs)
    what = f'read_swc, {FILES:,} files of {NODES:,} nodes, with all checks / read_csv(sep=" ") alone'
    ratio = mine_s / other_s
    return [
        Row(what, times(mine_s), times(other_s), ratio, "<= 1.0", ratio <= 1),
        Row(
            "the same files as one table",
            times(one),
            times(other_s),
            one / other_s,
            "<= 1.1",
            one <= 1.1 * other_s,
        ),
    ]


def _write(folder: Path, number: int) -> Path:
    rng = np.random.default_rng(number)
    back = rng.integers(1, 6, NODES)
    table: Any = pd.DataFrame(
        {
            "node": np.arange(1, NODES + 1),
            "type": np.r_[1, np.full(NODES - 1, 3)],
            **{axis: rng.normal(0, 3, NODES).cumsum().round(3) for axis in "xyz"},
            "radius": rng.uniform(0.1, 2, NODES).round(3),
            "parent": np.r_[-1, np.maximum(np.arange(2, NODES + 1) - back[1:], 1)],
        }
    )
    file = folder / f"{number}.CNG.swc"
    with file.open("w") as out:
        out.write("# synthetic\n# node type x y z radius parent\n")
        table.to_csv(out, sep=" ", header=False, index=False)
    return file
