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
from pdneuro.cave.payload import SYNAPSE_BATCH, TABLE_BATCH
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
            query = request.json()
            if "filter_in_dict" in query:
                wanted = query["filter_in_dict"]["cells"]["pt_root_id"]
                part = arrow.take(places.get_indexer(wanted))
            else:
                part = arrow.slice(0, query["limit"])
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
        return [Row(what, "not installed", "not installed", float("nan"), "<= 1.5", None)]
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
        Row(what, times(mine), times(bare), ratio, "<= 1.5", ratio <= 1.5),
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


# -- synapses of both ends -----------------------------------------------------------------------------

#: Neurons with 400 synapses each on average, half of them between two of these neurons.
NEURONS, PER_NEURON = 2_000, 400


def synapse_service() -> App:
    """Return a service with a table of synapses, whose queries select IDs in one or both columns."""
    import pyarrow

    rng = np.random.default_rng(8)
    ids = root_ids()[:NEURONS]
    count = NEURONS * PER_NEURON
    pick = rng.choice(ids, (count, 2))
    pick[rng.random(count) < 0.25, 0] += 1  # other neurons
    pick[rng.random(count) < 0.25, 1] += 1
    table = pd.DataFrame(
        {
            "id": np.arange(count),
            "pre_pt_root_id": pick[:, 0],
            "post_pt_root_id": pick[:, 1],
            "size": rng.integers(20, 20_000, count),
            "cleft_score": rng.integers(0, 256, count),
            **{f"ctr_pt_position_{axis}": rng.integers(0, 10**6, count) for axis in "xyz"},
        }
    )
    arrow = pyarrow.Table.from_pandas(table, preserve_index=False)
    rows_of = {end: table.groupby(end).indices for end in ("pre_pt_root_id", "post_pt_root_id")}
    values_of = {end: table[end].to_numpy() for end in rows_of}
    plain = {
        "/materialize/api/versions": [2, 3],
        "/materialize/version": "5.26.4",
        "/versions": [1300],
        "/version/1300": {
            "time_stamp": "2025-01-01T00:00:00.0",
            "expires_on": "2035-01-01T00:00:00.0",
            "valid": True,
        },
        "/segmentation/api/version": "3.0.0",
        "/is_latest_roots": {"is_latest": [True] * NEURONS},
    }

    def answer(request: Request) -> Response:
        if request.path.endswith("/query"):
            query = request.json()
            wanted = dict(query["filter_in_dict"]["synapses"])
            end, own = min(wanted.items(), key=lambda item: len(item[1]))
            rows = np.concatenate([rows_of[end].get(number, np.empty(0, int)) for number in own])
            for other, some in wanted.items():
                if other != end:
                    rows = rows[np.isin(values_of[other][rows], some)]
            start, limit = query.get("offset") or 0, query.get("limit") or len(rows)
            part = arrow.take(np.sort(rows)[start : start + limit])
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
                    "synapse_table": "synapses",
                }
            )
        found = next((body for end, body in plain.items() if request.path.endswith(end)), None)
        if found is None:
            return Response({"error": "not found"}, 404)
        return Response(json.dumps(found).encode())

    return answer


def synapses(rounds: int) -> list[Row]:
    """Measure synapses with an empty cache, against as many queries of the plain client."""
    what = f"synapses, {NEURONS:,} root IDs, {{}}, 20 ms latency / the bare client, as many queries"
    if find_spec("caveclient") is None:
        return [Row(what, "not installed", "not installed", float("nan"), "<= 1.3", None)]
    import caveclient

    ids = root_ids()[:NEURONS]
    turn = iter(range(10**6))
    rows = []
    with (
        server.running(LATENCY, synapse_service) as running,
        tempfile.TemporaryDirectory() as folder,
        tokens.overridden(**{"global.daf-apis.com": "token"}),
        pdneuro.set_options(cave_url=running.url, progress=False),
    ):
        client = caveclient.CAVEclient(
            _STACK, server_address=running.url, auth_token="token", write_server_cache=False
        )
        source = pdneuro.open_source(f"cave:{_STACK}@1300")

        def bare(query: dict[str, list[int]]) -> pd.DataFrame:
            return client.materialize.query_table(
                "synapses",
                filter_in_dict=query,
                split_positions=True,
                materialization_version=1300,
                metadata=False,
                merge_reference=False,
            )

        def measure(end: str, other: list[int] | None) -> list[Row]:
            both = {} if other is None else {"post_pt_root_id": other}
            batches = [
                {end: ids[i : i + SYNAPSE_BATCH].tolist(), **both}
                for i in range(0, NEURONS, SYNAPSE_BATCH)
            ]

            def theirs() -> pd.DataFrame:
                with ThreadPoolExecutor(get_option("max_workers")) as pool:
                    return pd.concat(list(pool.map(bare, batches)))

            def ours() -> pd.DataFrame:
                with pdneuro.set_options(cache_dir=Path(folder) / str(next(turn))):
                    return source.synapses(pre=ids, post=other, units="voxel")

            told = theirs()
            assert sorted(ours()["id"]) == sorted(told["id"])
            before = running.count()
            ours()
            others = running.count() - before - len(batches)
            mine, theirs_took = in_turn(rounds, ours, theirs)
            ratio = mine / theirs_took
            of = "from them" if other is None else "both ends"
            return [
                Row(what.format(of), times(mine), times(theirs_took), ratio, "<= 1.3", ratio <= 1.3),
                Row(f"the same, {of}, other requests", str(others), "0", others, "<= 2", others <= 2),
            ]

        rows += measure("pre_pt_root_id", ids.tolist())
        rows += measure("pre_pt_root_id", None)
    return rows
