"""Queries of many neurons, which are read in blocks and in threads, give the same as one block."""

from __future__ import annotations

import sys

import pandas as pd
import pytest

import pdneuro
from pdneuro.tables.partners import partners


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


@pytest.mark.parametrize("source", ["a connectome", "an edge table"])
def test_partners_by_label_are_those_of_groupby(source: str) -> None:
    edges = pdneuro.sandbox.edges().head(3000)
    brain = pdneuro.Connectome(edges)
    ids = brain.ids.sample(200, random_state=1)
    labels = pd.Series(["a", "b", "c"] * 1000, name="label")[: len(brain.ids)].set_axis(brain.ids)
    sides = []
    for direction, own, other in (("downstream", "pre", "post"), ("upstream", "post", "pre")):
        rows = edges[edges[own].isin(ids)]
        rows = rows.assign(partner=rows[other].map(labels), direction=direction)
        sides.append(rows.assign(neuron=rows[own], other=rows[other]))
    groups = pd.concat(sides).groupby(["partner", "direction"])
    expected = groups.agg(
        weight=("weight", "sum"), n_neurons=("neuron", "nunique"), n_partners=("other", "nunique")
    )
    if source == "a connectome":
        found = ids.neuro.partners(source=brain, group_by=labels)
    else:
        found = partners(ids.neuro.edges(source=brain), ids.to_numpy(), group_by=labels)
    found = found.set_index(["partner", "direction"]).sort_index()
    assert found.index.tolist() == expected.index.tolist()
    for name in expected.columns:
        assert found[name].tolist() == expected[name].tolist()
