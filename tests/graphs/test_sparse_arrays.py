"""Sparse arrays from edge tables of any size: chunks, repeated pairs, signs and large numbers."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import pdneuro
from pdneuro.graphs.sparse_arrays import divide_columns, divide_rows, from_pairs

scipy_sparse = pytest.importorskip("scipy.sparse")
ROW = st.tuples(st.integers(0, 4), st.integers(0, 6), st.integers(-(2**40), 2**40))


@pytest.mark.parametrize("chunk", [1, 2, 7, 65_536])
@given(rows=st.lists(ROW, max_size=40))
@settings(max_examples=60)
def test_sums_are_those_of_scipy(chunk: int, rows: list[tuple[int, int, int]]) -> None:
    table = np.array(rows, np.int64).reshape(-1, 3)
    expected = scipy_sparse.coo_array((table[:, 2], (table[:, 0], table[:, 1])), (5, 7)).toarray()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys.modules["pdneuro.graphs.sparse_arrays"], "_CHUNK", chunk)
        for dtype in (np.int64, np.float64):
            found = from_pairs(*table.T, (5, 7), dtype)
            assert found.dtype == dtype
            assert found.has_canonical_format
            np.testing.assert_array_equal(found.toarray(), expected)
        by_row, by_column = found.copy(), found.copy()
        divide_rows(by_row, np.arange(1.0, 6))
        divide_columns(by_column, np.arange(1.0, 8))
    np.testing.assert_allclose(by_row.toarray(), expected / np.arange(1.0, 6)[:, None])
    np.testing.assert_allclose(by_column.toarray(), expected / np.arange(1.0, 8))


@pytest.mark.parametrize("weight", [[2**61, 2**61, 5], [2**52, 1, 2**52]])
def test_large_weights_are_exact(weight: list[int]) -> None:
    edges = pd.DataFrame({"pre": [11, 11, 12], "post": [12, 12, 11], "weight": weight})
    matrix, ids = pdneuro.graphs.to_sparse(edges)
    assert matrix.dtype == np.int64
    assert ids.tolist() == [11, 12]
    assert matrix.toarray().tolist() == [[0, weight[0] + weight[1]], [weight[2], 0]]


def test_the_callers_arrays_stay_as_they_are() -> None:
    cells: Any = [np.array(values) for values in ([1, 0, 1], [0, 1, 0], [2, -5, 3])]
    for array in cells:
        array.flags.writeable = False
    assert from_pairs(*cells, (2, 2)).toarray().tolist() == [[0, -5], [5, 0]]
