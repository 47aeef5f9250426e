"""Similarity of neurons by their partners."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import pdneuro

EDGES = pd.DataFrame({"pre": [1, 1, 2, 2], "post": [3, 4, 3, 4], "weight": [3, 4, 3, 0]})


def test_an_edge_of_weight_0_is_not_a_partner() -> None:
    table = EDGES.neuro.similarity("jaccard", "output", ids=[1, 2])
    assert table.loc[1, 2] == 0.5
    best = EDGES.neuro.similarity("jaccard", "output", ids=[1, 2], top=1)
    assert best["similarity"].tolist() == [0.5, 0.5]


@pytest.mark.parametrize("metric", ["cosine", "jaccard"])
def test_a_neuron_with_edges_of_weight_0_alone_is_0_everywhere(metric: str) -> None:
    edges = EDGES.assign(weight=[3, 4, 0, 0])
    table = edges.neuro.similarity(metric, "output", ids=[1, 2])
    assert table.to_numpy().tolist() == [[1, 0], [0, 0]]
    assert edges.neuro.similarity(metric, "output", ids=[1, 2], top=1).empty


@pytest.mark.parametrize("metric", ["cosine", "jaccard"])
@pytest.mark.parametrize("of", ["input", "output", "both"])
def test_similarities_are_between_0_and_1(metric: str, of: str) -> None:
    rng = np.random.default_rng(0)
    edges = pd.DataFrame(rng.integers(1, [60, 60, 1000], (1500, 3)), columns=["pre", "post", "weight"])
    # Each of these neurons has a partner with the same edges, so that rounding can exceed 1.
    edges = pd.concat([edges, edges.assign(pre=edges["pre"] + 100, post=edges["post"] + 100)])
    table = edges.neuro.similarity(metric, of)
    assert table.to_numpy().min() == 0
    assert table.to_numpy().max() == 1
    np.testing.assert_allclose(np.diag(table), 1)


@pytest.mark.parametrize("metric", ["cosine", "jaccard"])
def test_equal_neurons_are_listed_by_rising_id(metric: str) -> None:
    edges = pd.DataFrame({"pre": [9, 8, 7, 6, 5], "post": 1, "weight": 2})
    best = edges.neuro.similarity(metric, "output", top=2)
    assert best["id"].tolist() == [5, 5, 6, 6, 7, 7, 8, 8, 9, 9]
    assert best["other"].tolist() == [6, 7, 5, 7, 5, 6, 5, 6, 5, 6]
    assert best["similarity"].tolist() == [1] * 10


def test_all_partners_in_the_table_count_for_chosen_neurons() -> None:
    # Neurons 3 and 4 are not chosen, but they are the partners of 1 and 2.
    assert EDGES.neuro.similarity("jaccard", ids=[2, 1]).loc[2, 1] == 0.5
    assert EDGES.neuro.similarity("jaccard", ids=[2, 1]).index.name == "id"


def test_the_nearest_are_those_of_the_whole_matrix() -> None:
    rng = np.random.default_rng(1)
    edges = pd.DataFrame(rng.integers(1, [300, 300, 30], (4000, 3)), columns=["pre", "post", "weight"])
    table = edges.neuro.similarity()
    strongest = np.sort(table.mask(np.eye(len(table), dtype=bool), 0).to_numpy(), axis=1)[:, :-4:-1]
    found = edges.neuro.similarity(top=3).groupby("id")["similarity"].agg(list)
    assert len(found) == len(table)
    np.testing.assert_allclose(np.array(found.tolist()), strongest)


def test_each_of_thousands_of_neurons_finds_its_twin() -> None:
    count = 2000
    rng = np.random.default_rng(2)
    partners = np.argsort(rng.random((count, 400)), axis=1)[:, :5] + 10_000
    one = pd.DataFrame({"pre": np.repeat(np.arange(1, count + 1), 5), "post": partners.ravel()})
    edges = pd.concat([one, one.assign(pre=one["pre"] + count)], ignore_index=True)
    edges["weight"] = 1
    best = edges.neuro.similarity("jaccard", "output", top=2)
    assert (best["id"] != best["other"]).all()
    best = best.drop_duplicates("id")
    assert best["id"].tolist() == list(range(1, 2 * count + 1))
    assert best["other"].tolist() == [*range(count + 1, 2 * count + 1), *range(1, count + 1)]
    assert (best["similarity"] == 1).all()


IDS = range(1, 8)
edge_lists = st.lists(st.tuples(*[st.sampled_from(IDS)] * 2, st.integers(0, 9)), max_size=30)
label_lists = st.lists(st.sampled_from(["KC", "MBON", None]), min_size=7, max_size=7)


def expected_similarity(metric: str, a: np.ndarray, b: np.ndarray) -> float:
    if metric == "cosine":
        length = np.linalg.norm(a) * np.linalg.norm(b)
        return float(a @ b / length) if length else 0.0
    if metric == "jaccard":
        a, b = (a > 0).astype(float), (b > 0).astype(float)
    larger = np.maximum(a, b).sum()
    return float(np.minimum(a, b).sum() / larger) if larger else 0.0


@given(
    rows=edge_lists,
    labels=label_lists,
    of=st.sampled_from(["both", "input", "output"]),
    grouped=st.booleans(),
)
@settings(deadline=None, max_examples=40)
@pytest.mark.parametrize("metric", ["cosine", "jaccard", "weighted_jaccard"])
def test_as_dense_vectors_of_partners_or_types(
    metric: str, rows: Any, labels: Any, of: str, grouped: bool
) -> None:
    edges = pd.DataFrame(rows, columns=["pre", "post", "weight"], dtype="int64")
    dense = np.zeros((8, 8))
    np.add.at(dense, (edges["pre"], edges["post"]), edges["weight"])
    types = pd.Series(labels, index=IDS, dtype=object)
    merge = np.eye(8)
    if grouped:
        merge = np.array(
            [[n > 0 and types[n] == name for name in ("KC", "MBON")] for n in range(8)], float
        )
    sides = {"output": dense @ merge, "input": dense.T @ merge}
    vectors = np.hstack([sides[side] for side in sides if of in ("both", side)])
    found = edges.neuro.similarity(metric, of, group_by=types if grouped else None)
    own = {"output": set(edges["pre"]), "input": set(edges["post"])}
    present = sorted(set().union(*(own[side] for side in own if of in ("both", side))))
    assert found.index.tolist() == found.columns.tolist() == present
    for a in present:
        for b in present:
            expected = expected_similarity(metric, vectors[a], vectors[b])
            assert found.loc[a, b] == pytest.approx(expected, rel=1e-9, abs=1e-12)
    if grouped:
        total = sum(
            (dense.sum(1) if side == "output" else dense.sum(0)).sum()
            for side in own
            if of in ("both", side)
        )
        share = vectors.sum() / total if total else 0
        assert found.attrs["pdneuro"]["matched"] == pytest.approx(share)


def test_weighted_jaccard_in_several_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(5)
    edges = pd.DataFrame(rng.integers(1, [80, 80, 30], (900, 3)), columns=["pre", "post", "weight"])
    whole = edges.neuro.similarity("weighted_jaccard")
    monkeypatch.setattr(sys.modules["pdneuro.graphs.similarity"], "_BLOCK", 50)
    pd.testing.assert_frame_equal(edges.neuro.similarity("weighted_jaccard"), whole)
    best = edges.neuro.similarity("weighted_jaccard", top=1)
    largest = whole.mask(np.eye(len(whole), dtype=bool), 0).max()
    assert best.set_index("id")["similarity"].tolist() == pytest.approx(largest[best["id"]].tolist())


class TestDataSets:
    EDGES = pd.DataFrame(
        {
            "pre": [1, 1, 2, 1, 2],
            "post": [11, 12, 11, 11, 13],
            "weight": [3, 4, 5, 6, 8],
            "dataset": pd.Categorical(
                ["manc", "manc", "manc", "fanc", "fanc"], ["manc", "fanc", "unused"]
            ),
            "type_pre": "DN",
            "type_post": ["MN1", "MN2", "MN1", "MN1", "MN2"],
        }
    )

    def test_types_connect_the_data_sets(self) -> None:
        found = self.EDGES.neuro.similarity(of="output", group_by="type")
        assert found.index.tolist() == [("fanc", 1), ("fanc", 2), ("manc", 1), ("manc", 2)]
        assert found.loc[("fanc", 1), ("manc", 2)] == 1
        assert found.loc[("fanc", 2), ("manc", 1)] == pytest.approx(0.8)
        assert found.attrs["pdneuro"]["matched_manc"] == 1
        alone = self.EDGES.neuro.similarity(of="output")
        assert alone.loc["fanc", "manc"].to_numpy().sum() == 0

    def test_types_of_one_data_set_are_not_compared(self) -> None:
        edges = self.EDGES.assign(type_post=["MN1", "MN2", "MN1", "MN1", "MN3"])
        best = edges.neuro.similarity("weighted_jaccard", "output", group_by="type", top=1)
        assert best.columns.tolist() == ["dataset", "id", "other_dataset", "other", "similarity"]
        assert best["id"].tolist() == [1, 1, 2]
        matched = {name: round(best.attrs["pdneuro"][f"matched_{name}"], 3) for name in ("manc", "fanc")}
        assert matched == {"manc": 0.667, "fanc": 0.429}

    def test_chosen_neurons(self) -> None:
        chosen = pd.DataFrame({"dataset": ["manc", "fanc"], "root_id": [2, 2]})
        found = self.EDGES.neuro.similarity(of="output", group_by="type", ids=chosen)
        assert found.index.tolist() == [("manc", 2), ("fanc", 2)]
        assert self.EDGES.neuro.similarity(of="output", ids=found.index).index.equals(found.index)
        assert len(self.EDGES.neuro.similarity(of="output", ids=[2])) == 2

    def test_partners_have_labels_of_neurons(self) -> None:
        with pytest.raises(ValueError, match="column of edges"):
            self.EDGES.assign(nt="x").neuro.similarity(group_by="nt")


def test_labels_of_edges_are_no_labels_of_partners() -> None:
    edges = pdneuro.sandbox.edges().head(50).assign(region="a")
    with pytest.raises(ValueError, match="'region' is a column of edges"):
        edges.neuro.similarity(group_by="region")
