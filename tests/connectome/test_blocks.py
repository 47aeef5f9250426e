"""Queries of many neurons, which are read in blocks and in threads, give the same as one block."""

from __future__ import annotations

import sys

import pandas as pd
import pytest

import pdneuro


@pytest.mark.parametrize("columns", [(), ("nt",)])
@pytest.mark.parametrize("sides", [{}, {"upstream": False}, {"downstream": False}])
def test_any_size_of_blocks(
    sides: dict[str, bool], columns: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    edges = pdneuro.sandbox.edges().head(5000).assign(nt="ach")
    brain = pdneuro.Connectome(edges[["pre", "post", "weight", *columns]])
    ids = brain.ids.sample(400, random_state=0)
    labels = dict(zip(ids, "abcd" * 100, strict=True))

    def results() -> list[pd.DataFrame]:
        return [
            ids.neuro.edges(source=brain, **sides),
            ids.neuro.partners(source=brain, **sides),
            ids.neuro.partners(source=brain, group_by=labels, min_weight=2, **sides),
            brain.degree(),
        ]

    expected = results()
    index = sys.modules["pdneuro.connectome.index"]
    monkeypatch.setattr(index, "_CHUNK", 7)
    monkeypatch.setattr(index, "_BLOCK", 20)
    for found, whole in zip(results(), expected, strict=True):
        pd.testing.assert_frame_equal(found, whole)
