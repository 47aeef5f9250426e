"""The same results as neuprint-python, on the same brain in an embedded Cypher engine."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import pdneuro
from pdneuro import errors
from pdneuro.sandbox.server import LocalServer
from tests.neuprint import engine

pytest.importorskip("ladybug", reason="ladybug, the embedded Cypher engine, is not installed")
neuprint = pytest.importorskip("neuprint", reason="neuprint-python is not installed")

# neuprint-python uses a keyword that pandas 3 will drop.
pytestmark = [
    pytest.mark.filterwarnings("ignore:The inplace keyword"),
    pytest.mark.filterwarnings("ignore:Downcasting object dtype:FutureWarning"),
]

SOURCE = f"neuprint:{engine.DATASET}"
BASE = 720575940600000000


def make_brain() -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return 300 bodies, of which 60 are fragments, and their edges with regions; some have weight 0."""
    rng = np.random.default_rng(5)
    ids = BASE + np.sort(rng.choice(10**8, 300, replace=False))
    neurons = pd.DataFrame(
        {
            "bodyId": ids,
            "is_neuron": np.arange(300) % 5 != 3,
            "type": [None if k % 7 == 0 else f"T{k % 20:02}" for k in range(300)],
            "somaSide": [("L", "R", None)[k % 3] for k in range(300)],
            "predictedNt": [("gaba", "acetylcholine")[k % 2] for k in range(300)],
            "status": "Traced",
            "size": rng.integers(1, 10**9, 300),
            "somaLocation": [None if k % 4 == 0 else [k, 2 * k, 5] for k in range(300)],
            "roiInfo": [
                json.dumps({"A(R)": {"pre": k, "post": 2}, "AB(R)": {"pre": k + 1}}) for k in range(300)
            ],
            "cropped": False,
        }
    )
    neurons["instance"] = neurons["type"] + "_R"
    pairs = rng.choice(300 * 300, 3000, replace=False)
    weight = rng.geometric(0.2, 3000) - 1
    edges = pd.DataFrame({"pre": ids[pairs // 300], "post": ids[pairs % 300], "weight": weight})
    # The last neuron has no edges at all.
    edges = edges[(edges["pre"] != ids[-1]) & (edges["post"] != ids[-1])].reset_index(drop=True)
    edges["roiInfo"] = [json.dumps(regions(k, n)) for k, n in enumerate(edges["weight"].tolist())]
    return neurons, edges


def regions(number: int, weight: int) -> dict[str, dict[str, int]]:
    """Return the synapses of an edge by region: the larger region overlaps the others."""
    first = weight // 2
    counts = {"A(R)": first, ("B(R)", "C")[number % 2]: (weight - first) // 2, engine.LARGER: first}
    return {name: {"pre": 1, "post": count} for name, count in counts.items() if count or number % 3}


@pytest.fixture(scope="module")
def brain() -> tuple[pd.DataFrame, pd.DataFrame]:
    return make_brain()


@pytest.fixture(scope="module")
def server(brain: tuple[pd.DataFrame, pd.DataFrame], tmp_path_factory: Any) -> Iterator[LocalServer]:
    running = LocalServer({"": engine.Engine(*brain, tmp_path_factory.mktemp("engine"))})
    yield running
    running.stop()


@pytest.fixture(autouse=True)
def settings(server: LocalServer, tmp_path: Path) -> Iterator[None]:
    options = {"neuprint_url": server.url, "progress": False, "cache_dir": tmp_path, "retries": 0}
    with pdneuro.set_options(source=SOURCE, **options):
        yield


@pytest.fixture
def client(server: LocalServer, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return neuprint-python's client; it insists on https, and its requests go to the server by http."""

    class Plain(neuprint.client.HTTPAdapter):
        def send(self, request: Any, *args: Any, **options: Any) -> Any:
            request.url = request.url.replace("https://", "http://")
            return super().send(request, *args, **options)

    monkeypatch.setattr(neuprint.client, "HTTPAdapter", Plain)
    address = server.url.replace("http://", "https://")
    return neuprint.Client(address, dataset=engine.DATASET, token="any", progress=False)


def by_pair(edges: pd.DataFrame) -> pd.DataFrame:
    names = {"bodyId_pre": "pre", "bodyId_post": "post"}
    table = edges.rename(columns=names)[["pre", "post", "weight"]].astype("int64")
    return table.sort_values(["pre", "post"], ignore_index=True)


@pytest.mark.parametrize("fragments", [True, False])
@pytest.mark.parametrize("upstream", [True, False])
def test_edges(client: Any, brain: Any, upstream: bool, fragments: bool) -> None:
    ids = brain[0]["bodyId"][40:90]
    label = "Segment" if fragments else "Neuron"
    given = neuprint.NeuronCriteria(bodyId=ids.tolist(), label=label, client=client)
    others = neuprint.NeuronCriteria(label=label, client=client)
    ends = (others, given) if upstream else (given, others)
    _, theirs = neuprint.fetch_adjacencies(*ends, omit_rois=True, client=client)
    ours = ids.neuro.edges(upstream=upstream, downstream=not upstream, fragments=fragments)
    # neuprint-python returns edges of weight 0 as well.
    theirs = theirs[theirs["weight"] > 0]
    pd.testing.assert_frame_equal(by_pair(ours), by_pair(theirs))
    assert len(ours) > 100


def test_the_default_of_neuprint_python_drops_fragments_at_one_end(client: Any, brain: Any) -> None:
    ids = brain[0]["bodyId"][40:90]
    _, theirs = neuprint.fetch_adjacencies(ids.tolist(), None, omit_rois=True, client=client)
    ours = ids.neuro.downstream()
    neurons = brain[0].loc[brain[0]["is_neuron"], "bodyId"]
    ours = ours[ours["post"].isin(neurons)]
    pd.testing.assert_frame_equal(by_pair(ours), by_pair(theirs[theirs["weight"] > 0]))


def test_edges_by_region(client: Any, brain: Any) -> None:
    ids = brain[0]["bodyId"][:60]
    given = neuprint.NeuronCriteria(bodyId=ids.tolist(), label="Segment", client=client)
    others = neuprint.NeuronCriteria(label="Segment", client=client)
    _, theirs = neuprint.fetch_adjacencies(given, others, client=client)
    ours = ids.neuro.downstream(roi=True)
    names = ["bodyId_pre", "bodyId_post", "roi", "weight"]
    theirs = theirs.loc[theirs["weight"] > 0, names].set_axis(["pre", "post", "roi", "weight"], axis=1)
    order = ["pre", "post", "roi"]
    theirs = theirs.astype({"roi": object}).sort_values(order, ignore_index=True)
    mine = ours.astype({"roi": object})[[*order, "weight"]].sort_values(order, ignore_index=True)
    pd.testing.assert_frame_equal(mine, theirs.astype({"weight": "int64"}), check_dtype=False)
    assert "NotPrimary" in set(ours["roi"])
    assert engine.LARGER not in set(ours["roi"])


def test_edges_above_a_threshold(client: Any, brain: Any) -> None:
    ids = brain[0]["bodyId"][:60]
    given = neuprint.NeuronCriteria(bodyId=ids.tolist(), label="Segment", client=client)
    others = neuprint.NeuronCriteria(label="Segment", client=client)
    _, theirs = neuprint.fetch_adjacencies(
        given, others, min_total_weight=5, omit_rois=True, client=client
    )
    ours = ids.neuro.downstream(min_weight=5)
    pd.testing.assert_frame_equal(by_pair(ours), by_pair(theirs))
    summed = ids.neuro.downstream(min_weight=5, roi=True)
    pd.testing.assert_frame_equal(
        by_pair(summed.groupby(["pre", "post"], as_index=False)["weight"].sum()), by_pair(theirs)
    )


def test_properties(client: Any, brain: Any) -> None:
    ids = brain[0]["bodyId"][:60]
    criteria = neuprint.NeuronCriteria(bodyId=ids.tolist(), label="Segment", client=client)
    theirs, roi_counts = neuprint.fetch_neurons(criteria, client=client)
    names = ("type", "instance", "status", "size")
    ours = pd.DataFrame({"bodyId": ids}).neuro.join_properties(*names, "somaLocation", on="bodyId")
    theirs = ours[["bodyId"]].merge(theirs, on="bodyId")
    for name in names:
        mine, other = ours[name].astype(object), theirs[name].astype(object)
        assert mine.where(mine.notna(), None).tolist() == other.where(other.notna(), None).tolist()
    points = [[axis * 8.0 for axis in point] for point in brain[0]["somaLocation"][:60] if point]
    assert ours[[f"somaLocation_{axis}" for axis in "xyz"]].dropna().to_numpy().tolist() == points
    records = ids.neuro.records("roiInfo")
    mine = records.set_index(["segment_id", "roi"])[["pre", "post"]].sort_index()
    roi_counts = roi_counts[roi_counts["roi"] != "NotPrimary"]  # neuprint-python adds it
    other = roi_counts.set_index(["bodyId", "roi"])[["pre", "post"]].sort_index()
    assert mine.to_numpy().tolist() == other.astype("int64").to_numpy().tolist()
    assert mine.index.tolist() == other.index.tolist()
    assert set(records.loc[~records["primary"], "roi"]) == {engine.LARGER}


@pytest.mark.parametrize("regex", [True, False])
def test_find(client: Any, regex: bool) -> None:
    kind = "T1.*" if regex else "T11"
    theirs, _ = neuprint.fetch_neurons(
        neuprint.NeuronCriteria(type=kind, regex=regex, client=client), client=client
    )
    ours = pdneuro.find(type=kind, regex=regex)
    assert ours["root_id"].tolist() == theirs["bodyId"].tolist()
    assert ours["type"].tolist() == theirs["type"].tolist()
    some = pdneuro.find(type=kind, regex=regex, side="left", nt=["gaba"])
    fits = (theirs["somaSide"] == "L") & (theirs["predictedNt"] == "gaba")
    assert some["root_id"].tolist() == theirs.loc[fits, "bodyId"].tolist()


def test_statuses_of_known_and_unknown_bodies(brain: Any) -> None:
    fragment = brain[0].loc[~brain[0]["is_neuron"], "bodyId"].iloc[0]
    ids = pd.Series([brain[0]["bodyId"].iloc[0], fragment, brain[0]["bodyId"].iloc[-1], 999])
    with pytest.warns(errors.UnknownIdsWarning, match="1 of the IDs: 999"):
        ids.neuro.downstream()
    assert pdneuro.last_report()["status"].tolist() == ["found", "found", "none", "unknown"]
    with pytest.warns(errors.UnknownIdsWarning, match="1 of the IDs: 999"):
        ids.neuro.downstream(fragments=False)
    assert pdneuro.last_report()["status"].tolist() == ["found", "none", "none", "unknown"]


def test_a_property_that_no_body_has(brain: Any) -> None:
    with pytest.raises(errors.QueryRefusedError, match="colour"):
        brain[0]["bodyId"].head(3).neuro.properties("colour")


def test_hops_and_a_graph(brain: Any) -> None:
    ids = brain[0]["bodyId"].head(3)
    two = ids.neuro.downstream(hops=2, min_weight=3)
    edges = brain[1][brain[1]["weight"] >= 3]
    first = edges[edges["pre"].isin(ids)]
    reached = set(first["post"]) | set(ids)
    wanted = edges[edges["pre"].isin(reached)]
    pd.testing.assert_frame_equal(by_pair(two), by_pair(wanted))
    graph = ids.neuro.graph(upstream=False)
    assert graph.number_of_edges() == len(brain[1][brain[1]["pre"].isin(ids) & (brain[1]["weight"] > 0)])
