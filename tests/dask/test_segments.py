"""Queries of the distinct segments of a lazy table give the same as on pandas."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import dask
import dask.dataframe as dd
import pandas as pd
import pytest

import pdneuro
import pdneuro.dask
from pdneuro import errors
from pdneuro.sandbox import Sandbox
from tests.dask.lazy_tables import asked, labels, neurons, same

NEURON_VERBS: dict[str, Callable[[Any], Any]] = {
    "join": lambda t: t.neuro.join_properties("link_pre", "size", on="root_id"),
    "join of rows that were found": lambda t: t.neuro.join_properties(
        "size", on="root_id", how="inner", indicator="status", suffix="_x"
    ),
    "join to several columns": lambda t: t.assign(other=t["root_id"]).neuro.join_properties(
        "size", on=["root_id", "other"], indicator=True
    ),
    "join twice": lambda t: t.neuro.join_properties("size").neuro.join_properties("size"),
    "properties": lambda t: t["root_id"].neuro.properties("link_post", "connectivity"),
    "ids": lambda t: t["root_id"].neuro.ids().to_frame(),
    "edges": lambda t: t.neuro.edges(),
    "edges of a column": lambda t: t["root_id"].neuro.edges(min_weight=4, autapses=False),
    "within": lambda t: t.neuro.edges(on="root_id", within=True),
    "upstream": lambda t: t.neuro.upstream(min_weight=2),
    "downstream": lambda t: t["root_id"].neuro.downstream(),
    "records": lambda t: t["root_id"].neuro.records("connectivity"),
    "partners": lambda t: t.neuro.partners(min_weight=2),
    "downstream partners": lambda t: t["root_id"].neuro.partners(upstream=False),
    "strongest partners": lambda t: t.neuro.partners(group_by=labels(), cover=0.5, dropna=True),
    "partners by label": lambda t: t.neuro.partners(group_by=labels()),
    "two hops": lambda t: t.neuro.edges(hops=2, min_weight=30),
    "two hops downstream": lambda t: t.neuro.downstream(hops=2, min_weight=20, autapses=False),
}


@pytest.mark.parametrize("verb", NEURON_VERBS)
def test_queries_give_the_same_as_on_pandas(verb: str, scheduler: str, sandbox: Sandbox) -> None:
    lazy = NEURON_VERBS[verb](dd.from_pandas(neurons(), npartitions=3))
    assert not sandbox.requests  # no request so far
    expected = NEURON_VERBS[verb](neurons())
    if isinstance(expected, pd.Series):
        expected = expected.to_frame()
    with pdneuro.set_options(cache_dir=pdneuro.get_options()["cache_dir"] / scheduler):
        same(NEURON_VERBS[verb](dd.from_pandas(neurons(), npartitions=3)), expected)
        asked = [n for r in sandbox.requests for n in r.json()["segments"]]
    assert asked or verb == "ids"
    assert list(lazy.columns) == list(expected.columns)


def test_each_segment_is_requested_once(sandbox: Sandbox) -> None:
    with dask.config.set(scheduler="threads"):
        dd.from_pandas(neurons(), npartitions=5).neuro.edges().compute()
    asked = [n for r in sandbox.requests for n in r.json()["segments"]]
    assert sorted(asked) == sorted(set(neurons()["root_id"]))


def test_no_more_neurons_than_the_limit_are_requested(sandbox: Sandbox) -> None:
    lazy = dd.from_pandas(neurons().head(20), npartitions=2).neuro.edges(hops=3, max_nodes=100)
    with dask.config.set(scheduler="synchronous"), pytest.raises(errors.NodeBudgetError, match="hop 2"):
        lazy.compute()
    assert set(asked(sandbox)) == set(neurons().head(20)["root_id"])


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda t: t.neuro.edges(hops=0), "hops must be at least 1, not 0"),
        (lambda t: t.neuro.downstream(hops=-1), "hops must be at least 1, not -1"),
        (lambda t: t.neuro.partners(hops=2), r"partners are of one hop.*\.edges\(hops="),
        (lambda t: t.neuro.synapses(), "the columns of 'synapses' are not documented.*meta="),
        (lambda t: t["root_id"].neuro.cave("nuclei"), "the columns of 'nuclei' are not documented"),
        (lambda t: t.neuro.records("contacts"), "the columns of 'contacts' are not documented.*meta="),
        (
            lambda t: t.neuro.edges().neuro.fractions("both"),
            "of must be 'input' or 'output', not 'both'",
        ),
    ],
)
def test_wrong_arguments_are_errors_of_the_call(
    call: Callable[[Any], Any], words: str, sandbox: Sandbox
) -> None:
    with pytest.raises(ValueError, match=words):
        call(dd.from_pandas(neurons()[["root_id"]], npartitions=2))
    assert not sandbox.requests


def test_partners_of_one_hop_may_say_so(sandbox: Sandbox) -> None:
    lazy = dd.from_pandas(neurons().head(9), npartitions=2)
    with dask.config.set(scheduler="synchronous"):
        found, expected = (lazy.neuro.partners(**options).compute() for options in ({"hops": 1}, {}))
    assert len(found) == len(expected) > 0
