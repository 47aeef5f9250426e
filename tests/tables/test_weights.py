"""Thresholds, shares, signs and missing values of edge weights."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pandas as pd
import pytest

import pdneuro
from pdneuro import errors

EDGES = pd.DataFrame(
    {"pre": [1, 2, 3], "post": [3, 3, 1], "weight": [1, 2, 3], "nt": ["ach ", " GABA", None]}
)


def test_a_threshold_of_2_makes_fractions_incomplete() -> None:
    with pytest.warns(errors.IncompleteEdgesWarning, match="fewer than 2 synapses"):
        EDGES.neuro.threshold(2).neuro.fractions()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert EDGES.neuro.threshold(1).neuro.fractions()["input_fraction"].tolist() == [1 / 3, 2 / 3, 1]


@pytest.mark.parametrize("wrong", [-1, True, 2.5, "5", None, [5, 3], float("nan"), float("inf")])
def test_a_threshold_is_a_whole_number_of_synapses(wrong: Any) -> None:
    brain = pdneuro.Connectome(EDGES)
    calls = [
        lambda: EDGES.neuro.threshold(wrong),
        lambda: EDGES["pre"].neuro.edges(min_weight=wrong, source=brain),
        lambda: EDGES["pre"].neuro.edges(min_weight=wrong, hops=2, source=brain),
        lambda: EDGES["pre"].neuro.partners(min_weight=wrong, source=brain),
        lambda: EDGES["pre"].groupby(EDGES["post"]).neuro.partners(min_weight=wrong, source=brain),
    ]
    if wrong is not None:
        calls.append(lambda: EDGES.neuro.expand(min_weight=wrong, source=brain))
    for call in calls:
        with pytest.raises(ValueError, match="min_weight must be a whole number of synapses"):
            call()
    for right in (2, 2.0, np.int64(2), np.float32(2)):
        kept = EDGES["pre"].neuro.edges(min_weight=right, source=brain)
        assert kept["weight"].min() == 2
        assert type(kept.attrs["pdneuro"]["min_weight"]) is int


def test_blanks_around_the_name_of_a_transmitter_do_not_count() -> None:
    found = EDGES.neuro.sign("nt", inhibitory="gaba ", excitatory=" ACH")
    assert found["sign"].tolist() == [1, -1, 0]


@pytest.mark.parametrize("dtype", ["Int64", "Float64"])
def test_a_missing_value_is_0_in_a_matrix(dtype: str) -> None:
    edges = EDGES.assign(share=pd.array([5, None, 7], dtype))
    assert edges.neuro.to_matrix(values="share").loc[2, 3] == 0
    assert edges.neuro.to_sparse(values="share")[0].sum() == 12
