"""Reconstructions become neurons of navis, and come back unchanged."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from pdneuro import errors
from pdneuro.graphs import from_navis

navis = pytest.importorskip("navis", reason="navis is not installed (extra navis)")

NODES = pd.DataFrame(
    {
        "neuron": [7] * 6 + [720575940600000001] * 3,
        "node": [1, 2, 3, 4, 5, 6, 1, 2, 3],
        "type": [1, 3, 3, 3, 2, 2, 0, 0, 0],
        "x": [0.0, 1, 2, 3, 1, 1, 0, 1, 2],
        "y": [0.0, 0, 0, 0, 1, 2, 0, 0, 0],
        "z": 0.5,
        "radius": [1, 0.5, 0.5, 0.5, 0.5, 0.5, 1, 1, 1],
        "parent": [-1, 1, 2, 3, 2, 5, -1, 1, 2],
    }
)


def test_the_way_there_and_back() -> None:
    neurons = NODES.neuro.to_navis()
    assert [neuron.id for neuron in neurons] == [7, 720575940600000001]
    pd.testing.assert_frame_equal(from_navis(neurons), NODES)
    pd.testing.assert_frame_equal(from_navis(neurons[0]), NODES.head(6))


def test_lengths_are_those_of_navis() -> None:
    lengths = [neuron.cable_length for neuron in NODES.neuro.to_navis()]
    np.testing.assert_allclose(lengths, NODES.neuro.cable_length())


def test_units_are_converted() -> None:
    neuron = NODES.neuro.to_navis()[0].convert_units("nm")
    assert neuron.nodes["x"].max() == pytest.approx(3000)
    np.testing.assert_allclose(from_navis(neuron)["x"], NODES["x"].head(6))


def test_named_neurons() -> None:
    named = NODES.assign(neuron=pd.Categorical(["a"] * 6 + ["b"] * 3))
    assert from_navis(named.neuro.to_navis())["neuron"].tolist() == named["neuron"].tolist()


def test_errors() -> None:
    with pytest.raises(errors.InvalidSwcError, match="same number: 1"):
        NODES.assign(neuron=7).neuro.to_navis()
    with pytest.raises(TypeError, match="DataFrame is not a navis"):
        from_navis(NODES)
