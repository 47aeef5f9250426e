"""Clusters, communities, components and layers."""

from __future__ import annotations

import networkx as nx
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.cluster import hierarchy
from scipy.spatial.distance import squareform

BASE = 720575940600000000


def random_edges(seed: int, neurons: int = 40, rows: int = 160) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    table = pd.DataFrame(
        rng.integers(0, [neurons, neurons, 20], (rows, 3)), columns=["pre", "post", "weight"]
    )
    return table.assign(pre=table["pre"] + BASE, post=table["post"] + BASE, weight=table["weight"] + 1)


def blocks(seed: int = 0, size: int = 30, count: int = 4) -> tuple[pd.DataFrame, pd.Series]:
    """Return edges that are mostly inside blocks, and the block of each neuron."""
    rng = np.random.default_rng(seed)
    block = np.repeat(np.arange(count), size)
    chance = np.where(block[:, None] == block, 0.3, 0.005)
    pre, post = np.nonzero(rng.random(chance.shape) < chance)
    edges = pd.DataFrame(
        {"pre": BASE + pre, "post": BASE + post, "weight": rng.integers(1, 9, len(pre))}
    )
    return edges, pd.Series(block, BASE + np.arange(size * count))


def same_partition(one: pd.Series, two: pd.Series) -> bool:
    pairs = pd.DataFrame({"one": one, "two": two.reindex(one.index)})
    return bool(
        pairs.groupby("one")["two"].nunique().eq(1).all()
        and pairs.groupby("two")["one"].nunique().eq(1).all()
    )


class TestCluster:
    @given(
        seed=st.integers(0, 999),
        n=st.integers(1, 10),
        method=st.sampled_from(["average", "complete", "ward", "single"]),
    )
    @settings(max_examples=20)
    def test_is_a_cut_of_scipys_tree(self, seed: int, n: int, method: str) -> None:
        edges = random_edges(seed)
        table = edges.neuro.similarity()
        tree = hierarchy.linkage(squareform(1 - table.to_numpy(), checks=False), method)
        found = edges.neuro.cluster(method=method, n=n)
        assert found.index.equals(table.index)
        assert found.nunique() == n
        exact = pd.Series(hierarchy.cut_tree(tree, n).ravel(), table.index)
        assert same_partition(found, exact)
        height = float(np.median(tree[:, 2]))
        cut = pd.Series(hierarchy.fcluster(tree, height, "distance"), table.index)
        assert same_partition(edges.neuro.cluster(method=method, height=height), cut)

    def test_finds_planted_blocks_and_labels_annotate(self) -> None:
        edges, block = blocks()
        found = edges.neuro.cluster(n=4)
        assert same_partition(found, block)
        assert set(edges.neuro.annotate(found)["cluster_pre"]) == {1, 2, 3, 4}

    def test_errors(self) -> None:
        edges = random_edges(0)
        for options in ({}, {"n": 2, "height": 0.5}, {"n": 0}, {"n": 999}, {"n": 2, "method": "median"}):
            with pytest.raises(ValueError, match=r"n must|give the|method must"):
                edges.neuro.cluster(**options)


class TestCommunities:
    @pytest.mark.parametrize("method", ["infomap", "leiden"])
    def test_finds_planted_blocks(self, method: str) -> None:
        edges, block = blocks(1)
        found = edges.neuro.communities(method, seed=3)
        assert found.index.is_monotonic_increasing
        assert same_partition(found, block)

    @pytest.mark.parametrize("method", ["infomap", "leiden"])
    def test_the_seed_repeats_the_result(self, method: str) -> None:
        edges = random_edges(2, neurons=150, rows=400)
        found = [edges.neuro.communities(method, seed=5) for _ in range(2)]
        pd.testing.assert_series_equal(*found)
        assert found[0].value_counts().sort_index().is_monotonic_decreasing

    def test_infomap_follows_the_direction(self) -> None:
        # A ring of three with a strong way out, and none back.
        edges = pd.DataFrame({"pre": [1, 2, 3, 4, 5, 6], "post": [2, 3, 1, 5, 6, 4], "weight": 5})
        assert edges.neuro.communities(seed=0).tolist() == [1, 1, 1, 2, 2, 2]


class TestComponents:
    @given(seed=st.integers(0, 999), rows=st.integers(0, 60))
    @settings(max_examples=25)
    def test_are_those_of_networkx(self, seed: int, rows: int) -> None:
        edges = random_edges(seed, rows=rows)
        graph = nx.DiGraph(list(zip(edges["pre"], edges["post"], strict=True)))
        for strong, wanted in (
            (True, nx.strongly_connected_components),
            (False, nx.weakly_connected_components),
        ):
            found = edges.neuro.components(strong=strong)
            groups = {frozenset(part.index) for _, part in found.groupby(found)}
            assert groups == {frozenset(part) for part in wanted(graph)}
            sizes = found.value_counts().sort_index()
            assert sizes.is_monotonic_decreasing
            assert sizes.index.tolist() == list(range(1, len(sizes) + 1))


