"""Measure a join of many root IDs against the plain caveclient, and synapses to edges.

Run it with the Python of the environment that has caveclient: ``.venv-oldest/bin/python``.
"""

from __future__ import annotations

import io
import json
import tempfile
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pandas as pd
import server
from allen import times
from measure import Row, in_turn

import pdneuro
from pdneuro.cave.payload import TABLE_BATCH
from pdneuro.options import get_option
from pdneuro.sandbox.server import App, Request, Response
from pdneuro.tables import as_edges, collapse
from pdneuro.transport import tokens

IDS, LATENCY = 50_000, 0.02
SYNAPSES = 1_000_000
_BASE = 864_691_135_000_000_000
_STACK = "minnie65_public"


def root_ids() -> np.ndarray:
    return _BASE + np.sort(np.random.default_rng(4).choice(10**9, IDS, replace=False))


def service() -> App:
    """Return a service with the documents that caveclient needs, and a table of cells as Arrow."""
    import pyarrow

    rng = np.random.default_rng(5)
    table = pd.DataFrame(
        {
            "id": np.arange(IDS),
            "pt_root_id": root_ids(),
            "volume": rng.lognormal(5, 1, IDS).round(2),
            "cell_type": rng.choice(["23P", "4P", "BC", "MC"], IDS),
            **{f"pt_position_{axis}": rng.integers(0, 10**6, IDS) for axis in "xyz"},
        }
    )
    places = pd.Index(table["pt_root_id"])
    places.get_indexer([_BASE])  # creates the table before several threads need it
    arrow = pyarrow.Table.from_pandas(table, preserve_index=False)
    plain = {
        "/materialize/api/versions": [2, 3],
        "/materialize/version": "5.26.4",
        "/versions": [1300],
        "/tables": ["cells"],
        "/views": {},
        "/metadata": {"schema_type": "x", "reference_table": ""},
    }

    def answer(request: Request) -> Response:
        if request.path.endswith("/query"):
            wanted = request.json()["filter_in_dict"]["cells"]["pt_root_id"]
            part = arrow.take(places.get_indexer(wanted))
            file = io.BytesIO()
            with pyarrow.ipc.new_stream(file, part.schema) as stream:
                stream.write_table(part)
            return Response(file.getvalue(), 200, {"Content-Type": "data.arrow"})
        if "/datastack/full/" in request.path:
            return Response(
                {
                    "aligned_volume": {"name": "x", "id": 1},
                    "local_server": request.root,
                    "segmentation_source": "graphene://x/table/y",
                    "synapse_table": "none",
                }
            )
        found = next((body for end, body in plain.items() if request.path.endswith(end)), None)
        if found is None:
            return Response({"error": "not found"}, 404)
        return Response(json.dumps(found).encode())

    return answer


def join(rounds: int) -> list[Row]:
    """Measure a join with an empty cache, against the same calls of the plain client."""
    what = f"join_cave, {IDS:,} root IDs, 20 ms latency / the bare client, same calls, same pool"
    if find_spec("caveclient") is None:
        return [Row(what, "not installed", "not installed", float("nan"), "<= 1.3", None)]
    import caveclient

    ids = root_ids()
    table = pd.DataFrame({"pt_root_id": np.random.default_rng(6).permutation(ids)})
    turn = iter(range(10**6))
    with (
        server.running(LATENCY, service) as running,
        tempfile.TemporaryDirectory() as folder,
        tokens.overridden(**{"global.daf-apis.com": "token"}),
        pdneuro.set_options(cave_url=running.url, progress=False),
    ):
        client = caveclient.CAVEclient(
            _STACK, server_address=running.url, auth_token="token", write_server_cache=False
        )
        batches = [ids[i : i + TABLE_BATCH].tolist() for i in range(0, IDS, TABLE_BATCH)]

        def one(batch: list[int]) -> pd.DataFrame:
            return client.materialize.query_table(
                "cells",
                filter_in_dict={"pt_root_id": batch},
                split_positions=True,
                materialization_version=1300,
                metadata=False,
                merge_reference=False,
            )

        def theirs() -> pd.DataFrame:
            with ThreadPoolExecutor(get_option("max_workers")) as pool:
                return pd.concat(list(pool.map(one, batches)))

        def ours() -> pd.DataFrame:
            with pdneuro.set_options(cache_dir=Path(folder) / str(next(turn))):
                return table.neuro.join_cave("cells", source=f"cave:{_STACK}@1300", units="voxel")

        told = theirs().set_index("pt_root_id")["volume"]
        assert (ours()["volume"].to_numpy(float) == told[table["pt_root_id"]].to_numpy(float)).all()
        before = running.count()
        ours()
        sent = running.count() - before
        mine, bare = in_turn(rounds, ours, theirs)
    ratio = mine / bare
    return [
        Row(what, times(mine), times(bare), ratio, "<= 1.3", ratio <= 1.3),
        Row("the same, requests", str(sent), str(len(batches)), sent / len(batches), "-", None),
    ]


def edges(rounds: int) -> list[Row]:
    """Measure a synapse table converted to an edge table."""
    rng = np.random.default_rng(7)
    weight = rng.lognormal(0, 1.5, 20_000)
    pick = rng.choice(_BASE + np.arange(20_000) * 7919, (SYNAPSES, 2), p=weight / weight.sum())
    synapses = pd.DataFrame({"pre_pt_root_id": pick[:, 0], "post_pt_root_id": pick[:, 1]})

    def ours() -> pd.DataFrame:
        return collapse(as_edges(synapses))

    def theirs() -> pd.Series:
        return synapses.groupby(["pre_pt_root_id", "post_pt_root_id"]).size()

    assert ours().sort_values(["pre", "post"])["weight"].tolist() == theirs().tolist()
    mine, other = in_turn(rounds, ours, theirs)
    what = f"{SYNAPSES:,} synapses to edges / groupby().size()"
    return [Row(what, times(mine), times(other), mine / other, "<= 1.5", mine <= 1.5 * other)]
