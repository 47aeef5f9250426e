"""Groups of equal rows in tables of any order, with IDs of any size."""

from __future__ import annotations

from unittest import mock

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pdneuro.tables import collapse, degree, threshold

#: IDs that are close to each other, far apart, and multiples of a power of two, which fill few slots.
IDS = st.one_of(
    st.integers(1, 6),
    st.sampled_from([720575940621522189, 2**62, 2**63 - 1]),
    # Up to 2**53: several larger ones, and nothing else, would be IDs that were rounded as floats.
    st.integers(1, 2**13).map(lambda number: number << 40),
)


@st.composite
def tables(draw: st.DrawFn) -> pd.DataFrame:
    """Return edges in random order, sorted, or with many adjacent rows of each pair."""
    pairs = draw(st.lists(st.tuples(IDS, IDS), max_size=12))
    order = draw(st.sampled_from(["random", "sorted", "runs", "two runs"]))
    pairs = sorted(pairs) if order == "sorted" else pairs
    if order.endswith("runs"):
        pairs = [pair for pair in pairs for _ in range(5)] * (2 if order == "two runs" else 1)
    table = pd.DataFrame(pairs, columns=["pre", "post"], dtype=np.int64)
    table["weight"] = np.arange(len(table)) % 7
    return table


@given(edges=tables(), large=st.sampled_from([1, 1_000_000]))
def test_sums_of_pairs_are_those_of_groupby(edges: pd.DataFrame, large: int) -> None:
    with mock.patch("pdneuro.tables.grouping._LARGE", large):  # large columns are numbered in threads
        check_sums(edges)


def check_sums(edges: pd.DataFrame) -> None:
    """Compare sums of pairs, and the rows of strong ones, to those of pandas."""
    expected = edges.groupby(["pre", "post"], sort=False, as_index=False)["weight"].sum()
    pd.testing.assert_frame_equal(collapse(edges), expected)
    strong = edges.groupby(["pre", "post"])["weight"].transform("sum") >= 5
    pd.testing.assert_frame_equal(threshold(edges, 5), edges[strong])


@given(edges=tables(), large=st.sampled_from([1, 1_000_000]))
def test_counts_of_neurons_are_those_of_groupby(edges: pd.DataFrame, large: int) -> None:
    with mock.patch("pdneuro.tables.grouping._LARGE", large):
        found = degree(edges)
    ids = sorted({*edges["pre"], *edges["post"]})
    assert found.index.tolist() == ids
    for end, prefix in (("post", "in"), ("pre", "out")):
        other = "pre" if end == "post" else "post"
        partners = edges.groupby(end)[other].nunique().reindex(ids, fill_value=0)
        weight = edges.groupby(end)["weight"].sum().reindex(ids, fill_value=0)
        assert found[f"{prefix}_degree"].tolist() == partners.tolist()
        assert found[f"{prefix}_weight"].tolist() == weight.tolist()


@pytest.mark.parametrize("count", [1, 3, 5000])
def test_ids_that_share_a_slot_are_different(count: int) -> None:
    ids = (np.arange(1, count + 1, dtype=np.int64)) << 40
    edges = pd.DataFrame({"pre": ids, "post": ids[::-1], "weight": 1})
    assert collapse(pd.concat([edges, edges]))["weight"].tolist() == [2] * count
