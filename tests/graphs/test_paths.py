"""Paths through an edge table: costs and weak edges."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from pdneuro import errors

EDGES = pd.DataFrame(
    {"pre": [1, 1, 2], "post": [2, 3, 3], "weight": [9, 4, 6], "length": [1.0, 5.0, 1.0]}
)


@pytest.mark.parametrize("cost", [np.inf, -np.inf, np.nan, 0.0, -1.0])
def test_a_cost_that_is_not_a_positive_number_is_an_error(cost: float) -> None:
    edges = EDGES.assign(length=[1.0, 5.0, cost])
    with pytest.raises(errors.InvalidEdgesError, match=r"1 costs in column 'length'.* row 2"):
        edges.neuro.shortest_paths(1, 3, cost="length")


def test_a_missing_cost_is_an_error() -> None:
    edges = EDGES.assign(length=pd.array([1, None, 1], "Int64"))
    with pytest.raises(errors.InvalidEdgesError, match=r"1 costs in column 'length'.* row 1"):
        edges.neuro.shortest_paths(1, 3, cost="length")


def test_the_cheapest_path_by_a_column() -> None:
    found = EDGES.neuro.shortest_paths(1, [2, 3], cost="length")
    assert found["path"].tolist() == [(1, 2), (1, 2, 3)]
    assert found["cost"].tolist() == [1, 2]
    assert found["bottleneck"].tolist() == [9, 6]
    assert found["hops"].tolist() == [1, 2]


def test_an_edge_of_weight_0_cannot_be_used_by_inverse_weight() -> None:
    edges = EDGES.assign(weight=[9, 4, 0])
    assert edges.neuro.shortest_paths(1, 3)["path"].tolist() == [(1, 3)]
    assert edges.neuro.shortest_paths(2, 3).empty
    assert edges.neuro.shortest_paths(2, 3, cost="hops")["bottleneck"].tolist() == [0]


def test_more_sources_than_are_searched_at_once() -> None:
    chain = pd.DataFrame({"pre": range(1, 200), "post": range(2, 201), "weight": 2})
    found = chain.neuro.shortest_paths(range(1, 151), 200, cost="hops")
    assert found["source"].tolist() == list(range(1, 151))
    assert found["cost"].tolist() == [200 - start for start in range(1, 151)]
    assert found["path"].map(len).tolist() == [201 - start for start in range(1, 151)]


def test_the_strongest_of_the_shortest_paths_come_first() -> None:
    edges = pd.DataFrame({"pre": [1, 1, 1, 2, 3], "post": [2, 3, 4, 4, 4], "weight": [2, 7, 1, 9, 5]})
    found = edges.neuro.paths(1, 4)
    assert found["path"].tolist() == [(1, 4), (1, 3, 4), (1, 2, 4)]
    assert found["bottleneck"].tolist() == [1, 5, 2]


def test_max_paths_is_the_largest_number_that_is_returned() -> None:
    edges = pd.DataFrame({"pre": [1, 1, 2, 3], "post": [2, 3, 4, 4], "weight": 1})
    assert len(edges.neuro.paths(1, 4, max_paths=2)) == 2
    with pytest.raises(errors.TooLargeError, match="max_paths=1"):
        edges.neuro.paths(1, 4, max_paths=1)


def test_max_paths_limits_the_unfinished_paths_too() -> None:
    # Each of 100 neurons leads back to the start, so only the direct path is simple.
    far = range(10, 110)
    pairs = [(1, 2), *((1, other) for other in far), *((other, 1) for other in far)]
    edges = pd.DataFrame(pairs, columns=["pre", "post"])
    assert edges.neuro.paths(1, 2, max_paths=101)["path"].tolist() == [(1, 2)]
    with pytest.raises(errors.TooLargeError, match="max_paths=50 "):
        edges.neuro.paths(1, 2, max_paths=50)


def test_max_paths_limits_the_steps_of_the_search() -> None:
    # 40 detours lead to neuron 2 too late for its 40 further neurons, so most steps are for nothing.
    late, far = range(100, 140), range(200, 240)
    pairs = [(1, 2), (2, 3), *((1, n) for n in late), *((n, 2) for n in late)]
    pairs += [*((2, n) for n in far), *((n, 3) for n in far)]
    edges = pd.DataFrame(pairs, columns=["pre", "post"])
    assert len(edges.neuro.paths(1, 3, max_paths=84)) == 81
    with pytest.raises(errors.TooLargeError, match="max_paths=83 paths of 3 hops"):
        edges.neuro.paths(1, 3, max_paths=83)
