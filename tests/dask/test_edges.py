"""Methods of lazy edge tables give the same as on pandas."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import dask
import dask.dataframe as dd
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pdneuro import errors
from pdneuro.sandbox import Sandbox
from tests.dask.lazy_tables import annotated, edges, labels, same, with_regions

EDGE_VERBS: dict[str, Callable[[Any], Any]] = {
    "as_edges": lambda e: e.rename(columns={"pre": "source", "post": "target"}).neuro.as_edges(),
    "threshold": lambda e: e.neuro.threshold(6),
    "threshold of a share": lambda e: e.neuro.threshold(0.05, of="input"),
    "threshold by row": lambda e: e.neuro.threshold(6, per="row"),
    "collapse": lambda e: e.neuro.collapse(),
    "collapse dialect": lambda e: e.rename(columns={"pre": "source", "post": "target"}).neuro.collapse(),
    "collapse by label": lambda e: e.neuro.collapse(labels()),
    "collapse by columns": lambda e: annotated(e).neuro.collapse(["cell_type", "side"]),
    "collapse with values": lambda e: e.assign(area=2.0 * e["weight"]).neuro.collapse(
        labels(), values="area"
    ),
    "collapse one end": lambda e: annotated(e).neuro.collapse({"post": "cell_type"}),
    "annotate": annotated,
    "annotate with suffixes": lambda e: e.neuro.annotate(labels(), suffixes=("_from", "_to")),
    "fractions": lambda e: e.neuro.fractions(),
    "output fractions": lambda e: e.neuro.fractions("output"),
    "given fractions": lambda e: e.neuro.fractions(total=pd.Series(10**6, index=labels().index)),
    "source fractions": lambda e: e.drop_duplicates().neuro.fractions(total="source"),
    "sign": lambda e: annotated(e).neuro.sign(inhibitory="gaba", excitatory="ach"),
    "top_nt": lambda e: e.assign(ach=0.5, gaba=e["weight"] / 10).neuro.top_nt(),
    "degree": lambda e: e.neuro.degree().reset_index(),
    "reciprocal": lambda e: e.neuro.reciprocal(),
    "collapse by region": lambda e: with_regions(e).neuro.collapse(labels(), roi=True, dropna=True),
    "collapse pairs by region": lambda e: with_regions(e).neuro.collapse(roi=True),
}


@pytest.mark.parametrize("verb", EDGE_VERBS)
def test_edge_methods_give_the_same_as_on_pandas(verb: str, scheduler: str, sandbox: Sandbox) -> None:
    same(EDGE_VERBS[verb](dd.from_pandas(edges(), npartitions=4)), EDGE_VERBS[verb](edges()))


def test_a_table_of_pairs_may_list_a_pair_twice() -> None:
    pairs = pd.DataFrame({"pre": [1, 2, 3, 1], "post": [2, 3, 1, 2], "contacts": [3, 4, 5, 3]})
    with pytest.raises(errors.AmbiguousColumnError, match="contacts"):
        pairs.neuro.as_edges()
    lazy = dd.from_pandas(pairs, npartitions=2).neuro.as_edges()
    with dask.config.set(scheduler="synchronous"), pytest.raises(errors.AmbiguousColumnError):
        lazy.compute()


@pytest.mark.parametrize(("post", "words"), [([2, 3, 1, 2], None), ([2, 3, 1, 3], "'contacts'")])
def test_rows_with_lists_are_compared_too(post: list[int], words: str | None) -> None:
    table = pd.DataFrame({"pre": [1, 2, 3, 1], "post": post, "contacts": [3, 4, 5, 3]})
    table["place"] = [[1, 2], [3, 4], [5, 6], [7, 8]]
    with dask.config.set({"scheduler": "synchronous", "dataframe.convert-string": False}):
        lazy = dd.from_pandas(table, npartitions=2).neuro.as_edges()
        for call in (table.neuro.as_edges, lazy.compute):
            if words is None:
                assert call()["weight"].tolist() == [1, 1, 1, 1]
            else:
                with pytest.raises(errors.AmbiguousColumnError, match=words):
                    call()


ROWS = st.lists(
    st.tuples(st.integers(1, 6), st.integers(1, 6), st.integers(0, 9)), min_size=1, max_size=20
)


@given(rows=ROWS, parts=st.integers(1, 4))
@settings(max_examples=8)
def test_sums_of_any_table_are_the_same_as_on_pandas(rows: list[Any], parts: int) -> None:
    table = pd.DataFrame(rows, columns=["pre", "post", "weight"])
    kinds = pd.Series(["a", "b", "a", "c"], index=[1, 2, 3, 4])
    verbs: list[Callable[[Any], Any]] = [
        lambda e: e.neuro.collapse(kinds),
        lambda e: e.neuro.fractions(),
        lambda e: e.neuro.degree().reset_index(),
    ]
    with dask.config.set(scheduler="synchronous"):
        for verb in verbs:
            same(verb(dd.from_pandas(table, npartitions=parts)), verb(table))
        lazy = dd.from_pandas(table, npartitions=parts).neuro
        pd.testing.assert_series_equal(lazy.motifs().compute(), table.neuro.motifs())
        matrix = lazy.to_matrix(kinds, normalize="input").compute()
        pd.testing.assert_frame_equal(matrix, table.neuro.to_matrix(kinds, normalize="input"))
