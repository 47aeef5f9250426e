"""The real larval connectome (Winding et al.): pdneuro compared with networkx and SciPy."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import networkx as nx
import numpy as np
import pandas as pd
import pytest
import scipy.sparse

import pdneuro
from tests.conftest import shared


@pytest.fixture(scope="module")
def raw() -> pd.DataFrame:
    path = shared("braincircuits/G_edgelist.txt.gz")
    return pd.read_csv(path, sep=" ", header=None, names=["pre", "post", "weight"])


def ordered(edges: pd.DataFrame) -> pd.DataFrame:
    columns = ["pre", "post", "weight"]
    return edges[columns].sort_values(columns, ignore_index=True)


@pytest.fixture(scope="module")
def plain(raw: pd.DataFrame) -> nx.DiGraph:
    return nx.from_pandas_edgelist(raw, "pre", "post", "weight", create_using=nx.DiGraph)


@pytest.fixture(params=["service", "file", "frame"], scope="module")
def edges(
    request: pytest.FixtureRequest, raw: pd.DataFrame, tmp_path_factory: pytest.TempPathFactory
) -> pd.DataFrame:
    """Return all edges from the service, from a local connectome, and from the file as a table."""
    path = shared("braincircuits/G_edgelist.txt.gz")
    if request.param == "frame":
        return raw.neuro.as_edges()
    neurons = pd.Series(pd.unique(raw[["pre", "post"]].to_numpy().ravel())).astype("int64")
    folder = tmp_path_factory.mktemp("cache")
    if request.param == "file":
        with pdneuro.set_options(cache_dir=folder):
            return neurons.neuro.edges(source=path)
    with (
        pdneuro.sandbox.start(edges=path, cache_dir=folder),
        pdneuro.set_options(timeout=600, progress=False),
    ):
        return neurons.neuro.edges()


def test_every_reader_returns_the_edges_of_the_file(edges: pd.DataFrame, raw: pd.DataFrame) -> None:
    pd.testing.assert_frame_equal(ordered(edges), ordered(raw.astype("int64")))


def test_degree_sequence(edges: pd.DataFrame, plain: nx.DiGraph) -> None:
    found = edges.neuro.degree()
    assert found["in_degree"].to_dict() == dict(plain.in_degree())
    assert found["out_degree"].to_dict() == dict(plain.out_degree())
    assert found["in_weight"].to_dict() == dict(plain.in_degree(weight="weight"))
    graph = edges.neuro.to_networkx()
    assert sorted(d for _, d in graph.degree()) == sorted(d for _, d in plain.degree())
    assert graph.size("weight") == plain.size("weight")


def test_reciprocity(edges: pd.DataFrame, plain: nx.DiGraph) -> None:
    counts = edges.neuro.motifs()
    total = 2 * counts["mutual"] + counts["one_way"] + counts["autapse"]
    assert total == plain.number_of_edges() == 119_010
    assert 2 * counts["mutual"] / total == pytest.approx(nx.overall_reciprocity(plain), abs=1e-15)
    assert counts["autapse"] == nx.number_of_selfloops(plain) == 577
    both = edges.neuro.reciprocal().query("reciprocal_weight > 0")
    assert len(both) == 2 * counts["mutual"]


def test_strongly_connected_components(edges: pd.DataFrame, plain: nx.DiGraph) -> None:
    expected = Counter(map(len, nx.strongly_connected_components(plain)))
    matrix, ids = edges.neuro.to_sparse()
    _, labels = scipy.sparse.csgraph.connected_components(matrix, connection="strong")
    assert Counter(np.bincount(labels).tolist()) == expected
    assert Counter(map(len, nx.strongly_connected_components(edges.neuro.to_networkx()))) == expected
    assert Counter(edges.neuro.to_igraph().connected_components("strong").sizes()) == expected
    assert len(ids) == 3_554


def test_two_hop_neighbourhoods(raw: pd.DataFrame, plain: nx.DiGraph, tmp_path: Path) -> None:
    path = shared("braincircuits/G_edgelist.txt.gz")
    brain = pdneuro.Connectome.from_files(path)
    strong = plain.edge_subgraph((a, b) for a, b, w in plain.edges(data="weight") if w >= 5)
    for neuron in sorted(strong)[::400]:
        far = pd.Series([neuron]).neuro.edges(hops=2, upstream=False, min_weight=5, source=brain)
        reached = {neuron, *far["post"]}
        assert reached == set(nx.single_source_shortest_path_length(strong, neuron, cutoff=2))
        near = pd.Series([neuron]).neuro.downstream(min_weight=5, source=brain)
        expanded = near.neuro.expand(upstream=False, source=brain)
        assert {neuron, *expanded["post"]} == reached or near.empty


def test_exports_are_converted_back(raw: pd.DataFrame, tmp_path: Path) -> None:
    edges = raw.neuro.as_edges()
    expected = ordered(raw.astype("int64"))
    nx.write_graphml(edges.neuro.to_networkx(), tmp_path / "g.graphml")
    folder = edges.neuro.to_gephi(tmp_path)
    gephi = pd.read_csv(folder / "edges.csv", dtype=str).drop(columns="Type")
    for back in (
        pdneuro.graphs.from_networkx(nx.read_graphml(tmp_path / "g.graphml")),
        edges.neuro.to_xarray().neuro.to_edges(),
        pdneuro.graphs.from_matrix(edges.neuro.to_matrix()),
        gephi.rename(columns={"Source": "pre", "Target": "post", "Weight": "weight"}).neuro.as_edges(),
    ):
        pd.testing.assert_frame_equal(ordered(back), expected)