class TestLayers:
    @given(seed=st.integers(0, 999))
    @settings(max_examples=25)
    def test_without_a_threshold_they_are_the_shortest_paths(self, seed: int) -> None:
        edges = random_edges(seed, rows=70)
        graph = nx.DiGraph(list(zip(edges["pre"], edges["post"], strict=True)))
        start = edges["pre"].head(2).tolist()
        hops = nx.multi_source_dijkstra_path_length(graph, set(start), weight=lambda *_: 1)
        found = edges.neuro.layers(start, threshold=None)["layer"].dropna()
        assert found.to_dict() == hops

    def test_probabilities_are_those_of_the_model(self) -> None:
        # The neuron 3 has a quarter of its input from 1, so at 0.5 it waits for 2 hops on average.
        edges = pd.DataFrame({"pre": [1, 9, 3], "post": [3, 3, 4], "weight": [1, 3, 7]})
        found = edges.neuro.layers(1, threshold=0.5, n=4000, max_hops=60, seed=1)
        assert found.loc[3, "layer"] == pytest.approx(2, abs=0.1)
        assert found.loc[4, "layer"] == pytest.approx(3, abs=0.1)
        assert found["reached"].to_dict() == {1: 1, 3: 1, 4: 1, 9: 0}
        assert found["layer"].isna().to_dict() == {1: False, 3: False, 4: False, 9: True}

    def test_input_of_all_active_neurons_adds_up(self) -> None:
        edges = pd.DataFrame({"pre": range(1, 11), "post": 20, "weight": 1})
        # Three of ten inputs are active: 0.3 is certain, a single one is not.
        assert edges.neuro.layers([1, 2, 3], threshold=0.3, n=200, seed=0).loc[20, "layer"] == 1
        assert edges.neuro.layers(1, threshold=0.3, n=200, seed=0, max_hops=99).loc[20, "layer"] > 2

    def test_the_seed_repeats_the_result(self) -> None:
        edges = random_edges(8)
        one, two, other = (edges.neuro.layers(edges["pre"].iloc[0], seed=s, n=40) for s in (1, 1, 2))
        pd.testing.assert_frame_equal(one, two)
        assert not one.equals(other)

    def test_errors(self) -> None:
        for options in ({"threshold": 0}, {"n": 0}):
            with pytest.raises(ValueError, match=r"threshold must|n must"):
                random_edges(0).neuro.layers(BASE, **options)


def test_names_instead_of_ids() -> None:
    ids = random_edges(3)
    names = ids.assign(pre="n" + ids["pre"].astype(str), post="n" + ids["post"].astype(str))
    names = names.neuro.as_edges(nodes="names")
    start = ids["pre"].iloc[0]
    calls = {
        "influence": lambda t, s: t.neuro.influence(s)["influence"],
        "layers": lambda t, s: t.neuro.layers(s, None)["layer"],
        "components": lambda t, _: t.neuro.components(),
        "communities": lambda t, _: t.neuro.communities(seed=1),
        "cluster": lambda t, _: t.neuro.cluster(n=3),
        "rewire": lambda t, _: t.neuro.rewire(seed=1)["weight"],
        "effective": lambda t, s: t.neuro.effective(s, t["post"], 2)["total"],
        "zscores": lambda t, _: t.neuro.zscores("reciprocal", n=3, seed=0)["mean"],
    }
    for name, call in calls.items():
        one, two = call(ids, start), call(names, f"n{start}")
        np.testing.assert_allclose(one.astype(float), two.astype(float), err_msg=name)


@pytest.mark.parametrize("height", ["x", -1, np.nan, True])
def test_the_height_of_a_cut_is_a_distance(height: object) -> None:
    edges = pd.DataFrame({"pre": [1, 2, 3], "post": [8, 8, 9], "weight": [3, 4, 5]})
    with pytest.raises(ValueError, match="height must be a distance"):
        edges.neuro.cluster(height=height)


@pytest.mark.parametrize("resolution", ["x", -1, np.nan, None])
def test_the_resolution_is_a_number(resolution: object) -> None:
    edges = pd.DataFrame({"pre": [1, 2, 3], "post": [8, 8, 9], "weight": [3, 4, 5]})
    with pytest.raises(ValueError, match="resolution must be a number"):
        edges.neuro.communities("leiden", resolution=resolution)


@pytest.mark.parametrize("ids", ["12", 12])
def test_one_text_is_not_a_list_of_digits(ids: object) -> None:
    edges = pd.DataFrame({"pre": [1, 2, 12], "post": [2, 12, 1], "weight": [3, 4, 5]})
    for call in (edges.neuro.to_matrix, edges.neuro.similarity):
        with pytest.raises(TypeError, match="IDs must be a Series, Index, array or list"):
            call(ids=ids)


def test_the_method_of_communities_is_known() -> None:
    edges = pd.DataFrame({"pre": [1, 2, 3], "post": [8, 8, 9], "weight": [3, 4, 5]})
    with pytest.raises(ValueError, match="method must be 'infomap' or 'leiden', not 'louvain'"):
        edges.neuro.communities("louvain")


@pytest.mark.parametrize("ids", [[], [2], [1, 2]])
def test_few_neurons_are_one_cluster(ids: list[int]) -> None:
    edges = pd.DataFrame({"pre": [1, 2, 3], "post": [8, 8, 9], "weight": [3, 4, 5]})
    found = edges.neuro.cluster(n=1, ids=ids)
    assert found.to_dict() == dict.fromkeys(ids, 1)


def test_layers_end_after_the_last_hop() -> None:
    chain = pd.DataFrame({"pre": range(1, 6), "post": range(2, 7), "weight": 3})
    found = chain.neuro.layers(1, threshold=None, max_hops=2)
    assert found["layer"].tolist()[:3] == [0, 1, 2]
    assert found["layer"].isna().tolist()[3:] == [True, True, True]
    assert found["reached"].tolist() == [1, 1, 1, 0, 0, 0]
