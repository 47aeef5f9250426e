"""Edges that one or both of their neurons report."""

from __future__ import annotations

import json
import warnings
from typing import Any

import pandas as pd
import pytest

from pdneuro import errors
from pdneuro.sandbox import Sandbox


def reply(sandbox: Sandbox, **partners: dict[str, dict[int, int]]) -> None:
    """Let the next response report these partners: ``n1={"downstream": {2: 5}}``."""

    def records(weights: dict[int, int]) -> list[dict[str, Any]]:
        return [{"segmentid": str(other), "synaptic_count": count} for other, count in weights.items()]

    results = {
        name.removeprefix("n"): {
            side: records(sides.get(side, {})) for side in ("upstream", "downstream")
        }
        for name, sides in partners.items()
    }
    sandbox.fail(body=json.dumps({"results": results}).encode())


def test_an_edge_that_one_end_reports_does_not_disagree(sandbox: Sandbox) -> None:
    reply(sandbox, n1={"downstream": {2: 5, 3: 4}}, n2={"upstream": {1: 5, 3: 7}}, n3={})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = pd.Series([1, 2, 3]).neuro.edges()
    assert sorted(found.to_numpy().tolist()) == [[1, 2, 5], [1, 3, 4], [3, 2, 7]]


def test_the_number_of_disagreeing_edges_is_exact(sandbox: Sandbox) -> None:
    reply(
        sandbox,
        n1={"downstream": {1: 2, 2: 5, 3: 4, 4: 1}, "upstream": {1: 2}},
        n2={"upstream": {1: 6}, "downstream": {3: 8}},
        n3={"upstream": {2: 9}},
        n4={"upstream": {1: 1}},
    )
    with pytest.warns(errors.InconsistentEdgesWarning, match="^2 edges"):
        found = pd.Series([1, 2, 3, 4]).neuro.edges()
    expected = [[1, 1, 2], [1, 2, 5], [1, 3, 4], [1, 4, 1], [2, 3, 8]]
    assert sorted(found.to_numpy().tolist()) == expected


def test_partners_that_were_not_requested_are_not_taken_for_others(sandbox: Sandbox) -> None:
    # 1 and 1025 have the same low bits.
    reply(sandbox, n1={}, n2={"downstream": {1025: 5}}, n3={"upstream": {1: 7, 1026: 3}})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = pd.Series([1, 2, 3]).neuro.edges()
    assert sorted(found.to_numpy().tolist()) == [[1, 3, 7], [2, 1025, 5], [1026, 3, 3]]


@pytest.mark.parametrize("large", [2**53 + 1, 2**62 + 1, 2**63 - 2])
def test_large_ids_are_compared_exactly(large: int, sandbox: Sandbox) -> None:
    ids = [large, large - 1, large + 1]
    reply(
        sandbox,
        **{
            f"n{ids[0]}": {"downstream": {ids[1]: 5, ids[2]: 4}},
            f"n{ids[1]}": {"upstream": {ids[0]: 5}},
            f"n{ids[2]}": {"upstream": {ids[0]: 4}, "downstream": {ids[0]: 3}},
        },
    )
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = pd.Series(ids).neuro.edges()
    assert sorted(found.to_numpy().tolist()) == sorted(
        [[ids[0], ids[1], 5], [ids[0], ids[2], 4], [ids[2], ids[0], 3]]
    )
