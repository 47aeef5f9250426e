"""The order of rows does not change a result: shuffled tables give the same values."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import networkx as nx
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import pdneuro
from pdneuro import allen, graphs, tables
from pdneuro.sandbox import Sandbox

BASE = 720575940600000000
LABELS = {BASE + 1: "KC", BASE + 2: "MBON", BASE + 3: "KC", BASE + 4: None}
NEURONS = pd.DataFrame(
    {
        "root_id": [BASE + 3, BASE + 1, BASE + 4, BASE + 2],
        "type": ["KC", "KC", None, "MBON"],
        "size": pd.array([2**60 + 1, None, 3, 4], "Int64"),
    }
)
rows = st.lists(
    st.tuples(st.integers(1, 6), st.integers(1, 6), st.integers(0, 9), st.sampled_from(["ME", "LO"])),
    min_size=1,
    max_size=25,
)


def by_index(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.sort_index()


def by_values(frame: pd.DataFrame) -> pd.DataFrame:
    order = frame.astype(str).sort_values(list(frame.columns)).index
    return frame.loc[order].reset_index(drop=True)


def as_graph(graph: nx.DiGraph) -> dict[str, Any]:
    return {
        "nodes": {node: dict(data) for node, data in graph.nodes(data=True)},
        "edges": {(pre, post): data for pre, post, data in graph.edges(data=True)},
    }


def annotated(edges: pd.DataFrame) -> pd.DataFrame:
    return edges.neuro.annotate(NEURONS, ["type", "size"])


#: Each method with the form in which two results are compared.
METHODS: dict[str, Callable[[pd.DataFrame], Any]] = {
    "as_edges": lambda e: by_index(e.rename(columns={"pre": "src", "post": "dst"}).neuro.as_edges()),
    "threshold": lambda e: by_index(e.neuro.threshold(6)),
    "threshold by row": lambda e: by_index(e.neuro.threshold(6, per="row")),
    "collapse": lambda e: by_values(e.neuro.collapse()),
    "collapse by region": lambda e: by_values(tables.collapse(e, roi=True)),
    "collapse with hops": lambda e: by_values(e.assign(hop=e["weight"] % 3 + 1).neuro.collapse()),
    "collapse by label": lambda e: by_values(e.neuro.collapse(LABELS)),
    "collapse by columns": lambda e: by_values(annotated(e).neuro.collapse(["type", "size"])),
    "annotate": lambda e: by_index(annotated(e)),
    "fractions of input": lambda e: by_index(e.neuro.fractions()),
    "fractions of output": lambda e: by_index(e.neuro.fractions("output")),
    "sign": lambda e: by_index(e.neuro.sign("roi", inhibitory="lo", excitatory="me", check=False)),
    "degree": lambda e: e.neuro.degree(),
    "reciprocal": lambda e: by_index(e.neuro.reciprocal()),
    "motifs": lambda e: e.neuro.motifs(),
    "paths": lambda e: by_values(e.neuro.paths([BASE + 1, BASE + 2], [BASE + 3, BASE + 4])),
    "shortest_paths": lambda e: by_values(
        e.neuro.shortest_paths([BASE + 1, BASE + 2], [BASE + 3, BASE + 4])[["source", "target", "cost"]]
    ),
    "similarity": lambda e: e.neuro.similarity(),
    "similarity by jaccard": lambda e: e.neuro.similarity("jaccard", "input"),
    "similarity of the nearest": lambda e: e.neuro.similarity("jaccard", top=2),
    "to_matrix": lambda e: e.neuro.to_matrix(),
    "to_matrix by label": lambda e: e.neuro.to_matrix(LABELS),
    "to_sparse": lambda e: pd.DataFrame(e.neuro.to_sparse()[0].toarray()),
    "from_matrix": lambda e: graphs.from_matrix(e.neuro.to_matrix()),
    "to_xarray": lambda e: pd.DataFrame(annotated(e).neuro.to_xarray(fill_value=0).to_numpy()),
    "to_networkx": lambda e: as_graph(e.neuro.to_networkx(NEURONS)),
}


@pytest.mark.parametrize("method", METHODS)
@given(cells=rows, seed=st.integers(0, 2**32 - 1))
@settings(deadline=None, max_examples=12)
def test_methods_of_an_edge_table(
    method: str, cells: list[tuple[int, int, int, str]], seed: int
) -> None:
    edges = pd.DataFrame(cells, columns=["pre", "post", "weight", "roi"])
    edges = edges.assign(pre=edges["pre"] + BASE, post=edges["post"] + BASE)
    shuffled = edges.sample(frac=1, random_state=seed)
    expected, found = METHODS[method](edges), METHODS[method](shuffled)
    if isinstance(found, pd.Series):
        pd.testing.assert_series_equal(found, expected)
    elif isinstance(found, pd.DataFrame):
        pd.testing.assert_frame_equal(found, expected)
    else:
        assert found == expected


@given(order=st.permutations(range(4)))
def test_rows_of_the_neurons_that_annotate_edges(order: list[int]) -> None:
    edges = pd.DataFrame({"pre": [BASE + 1, BASE + 9], "post": [BASE + 3, BASE + 4], "weight": 1})
    found = edges.neuro.annotate(NEURONS.iloc[order], ["type", "size"])
    assert found["type_pre"].fillna("-").tolist() == ["KC", "-"]
    assert found["size_post"].tolist() == [2**60 + 1, 3]


@pytest.fixture(scope="module")
def brain() -> Iterator[Sandbox]:
    """One sandbox for all examples: they send the same few requests."""
    with pdneuro.sandbox.start() as running, pdneuro.set_options(progress=False):
        yield running


#: Methods that look up values for the rows of a table with neurons and structures.
LOOK_UPS: dict[str, Callable[[pd.DataFrame], pd.DataFrame | pd.Series]] = {
    "properties": lambda t: t["root_id"].neuro.properties("link_pre", "nucleus"),
    "join_properties": lambda t: t.neuro.join_properties("link_pre", on="root_id"),
    "structures": lambda t: t["structure_id"].neuro.structures("acronym", "depth"),
    "join_structures": lambda t: t.neuro.join_structures("acronym", on="structure_id"),
    "rollup": lambda t: t["structure_id"].neuro.rollup(["CTX", "TH"]),
    "is_under": lambda t: t["structure_id"].neuro.is_under("CTX"),
    "join_neuromorpho": lambda t: t.neuro.join_neuromorpho("species"),
    "join_morphometry": lambda t: t.neuro.join_morphometry("length"),
}


@pytest.mark.parametrize("look_up", LOOK_UPS)
def test_values_looked_up_for_the_rows_of_a_table(look_up: str, brain: Sandbox) -> None:
    ids = pdneuro.sandbox.neurons()["root_id"].head(6).tolist()
    table = pd.DataFrame(
        {
            "root_id": pd.array([*ids, None, ids[0]], "Int64"),
            "structure_id": pd.array([385, -385, 549, 0, None, 997, 385, 8], "Int64"),
            "neuron_id": pd.array([1, 2, 3, None, 1, 2, 3, 1], "Int64"),
        },
        index=list("hgfedcba"),
    )
    expected = LOOK_UPS[look_up](table)
    assert expected.notna().any(axis=None)
    for seed in range(3):
        shuffled = table.sample(frac=1, random_state=seed)
        found = LOOK_UPS[look_up](shuffled)
        assert found.index.equals(shuffled.index)
        back = found.loc[table.index]
        if isinstance(expected, pd.DataFrame):
            pd.testing.assert_frame_equal(pd.DataFrame(back), expected)
        else:
            pd.testing.assert_series_equal(back, expected)


@pytest.mark.parametrize("group_by", [None, LABELS])
def test_partners_of_shuffled_neurons(group_by: dict[int, str] | None, brain: Sandbox) -> None:
    ids = pdneuro.sandbox.neurons()["root_id"].head(12)
    labels = None if group_by is None else pdneuro.sandbox.neurons().set_index("root_id")["cell_type"]
    expected = ids.neuro.partners(group_by=labels)
    found = ids.sample(frac=1, random_state=1).neuro.partners(group_by=labels)
    pd.testing.assert_frame_equal(found, expected)


@given(seed=st.integers(0, 2**32 - 1))
@settings(deadline=None, max_examples=5)
def test_a_structure_tree_from_shuffled_rows(seed: int, brain: Sandbox) -> None:
    whole = allen.structure_tree()
    rows = whole.frame.drop(columns=["depth", "structure_id_path"])
    shuffled = type(whole)(rows.sample(frac=1, random_state=seed))
    pd.testing.assert_frame_equal(shuffled.frame, whole.frame)


#: Measures of a node table, in a form that does not depend on the order of its rows.
MEASURES: dict[str, Callable[[pd.DataFrame], Any]] = {
    "path_distance": lambda n: n.neuro.path_distance().sort_index(),
    "cable_length": lambda n: n.neuro.cable_length().sort_index(),
    "cable_length by type": lambda n: n.neuro.cable_length(["neuron", "type"]).sort_index(),
    "morphology": lambda n: n.neuro.morphology().sort_index(),
    "check": lambda n: by_values(n.neuro.check().drop(columns="row")),
}


@pytest.mark.parametrize("measure", MEASURES)
def test_measures_of_shuffled_nodes(measure: str, brain: Sandbox) -> None:
    nodes = pdneuro.neuromorpho.swc([1, 2])
    nodes.loc[5, "parent"] = 9999
    one = nodes[nodes["neuron"] == 1]
    for table in (nodes, one, one.drop(columns="neuron")):
        if measure == "cable_length by type" and "neuron" not in table.columns:
            continue
        expected = MEASURES[measure](table)
        assert len(expected) > 0
        for seed in range(3):
            found = MEASURES[measure](table.sample(frac=1, random_state=seed))
            if isinstance(found, pd.DataFrame):
                pd.testing.assert_frame_equal(found, expected)
            else:
                np.testing.assert_allclose(found, expected)
                assert found.index.equals(expected.index)
