"""Measure edges of many bodies against neuprint-python, on one server with an embedded Cypher engine."""

from __future__ import annotations

import json
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import server
from measure import Row, in_turn

import pdneuro
from pdneuro.sandbox.server import App

sys.path.insert(0, str(Path(__file__).parents[1]))
from tests.neuprint import engine

BODIES, NEURONS, EDGES, LATENCY = 2000, 25_000, 1_000_000, 0.02
SOURCE = f"neuprint:{engine.DATASET}"


def make_brain() -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return neurons, of which a tenth are fragments, and edges with two regions each."""
    rng = np.random.default_rng(6)
    ids = 1_000_000 + np.sort(rng.choice(10**9, NEURONS, replace=False))
    neurons = pd.DataFrame({"bodyId": ids, "is_neuron": np.arange(NEURONS) % 10 != 3, "type": "T"})
    neurons["somaLocation"] = [[1, 2, 3]] * NEURONS
    pairs = np.unique(rng.integers(0, NEURONS**2, EDGES))
    weight = rng.geometric(0.2, len(pairs))
    info = {
        n: json.dumps({"A(R)": {"pre": 1, "post": n - n // 3}, "C": {"post": n // 3}})
        for n in range(200)
    }
    edges = pd.DataFrame({"pre": ids[pairs // NEURONS], "post": ids[pairs % NEURONS], "weight": weight})
    return neurons, edges.assign(roiInfo=[info[n] for n in weight.tolist()])


def service() -> App:
    with tempfile.TemporaryDirectory() as folder:
        return engine.Engine(*make_brain(), Path(folder))


def official(url: str) -> Any:
    """Return neuprint-python's client, which insists on https; its requests are sent by http."""
    import neuprint

    class Plain(neuprint.client.HTTPAdapter):
        def send(self, request: Any, *args: Any, **options: Any) -> Any:
            request.url = request.url.replace("https://", "http://")
            return super().send(request, *args, **options)

    neuprint.client.HTTPAdapter = Plain
    address = url.replace("http://", "https://")
    return neuprint.Client(address, dataset=engine.DATASET, token="any", progress=False)


def edges(rounds: int) -> list[Row]:
    if find_spec("ladybug") is None or find_spec("neuprint") is None:
        print("neuprint: skipped, ladybug or neuprint-python is not installed", file=sys.stderr)
        return []
    import neuprint

    neurons, _ = make_brain()
    chosen = np.random.default_rng(7).choice(neurons["bodyId"], BODIES, replace=False)
    ids = pd.Series(np.sort(chosen), name="bodyId")
    with (
        server.running(LATENCY, service) as running,
        tempfile.TemporaryDirectory() as folder,
    ):
        client, number = official(running.url), iter(range(1000))

        def ours() -> pd.DataFrame:
            cache = Path(folder) / str(next(number))
            with pdneuro.set_options(neuprint_url=running.url, cache_dir=cache, progress=False):
                return ids.neuro.downstream(source=SOURCE)

        def theirs() -> pd.DataFrame:
            return neuprint.fetch_adjacencies(ids.tolist(), client=client)[1]

        # neuprint-python drops fragments at the other end, and has a row per region.
        found, other = ours(), theirs()
        found = found[found["post"].isin(neurons.loc[neurons["is_neuron"], "bodyId"])]
        by_pair = other.groupby(["bodyId_pre", "bodyId_post"])["weight"].sum()
        assert by_pair.sum() == found["weight"].sum()
        assert len(by_pair) == len(found)
        counts = [running.count()]
        for action in (ours, theirs):
            action()
            counts.append(running.count())
        mine, yours = in_turn(rounds, ours, theirs)
    requests = counts[1] - counts[0], counts[2] - counts[1]
    what = f"edges by pair of {BODIES:,} bodies, 20 ms latency: fetch_adjacencies(ids) / pdneuro"
    return [
        Row(what, f"{mine:.2f} s", f"{yours:.2f} s", yours / mine, ">= 3", yours / mine >= 3),
        Row(
            "the same, requests: pdneuro / fetch_adjacencies(ids)",
            str(requests[0]),
            str(requests[1]),
            requests[0] / requests[1],
            "<= 0.5",
            requests[0] / requests[1] <= 0.5,
        ),
    ]
