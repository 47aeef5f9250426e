"""Thresholds, shares, signs and missing values of edge weights."""

from __future__ import annotations

import warnings

import pandas as pd
import pytest

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


def test_a_threshold_between_two_numbers_of_synapses_is_recorded_as_the_higher_one() -> None:
    kept = EDGES.neuro.threshold(1.5)
    assert kept["weight"].tolist() == [2, 3]
    assert kept.attrs["pdneuro"]["min_weight"] == 2


def test_blanks_around_the_name_of_a_transmitter_do_not_count() -> None:
    found = EDGES.neuro.sign("nt", inhibitory="gaba ", excitatory=" ACH")
    assert found["sign"].tolist() == [1, -1, 0]


@pytest.mark.parametrize("dtype", ["Int64", "Float64"])
def test_a_missing_value_is_0_in_a_matrix(dtype: str) -> None:
    edges = EDGES.assign(share=pd.array([5, None, 7], dtype))
    assert edges.neuro.to_matrix(values="share").loc[2, 3] == 0
    assert edges.neuro.to_sparse(values="share")[0].sum() == 12
