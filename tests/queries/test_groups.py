"""Grouped queries: groups of nothing, keys, categories; and partners without a label."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pandas as pd
import pytest

import pdneuro
from pdneuro import errors
from pdneuro.sandbox import Sandbox

IDS = [11, 12, 13, 14]
EDGES = pd.DataFrame({"pre": [11, 11, 12, 13], "post": [12, 13, 11, 14], "weight": [3, 4, 5, 6]})
NEURONS = pd.DataFrame({"root_id": IDS, "side": ["l", "r", "l", "r"], "cls": ["a", "b", "a", "c"]})
VERBS: dict[str, Callable[..., pd.DataFrame]] = {
    "edges": lambda groups, **options: groups.neuro.edges(**options),
    "within": lambda groups, **options: groups.neuro.edges(within=True, **options),
    "hops": lambda groups, **options: groups.neuro.edges(hops=2, **options),
    "upstream": lambda groups, **options: groups.neuro.upstream(**options),
    "downstream": lambda groups, **options: groups.neuro.downstream(**options),
    "partners": lambda groups, **options: groups.neuro.partners(**options),
    "labels": lambda groups, **options: groups.neuro.partners(group_by={11: "KC"}, **options),
}
NOTHING: dict[str, Callable[[], pd.DataFrame]] = {
    "no rows": lambda: NEURONS.iloc[:0],
    "no rows, Int64": lambda: NEURONS.iloc[:0].astype({"root_id": "Int64", "side": "category"}),
    "no keys": lambda: NEURONS.assign(side=None, cls=None),
}


@pytest.fixture(name="brain")
def local() -> pdneuro.Connectome:
    return pdneuro.Connectome(EDGES, NEURONS)


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("table", NOTHING)
@pytest.mark.parametrize("keys", ["side", ["side"], ["side", "cls"]])
def test_groups_of_nothing_give_what_the_ungrouped_call_gives(
    keys: Any, table: str, verb: str, brain: pdneuro.Connectome
) -> None:
    nothing = NOTHING[table]()
    expected = VERBS[verb](NEURONS.iloc[:0], source=brain)
    found = VERBS[verb](nothing.groupby(keys, observed=True), source=brain)
    assert found.columns.equals(expected.columns)
    assert found.dtypes.equals(expected.dtypes)
    assert found.empty
    names = [keys] if isinstance(keys, str) else keys
    assert list(found.index.names) == [*names, None]
    flat = VERBS[verb](nothing.groupby(keys, observed=True, as_index=False), source=brain)
    assert list(flat.columns) == [*names, *expected.columns]


def test_groups_of_a_column_can_be_empty(brain: pdneuro.Connectome) -> None:
    column = NEURONS["root_id"].iloc[:0]
    found = column.groupby(NEURONS["side"].iloc[:0]).neuro.edges(source=brain)
    assert found.dtypes.to_dict() == dict.fromkeys(["pre", "post", "weight"], "int64")
    assert len(NEURONS.iloc[:0].groupby("side").neuro.graph(source=brain)) == 0


def test_the_arguments_are_checked_without_groups() -> None:
    groups = NEURONS.iloc[:0].groupby("side")
    with pytest.raises(errors.UnknownSourceError):
        groups.neuro.edges()
    with pytest.raises(ValueError, match="min_weight"):
        groups.neuro.edges(min_weight=-1, source=pdneuro.Connectome(EDGES))


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("observed", [True, False])
@pytest.mark.parametrize("as_index", [True, False])
def test_two_keys_are_kept(as_index: bool, observed: bool, verb: str, brain: pdneuro.Connectome) -> None:
    """Categories without rows have no edges; ``observed`` decides whether they have a graph."""
    expected = VERBS[verb](NEURONS.groupby(["side", "cls"]), source=brain)
    table = NEURONS.assign(
        side=pd.Categorical(NEURONS["side"], ["l", "r", "unused"]), cls=pd.Categorical(NEURONS["cls"])
    )
    groups = table.groupby(["side", "cls"], observed=observed, as_index=as_index)
    found = VERBS[verb](groups, source=brain)
    if not as_index:
        found = found.astype({"side": object, "cls": object})
        expected = expected.reset_index(level=["side", "cls"]).reset_index(drop=True)
        pd.testing.assert_frame_equal(found, expected, check_dtype=False)
    else:
        assert found.index.tolist() == expected.index.tolist()
        assert found.reset_index(drop=True).equals(expected.reset_index(drop=True))
    graphs = groups.neuro.graph(source=brain)
    used = {("l", "a"), ("r", "b"), ("r", "c")}
    assert {key for key, graph in graphs.items() if len(graph)} == used
    assert len(graphs) == (3 if observed else 9)


def test_a_graph_within_neurons_has_all_of_them(brain: pdneuro.Connectome) -> None:
    asked = NEURONS.assign(root_id=[11, 12, 14, 99])
    graph = asked.neuro.graph(within=True, min_weight=4, source=brain, on_missing="ignore")
    assert set(graph) == {11, 12, 14, 99}
    assert set(graph.edges) == {(12, 11)}
    by_side = asked.groupby("side").neuro.graph(within=True, source=brain, on_missing="ignore")
    assert {side: set(of_side) for side, of_side in by_side.items()} == {"l": {11, 14}, "r": {12, 99}}


# -- partners without a label -----------------------------------------------------------------------


def test_partners_without_a_label_are_reported(brain: pdneuro.Connectome) -> None:
    labels = {11: "KC", 13: "MBON"}
    found = NEURONS.head(2).neuro.partners(group_by=labels, source=brain)
    assert found["weight"].sum() == 3 + 4 + 5 + 3 + 5
    unlabeled = found[found["partner"].isna()]
    assert unlabeled["weight"].sum() == 3 + 5
    assert found.attrs["pdneuro"]["without_label"] == 8
    dropped = NEURONS.head(2).neuro.partners(group_by=labels, dropna=True, source=brain)
    pd.testing.assert_frame_equal(
        dropped, found[found["partner"].notna()].reset_index(drop=True), check_dtype=False
    )
    assert dropped.attrs["pdneuro"]["without_label"] == 8


def test_partners_by_category(brain: pdneuro.Connectome) -> None:
    labels = pd.Series(
        pd.Categorical(["KC", "MBON", "KC"], ["unused", "MBON", "KC"]), index=[11, 12, 13]
    )
    found = NEURONS.head(1).neuro.partners(
        group_by=labels, downstream=True, upstream=False, observed=False, sort=True, source=brain
    )
    assert found["partner"].tolist() == ["unused", "MBON", "KC"]
    assert found["weight"].tolist() == [0, 3, 4]
    assert found["n_partners"].tolist() == [0, 1, 1]


def test_options_of_partners_are_checked_before_a_request(sandbox: Sandbox) -> None:
    sides = pdneuro.sandbox.neurons().head(20).groupby("side")
    for options, words in (({"top": 0}, "top must be"), ({"cover": 0}, "cover must be")):
        with pytest.raises(ValueError, match=words):
            sides.neuro.partners(**options)
    assert not sandbox.requests
