"""Results of a whole lazy table, when computed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import dask
import dask.dataframe as dd
import pandas as pd
import pytest

from pdneuro.sandbox import Sandbox
from tests.dask.lazy_tables import annotated, edges, labels, neurons

#: Results of a whole table; a lazy table returns them when they are computed.
WHOLE_VERBS: dict[str, Callable[[Any], Any]] = {
    "matrix": lambda e: e.neuro.to_matrix(),
    "matrix of some": lambda e: e.neuro.to_matrix(ids=labels().index[:50], normalize="input"),
    "matrix of labels": lambda e: e.neuro.to_matrix(labels()),
    "matrix of columns": lambda e: annotated(e).neuro.to_matrix("side", normalize="output"),
    "matrix of one end": lambda e: e.neuro.to_matrix({"post": labels()}),
    "matrix of shares": lambda e: e.assign(area=0.5).neuro.to_matrix(labels(), values="area"),
    "matrix of some neurons": lambda e: e.neuro.to_matrix(ids=labels().index[:50]),
    "sparse of some neurons": lambda e: e.neuro.to_sparse(ids=labels().index[:50]),
    "sparse": lambda e: e.neuro.to_sparse(),
    "similarity": lambda e: e.neuro.similarity(of="input", ids=labels().index[:20]),
    "similarity by label": lambda e: e.neuro.similarity(group_by=labels(), top=2),
    "similarity by columns": lambda e: annotated(e).neuro.similarity(
        of="output", group_by="side", top=2
    ),
    "motifs": lambda e: e.neuro.motifs(),
    "link": lambda e: e["pre"].neuro.link("flywire"),
    "link of a table": lambda e: e.assign(root_id=e["pre"], side="a")[["root_id", "side"]].neuro.link(
        "flywire", color="side"
    ),
}


@pytest.mark.parametrize("verb", WHOLE_VERBS)
def test_results_of_a_whole_table_are_the_same_as_on_pandas(verb: str, sandbox: Sandbox) -> None:
    with dask.config.set(scheduler="synchronous"):
        found = WHOLE_VERBS[verb](dd.from_pandas(edges(), npartitions=4)).compute()
    expected = WHOLE_VERBS[verb](edges())
    if isinstance(expected, tuple):
        assert found[1].equals(expected[1])
        found, expected = found[0].toarray().tolist(), expected[0].toarray().tolist()
    if isinstance(expected, str | list):
        assert found == expected
    else:
        compare = pd.testing.assert_frame_equal if expected.ndim == 2 else pd.testing.assert_series_equal
        compare(found, expected)


def test_provenance_of_a_lazy_table(sandbox: Sandbox) -> None:
    lazy = dd.from_pandas(neurons(), npartitions=3).neuro.join_properties("size")
    eager = neurons().neuro.join_properties("size")
    with dask.config.set(scheduler="synchronous"):
        found = lazy.neuro.provenance.compute()
        assert lazy.neuro.cite().compute() == eager.neuro.cite()
    names = ["source", "dataset", "license", "queries"]
    pd.testing.assert_frame_equal(found[names], eager.neuro.provenance[names])


@pytest.mark.parametrize("values", ["n_pairs", "n_pre", "n_post", "weight_per_neuron"])
def test_counts_of_groups_are_no_values_of_a_matrix(values: str, sandbox: Sandbox) -> None:
    lazy = dd.from_pandas(edges(), npartitions=2)
    with pytest.raises(ValueError, match=rf"no matrix of '{values}'.*collapse\(group_by="):
        lazy.neuro.to_matrix(labels(), values=values)
