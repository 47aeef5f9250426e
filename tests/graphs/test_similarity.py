"""Similarity of neurons by their partners."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

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
