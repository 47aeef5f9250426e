"""Partner lists in the form that the cache keeps."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pdneuro.tables.partners import pack, partner_counts, unpack

ENTRY = st.tuples(st.integers(-(2**63), 2**63 - 1), st.integers(0, 2**30 - 1), st.booleans())


@given(st.lists(st.lists(ENTRY, max_size=4), max_size=5))
def test_partner_lists_come_back_unchanged(lists: list[list[tuple[int, int, bool]]]) -> None:
    entries = [entry for entries in lists for entry in entries]
    columns = list(zip(*entries, strict=True)) or [(), (), ()]
    partner, weight, incoming = (
        np.array(column, kind) for column, kind in zip(columns, (np.int64, np.int64, bool), strict=True)
    )
    bodies = pack([len(entries) for entries in lists], partner, weight, incoming)
    assert len(bodies) == len(lists)
    found = unpack(bodies)
    assert found.rows.tolist() == [row for row, entries in enumerate(lists) for _ in entries]
    assert list(zip(*(column.tolist() for column in found[1:]), strict=True)) == entries


def test_a_neuron_without_a_list_has_no_partner() -> None:
    [body] = pack([1], np.array([12]), np.array([3]), incoming=True)
    found = unpack([None, body, None])
    assert (found.rows.tolist(), found.partner.tolist()) == ([1], [12])
    assert unpack([]).rows.tolist() == []


@pytest.mark.parametrize("weight", [-1, 2**30])
def test_a_weight_that_does_not_fit_is_an_error(weight: int) -> None:
    with pytest.raises(OverflowError):
        pack([1], np.array([12]), np.array([weight]), incoming=False)


def test_partners_are_counted_per_neuron_and_side() -> None:
    bodies = pack([3, 0, 1], np.arange(4), np.ones(4, int), np.array([0, 1, 1, 1]))
    downstream, upstream = partner_counts([*bodies, None])
    assert (downstream.tolist(), upstream.tolist()) == ([1, 0, 0, 0], [2, 0, 1, 0])
