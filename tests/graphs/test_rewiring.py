"""Random graphs with the same degrees, and z-scores."""

from __future__ import annotations

import itertools
from collections import Counter

import networkx as nx
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

BASE = 720575940600000000


def random_edges(seed: int, neurons: int = 30, rows: int = 150) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    table = pd.DataFrame(
        rng.integers(0, [neurons, neurons, 40], (rows, 3)), columns=["pre", "post", "weight"]
    )
    return table.assign(pre=table["pre"] + BASE, post=table["post"] + BASE, weight=table["weight"] + 1)


class TestRewire:
    @given(seed=st.integers(0, 999), rows=st.integers(0, 200))
    @settings(max_examples=40)
    def test_keeps_degrees_weights_and_autapses(self, seed: int, rows: int) -> None:
        edges = random_edges(seed, rows=rows)
        pairs = edges.neuro.collapse()
        found = edges.neuro.rewire(seed=seed)
        assert not found.duplicated(["pre", "post"]).any()
        names = ["in_degree", "out_degree"]
        pd.testing.assert_frame_equal(found.neuro.degree()[names], pairs.neuro.degree()[names])
        assert sorted(found["weight"]) == sorted(pairs["weight"])
        loops = [t[t["pre"] == t["post"]].sort_values("pre", ignore_index=True) for t in (pairs, found)]
        pd.testing.assert_frame_equal(*loops)
        assert found.dtypes.eq(np.int64).all()

    def test_the_seed_repeats_the_result(self) -> None:
        edges = random_edges(1)
        assert edges.neuro.rewire(seed=1).equals(edges.neuro.rewire(seed=1))
        assert not edges.neuro.rewire(seed=1).equals(edges.neuro.rewire(seed=2))

    def test_all_graphs_with_the_degrees_are_equally_likely(self) -> None:
        edges = pd.DataFrame({"pre": [1, 1, 2, 3, 4], "post": [2, 3, 3, 4, 1], "weight": 1})
        possible = list(itertools.permutations(range(1, 5), 2))
        wanted = (Counter(edges["pre"]), Counter(edges["post"]))
        graphs = {
            graph
            for graph in itertools.combinations(possible, 5)
            if (Counter(a for a, _ in graph), Counter(b for _, b in graph)) == wanted
        }
        counts = Counter(
            tuple(map(tuple, edges.neuro.rewire(seed=seed)[["pre", "post"]].to_numpy().tolist()))
            for seed in range(600)
        )
        assert set(counts) == graphs
        mean = 600 / len(graphs)
        chi2 = sum((count - mean) ** 2 / mean for count in counts.values())
        assert chi2 < len(graphs) + 6 * (2 * len(graphs)) ** 0.5


class TestZscores:
    def test_counts_are_those_of_networkx(self) -> None:
        edges = random_edges(3)
        graph = nx.DiGraph(list(zip(edges["pre"], edges["post"], strict=True)))
        graph.remove_edges_from(nx.selfloop_edges(graph))
        found = edges.neuro.zscores(n=3, seed=0)
        census = nx.triadic_census(graph)
        for motif in found.index.drop(["mutual", "one_way"]):
            assert found.loc[motif, "count"] == census[motif], motif
        assert found.loc["mutual", "count"] == sum((b, a) in graph.edges for a, b in graph.edges) // 2
        assert set(found.index) == set(census) - {"003", "012", "102"} | {"mutual", "one_way"}
        assert found["count"].dtype == np.int64

    def test_reciprocal_pairs_are_found(self) -> None:
        edges = random_edges(4, neurons=60)
        both = pd.concat([edges, edges.rename(columns={"pre": "post", "post": "pre"})])
        found = both.neuro.zscores("reciprocal", n=50, seed=0)
        assert found.index.tolist() == ["mutual"]
        assert found["z"].iloc[0] > 10
        assert found["p_value"].iloc[0] == pytest.approx(2 / 51)
        assert abs(edges.neuro.rewire(seed=1).neuro.zscores("reciprocal", n=50, seed=0)["z"].iloc[0]) < 4

    def test_the_mean_is_that_of_independent_random_graphs(self) -> None:
        edges = random_edges(5)
        chain = edges.neuro.zscores("reciprocal", n=150, seed=0)
        single = [edges.neuro.rewire(seed=k).neuro.motifs()["mutual"] for k in range(150)]
        error = np.std(single) / 150**0.5
        assert abs(chain["mean"].iloc[0] - np.mean(single)) < 6 * error
        assert chain["std"].iloc[0] == pytest.approx(np.std(single), rel=0.3)

    def test_a_function_of_the_table(self) -> None:
        edges = random_edges(6)
        found = edges.neuro.zscores(len, n=3, seed=0)
        assert found.loc["len", "count"] == len(edges.neuro.collapse())
        assert found["z"].isna().all()

    def test_the_seed_repeats_the_result(self) -> None:
        edges = random_edges(7)
        pd.testing.assert_frame_equal(*(edges.neuro.zscores(n=4, seed=9) for _ in range(2)))

    def test_errors(self) -> None:
        for options in ({"statistic": "motif"}, {"n": 1}):
            with pytest.raises(ValueError, match=r"statistic must|n must"):
                random_edges(0).neuro.zscores(**options)


def test_a_random_graph_without_a_count_has_no_p_value() -> None:
    edges = pd.DataFrame({"pre": [1, 1, 2, 3], "post": [2, 3, 3, 4], "weight": [5, 6, 7, 8]})
    calls = []

    def counted(table: pd.DataFrame) -> pd.Series:
        calls.append(table)
        return pd.Series({"always": 3, "first": 3} if len(calls) == 1 else {"always": 3}, dtype="Int64")

    found = edges.neuro.zscores(counted, n=50, seed=0)
    assert found.loc["always", "p_value"] == 1
    assert np.isnan(found.loc["first", "p_value"])
    assert found["z"].isna().all()


@pytest.mark.parametrize("value", ["3", None, {"a": 1}, pd.Series({"a": "x"})])
def test_a_statistic_returns_numbers(value: object) -> None:
    edges = pd.DataFrame({"pre": [1, 2], "post": [2, 3], "weight": [5, 6]})
    with pytest.raises(ValueError, match="must return a number or a Series of numbers"):
        edges.neuro.zscores(lambda table: value, n=2)
