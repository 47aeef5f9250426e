"""The provenance of a table after a second step: each method keeps what the first step wrote."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

import pdneuro
from pdneuro import errors, graphs
from pdneuro.sandbox import Sandbox

LABELS = pd.Series({1: "a"}, name="type")
#: Methods of an edge table whose result is a frame or a series.
EDGE_METHODS: dict[str, Callable[[pd.DataFrame], pd.DataFrame | pd.Series]] = {
    "as_edges": lambda e: e.neuro.as_edges(),
    "as_edges of other names": lambda e: e.rename(
        columns={"pre": "source", "post": "target", "weight": "syn_count"}
    ).neuro.as_edges(),
    "as_edges of ends in the index": lambda e: e.set_index(["pre", "post"]).neuro.as_edges(),
    "threshold": lambda e: e.neuro.threshold(2),
    "threshold by row": lambda e: e.neuro.threshold(2, per="row"),
    "threshold of other names": lambda e: e.rename(
        columns={"pre": "src", "post": "dst"}
    ).neuro.threshold(2),
    "collapse": lambda e: e.neuro.collapse(),
    "collapse of repeated pairs": lambda e: pd.concat([e, e]).neuro.collapse(),
    "collapse by label": lambda e: e.neuro.collapse(LABELS),
    "annotate": lambda e: e.neuro.annotate(LABELS),
    "fractions": lambda e: e.neuro.fractions(total=pd.Series(10**6, index=e["post"].unique())),
    "fractions by the source": lambda e: e.neuro.fractions(total="source"),
    "sign": lambda e: e.assign(nt=np.where(e.index % 2, "ACH", "GABA")).neuro.sign(
        "nt", inhibitory="gaba", excitatory="ach"
    ),
    "degree": lambda e: e.neuro.degree(),
    "reciprocal": lambda e: e.neuro.reciprocal(),
    "motifs": lambda e: e.neuro.motifs(),
    "expand": lambda e: e.neuro.expand(downstream=False),
    "join_properties": lambda e: e.neuro.join_properties("link_pre", on="pre"),
    "join_structures": lambda e: e.assign(structure_id=385).neuro.join_structures("acronym"),
    "paths": lambda e: e.neuro.paths(e["pre"].head(3), e["post"].head(3)),
    "shortest_paths": lambda e: e.neuro.shortest_paths(e["pre"].head(3), e["post"].head(3)),
    "similarity": lambda e: e.neuro.similarity(),
    "similarity of the nearest": lambda e: e.neuro.similarity(top=2),
    "to_matrix": lambda e: e.neuro.to_matrix(),
    "to_matrix by label": lambda e: e.neuro.to_matrix(LABELS),
    "from_matrix": lambda e: graphs.from_matrix(e.neuro.to_matrix()),
    "from_networkx": lambda e: graphs.from_networkx(e.neuro.to_networkx()),
    "from_xarray": lambda e: graphs.from_xarray(e.neuro.to_xarray()),
}
#: Methods of a node table whose result is a frame or a series.
NODE_METHODS: dict[str, Callable[[pd.DataFrame], pd.DataFrame | pd.Series]] = {
    "check": lambda n: n.neuro.check(),
    "morphology": lambda n: n.neuro.morphology(),
    "cable_length": lambda n: n.neuro.cable_length(),
    "path_distance": lambda n: n.neuro.path_distance(),
    "from_tree": lambda n: graphs.from_tree(graphs.to_tree(n)),
}
#: Methods that add columns to a table of any kind.
JOINS: dict[str, Callable[[pd.DataFrame], pd.DataFrame]] = {
    "join_properties": lambda t: t.neuro.join_properties("size", on="root_id"),
    "join_structures": lambda t: t.neuro.join_structures("acronym"),
    "join_neuromorpho": lambda t: t.neuro.join_neuromorpho("species"),
    "join_morphometry": lambda t: t.neuro.join_morphometry("length"),
}


def facts(result: pd.DataFrame | pd.Series) -> dict[str, Any]:
    entry: dict[str, Any] = result.attrs["pdneuro"]
    assert json.loads(json.dumps(entry)) == entry
    return entry


def assert_kept(before: dict[str, Any], after: dict[str, Any], *changed: str) -> None:
    """Check that a later step only added a source and a query, and kept the other facts."""
    assert after["source"].split(" | ")[0] == before["source"]
    assert after["query"].split(" | ")[0] == before["query"]
    may_change = {"version", "source", "query", "requested_at", "materialized_timestamp", "asked_of"}
    for name in before.keys() - may_change - set(changed):
        assert (name, after.get(name)) == (name, before[name])


@pytest.mark.parametrize("method", EDGE_METHODS)
def test_a_method_of_an_edge_table_keeps_its_provenance(
    method: str, sandbox: Sandbox, ids: pd.Series
) -> None:
    edges = ids.neuro.upstream(min_weight=5)
    before = copy.deepcopy(edges)
    found = EDGE_METHODS[method](edges)
    assert (facts(before)["min_weight"], facts(before)["direction"]) == (5, "upstream")
    # Another hop asks about more neurons.
    changed = ["asked", "asked_per_hop"] if method == "expand" else []
    assert_kept(facts(before), facts(found), *changed)
    found.attrs["pdneuro"]["min_weight"] = 99
    pd.testing.assert_frame_equal(edges, before)
    assert edges.attrs == before.attrs


@pytest.mark.parametrize("method", NODE_METHODS)
def test_a_method_of_a_node_table_keeps_its_provenance(method: str, sandbox: Sandbox) -> None:
    nodes = pdneuro.neuromorpho.swc([1, 2])
    before = copy.deepcopy(nodes)
    found = NODE_METHODS[method](nodes)
    assert_kept(facts(before), facts(found))
    pd.testing.assert_frame_equal(nodes, before)
    assert nodes.attrs == before.attrs


@pytest.mark.parametrize("join", JOINS)
def test_a_join_keeps_the_provenance_of_its_table(join: str, sandbox: Sandbox, ids: pd.Series) -> None:
    table = ids.neuro.partners(min_weight=5, downstream=False).head(2)
    table = table.assign(root_id=table["partner"], structure_id=[385, 549], neuron_id=[1, 2])
    before = copy.deepcopy(table)
    found = JOINS[join](table)
    assert facts(before)["min_weight"] == 5
    assert_kept(facts(before), facts(found))
    assert facts(found)["query"] != facts(before)["query"]
    pd.testing.assert_frame_equal(table, before)
    assert table.attrs == before.attrs


def test_partners_say_where_they_came_from(sandbox: Sandbox, ids: pd.Series) -> None:
    for table in (
        ids.neuro.partners(min_weight=5, downstream=False),
        ids.to_frame().neuro.partners(min_weight=5, downstream=False),
        ids.neuro.partners(min_weight=5, downstream=False, group_by=LABELS),
        ids.to_frame()
        .assign(side="left")
        .groupby("side")
        .neuro.partners(min_weight=5, downstream=False),
    ):
        entry = facts(table)
        assert entry["source"] == ids.neuro.edges().attrs["pdneuro"]["source"]
        assert (entry["min_weight"], entry["direction"]) == (5, "upstream")
        assert table.neuro.provenance["source"].tolist() == [entry["source"]]


@pytest.mark.parametrize(
    "rename",
    [{}, {"pre": "source", "post": "target", "weight": "syn_count"}],
    ids=["standard names", "other names"],
)
def test_fractions_warn_of_a_threshold_that_was_applied_before_a_join(
    rename: dict[str, str], sandbox: Sandbox, ids: pd.Series
) -> None:
    edges = ids.neuro.edges(min_weight=5).neuro.join_properties("link_pre", on="pre")
    with pytest.warns(errors.IncompleteEdgesWarning, match="fewer than 5 synapses"):
        edges.rename(columns=rename).neuro.fractions()
    one_side = ids.neuro.downstream().neuro.join_properties("link_pre", on="pre")
    with pytest.warns(errors.IncompleteEdgesWarning, match="only downstream edges"):
        one_side.rename(columns=rename).neuro.fractions()


def test_each_query_is_listed_under_the_source_that_it_was_sent_to(
    sandbox: Sandbox, ids: pd.Series
) -> None:
    twice = ids.to_frame().neuro.join_properties("size").neuro.join_properties("link_post")
    table = twice.assign(structure_id=385).neuro.join_structures("acronym")
    table = table.neuro.join_properties("link_pre")
    found = table.neuro.provenance
    assert found["queries"].tolist() == [
        "join_properties(size); join_properties(link_post); join_properties(link_pre)",
        "join_structures(graph 1)",
    ]
