"""Edges, hops, partners and graphs of segments."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import networkx as nx
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import pdneuro
from pdneuro import errors
from pdneuro.queries import edges as edge_queries
from pdneuro.queries import properties as property_queries
from pdneuro.sandbox import Sandbox
from pdneuro.sandbox.connectome import Connectome
from pdneuro.tables import as_edges, collapse, threshold
from tests.conftest import shared

BASE = 720575940600000000


def ordered(edges: pd.DataFrame) -> pd.DataFrame:
    columns = ["pre", "post", "weight"]
    return edges[columns].sort_values(columns, ignore_index=True)


def test_the_edges_of_all_neurons_are_the_whole_brain(sandbox: Sandbox) -> None:
    neurons = pdneuro.sandbox.neurons()
    found = neurons.neuro.edges(on="root_id")
    assert found.dtypes.eq("int64").all()
    assert isinstance(found.index, pd.RangeIndex)
    pd.testing.assert_frame_equal(ordered(found), ordered(pdneuro.sandbox.edges()))


small = st.lists(
    st.tuples(st.integers(1, 8), st.integers(1, 8), st.integers(1, 9)),
    unique_by=lambda e: e[:2],
    max_size=30,
)


@given(
    pairs=small,
    asked=st.sets(st.integers(1, 9), min_size=1),
    upstream=st.booleans(),
    downstream=st.booleans(),
    hops=st.integers(1, 3),
    min_weight=st.integers(1, 5),
    within=st.booleans(),
    autapses=st.booleans(),
)
@settings(max_examples=60, deadline=None)
def test_edges_agree_with_a_plain_breadth_first_search(
    sandbox: Sandbox,
    pairs: list[tuple[int, int, int]],
    asked: set[int],
    upstream: bool,
    downstream: bool,
    hops: int,
    min_weight: int,
    within: bool,
    autapses: bool,
) -> None:
    if not (upstream or downstream):
        return
    table = pd.DataFrame(pairs, columns=["pre", "post", "weight"], dtype="int64")
    neurons = pd.DataFrame({"root_id": range(1, 10)})
    sandbox.braincircuits = type(sandbox.braincircuits)(Connectome(table, neurons))
    sandbox._server.apps["/braincircuits"] = sandbox.braincircuits
    found = pd.Series(sorted(asked)).neuro.edges(
        upstream=upstream,
        downstream=downstream,
        hops=hops,
        min_weight=min_weight,
        within=within,
        autapses=autapses,
        refresh=True,
    )
    expected: dict[tuple[int, int, int], int] = {}
    seen, front = set(), set(asked)
    for hop in range(1, hops + 1):
        reached: set[int] = set()
        for pre, post, weight in pairs:
            if weight >= min_weight and ((downstream and pre in front) or (upstream and post in front)):
                expected.setdefault((pre, post, weight), hop)
                reached |= ({post} if downstream else set()) | ({pre} if upstream else set())
        seen |= front
        front = reached - seen
    if within:
        expected = {e: 1 for e, hop in expected.items() if hop == 1 and {e[0], e[1]} <= asked}
    expected = {e: hop for e, hop in expected.items() if autapses or e[0] != e[1]}
    rows = list(found[["pre", "post", "weight"]].itertuples(index=False, name=None))
    assert sorted(rows) == sorted(expected)
    if hops > 1:
        assert {tuple(row[:3]): row[3] for row in found.itertuples(index=False, name=None)} == expected


def test_hops_stop_before_the_request_that_would_exceed_the_budget(
    sandbox: Sandbox, ids: pd.Series
) -> None:
    one_hop = ids.neuro.edges(min_weight=3)
    reached = len(set(one_hop["pre"]) | set(one_hop["post"]) | set(ids))
    asked = len(sandbox.requests)
    with pytest.raises(
        errors.NodeBudgetError, match=rf"hop 2 .* {reached:,} in total.*max_nodes={reached - 1:,}"
    ):
        ids.neuro.edges(hops=2, min_weight=3, max_nodes=reached - 1)
    assert len(sandbox.requests) == asked
    assert "hop" in ids.neuro.edges(hops=2, min_weight=3, max_nodes=reached)
    with pytest.raises(errors.NodeBudgetError):
        ids.neuro.edges(max_nodes=9)
    with pytest.raises(ValueError, match="hops"):
        ids.neuro.edges(hops=0)


def test_upstream_and_downstream_are_the_two_directions(sandbox: Sandbox, ids: pd.Series) -> None:
    edges = pdneuro.sandbox.edges()
    pd.testing.assert_frame_equal(ordered(ids.neuro.upstream()), ordered(edges[edges["post"].isin(ids)]))
    pd.testing.assert_frame_equal(
        ordered(ids.neuro.downstream()), ordered(edges[edges["pre"].isin(ids)])
    )
    frame = ids.to_frame()
    pd.testing.assert_frame_equal(frame.neuro.upstream(), ids.neuro.upstream())
    pd.testing.assert_frame_equal(
        frame.neuro.downstream(min_weight=4), ids.neuro.downstream(min_weight=4)
    )


def test_partners_are_summed_over_the_segments(sandbox: Sandbox, ids: pd.Series) -> None:
    found = ids.neuro.partners(min_weight=2)
    assert list(found.columns) == ["partner", "direction", "weight", "n_neurons"]
    edges = pdneuro.sandbox.edges().query("weight >= 2")
    down = (
        edges[edges["pre"].isin(ids)].groupby("post").agg(weight=("weight", "sum"), n=("pre", "nunique"))
    )
    mine = found[found["direction"] == "downstream"].set_index("partner").sort_index()
    assert mine["weight"].tolist() == down["weight"].tolist()
    assert mine["n_neurons"].tolist() == down["n"].tolist()
    assert found["weight"].is_monotonic_decreasing
    only = ids.neuro.partners(upstream=False, min_weight=2)
    assert set(only["direction"]) == {"downstream"}


def test_partners_by_label(sandbox: Sandbox, ids: pd.Series) -> None:
    neurons = pdneuro.sandbox.neurons()
    types = neurons.set_index("root_id")["cell_type"].iloc[:-500]
    found = ids.neuro.partners(group_by=types)
    assert {"partner", "n_partners"} <= set(found.columns)
    assert found["weight"].sum() == ids.neuro.partners()["weight"].sum()
    same = ids.neuro.partners(group_by=types.to_dict())
    pd.testing.assert_frame_equal(found.drop(columns="partner"), same.drop(columns="partner"))
    assert found["partner"].dropna().tolist() == same["partner"].dropna().tolist()
    by_column = neurons.head(10).neuro.partners(group_by="cell_type")
    assert by_column["partner"].isna().any()
    with pytest.raises(ValueError, match="several rows"):
        ids.neuro.partners(group_by=pd.concat([types, types]))
    with pytest.raises(TypeError, match="'cell_type' names a column, but ids is not a DataFrame"):
        ids.neuro.partners(group_by="cell_type")


def test_groups_share_one_download_and_stay_separate(sandbox: Sandbox) -> None:
    neurons = pdneuro.sandbox.neurons().head(60)
    groups = neurons.groupby("side")
    inside = groups.neuro.edges(within=True)
    assert inside.index.names == ["side", None]
    for side, part in neurons.groupby("side"):
        expected = part.neuro.edges(within=True)
        pd.testing.assert_frame_equal(ordered(inside.loc[side]), ordered(expected))
    assert len(sandbox.requests) == 1
    by_list = neurons.groupby(["side"])["root_id"].neuro.upstream(min_weight=3)
    assert set(by_list.index.get_level_values("side")) == {"left", "right"}
    two = neurons.groupby(["side", "cell_class"]).neuro.downstream(on="root_id")
    assert two.index.names == ["side", "cell_class", None]
    graphs = groups.neuro.graph(within=True)
    assert graphs.loc["left"].number_of_edges() == len(inside.loc["left"])
    partners = groups.neuro.partners(upstream=False)
    left = neurons[neurons["side"] == "left"].neuro.partners(upstream=False)
    pd.testing.assert_frame_equal(partners.loc["left"], left)
    far = groups.neuro.edges(hops=2, min_weight=30)
    assert far["hop"].max() == 2
    assert "2 groups" in repr(groups.neuro)


@pytest.mark.parametrize(
    "entry",
    [
        {"downstream": [{"segmentid": "2", "synaptic_count": 5, "roi": "ME"}], "upstream": []},
        {"downstream": [{"segment_id": 2, "count": 5}], "upstream": []},
        {"downstream": [{"segmentid": "2", "synaptic_count": 5}]},
    ],
)
def test_partners_in_another_format_are_read(sandbox: Sandbox, entry: dict[str, Any]) -> None:
    sandbox.fail(body=json.dumps({"materialized_timestamp": 1, "results": {"1": entry}}).encode())
    assert pd.Series([1]).neuro.edges().to_numpy().tolist() == [[1, 2, 5]]
    assert "segment_id" in pd.Series([1]).neuro.records("connectivity")
    assert len(sandbox.requests) == 1


def test_partners_without_an_entry_per_segment_are_read_for_one_segment(sandbox: Sandbox) -> None:
    sandbox.fail(body=b'{"downstream": [{"segmentid": "2", "synaptic_count": 5}], "upstream": []}')
    assert pd.Series([1]).neuro.edges().to_numpy().tolist() == [[1, 2, 5]]


@pytest.mark.parametrize(
    "entry",
    [
        {"downstream": [{"segmentid": "x", "synaptic_count": 1}]},
        {"downstream": [{"who": 1}]},
        [[1, 2]],
        "no",
    ],
)
def test_invalid_partners_are_an_error_and_not_cached(sandbox: Sandbox, entry: Any) -> None:
    sandbox.fail(body=json.dumps({"results": {"1": entry}}).encode())
    with pytest.raises(errors.InvalidResponseError):
        pd.Series([1]).neuro.edges()
    assert pdneuro.cache.info().empty


def test_counts_beyond_30_bits_stay_exact(sandbox: Sandbox) -> None:
    weight = 2**40 + 1
    entry = {"downstream": [{"segmentid": "2", "synaptic_count": weight}], "upstream": []}
    sandbox.fail(body=json.dumps({"results": {"1": entry}}).encode())
    assert pd.Series([1]).neuro.edges()["weight"].tolist() == [weight]


def test_different_weights_at_the_two_ends_are_a_warning(sandbox: Sandbox) -> None:
    results = {
        "1": {"downstream": [{"segmentid": "2", "synaptic_count": 5}], "upstream": []},
        "2": {"downstream": [], "upstream": [{"segmentid": "1", "synaptic_count": 4}]},
    }
    sandbox.fail(body=json.dumps({"results": results}).encode())
    with pytest.warns(errors.InconsistentEdgesWarning, match="1 edges"):
        found = pd.Series([1, 2]).neuro.edges()
    assert found.to_numpy().tolist() == [[1, 2, 5]]


def test_records_of_one_partner_are_added_once_per_end_with_a_warning(sandbox: Sandbox) -> None:
    rows = [{"segmentid": "2", "synaptic_count": 3}, {"segmentid": "2", "synaptic_count": 4}]
    back = [{"segmentid": "1", "synaptic_count": 3}, {"segmentid": "1", "synaptic_count": 4}]
    results = {"1": {"downstream": rows, "upstream": []}, "2": {"downstream": [], "upstream": back}}
    sandbox.fail(times=2, body=json.dumps({"results": results}).encode())
    for _ in range(2):  # such a response is not cached
        with pytest.warns(errors.UnexpectedResponseWarning, match="2 neurons .* 2 records"):
            found = pd.Series([1, 2]).neuro.edges(min_weight=5)
        assert found.to_numpy().tolist() == [[1, 2, 7]]


class TestGraph:
    """Edge tables to networkx."""

    edges = pd.DataFrame(
        {
            "pre": [BASE + 1, BASE + 1, BASE + 2],
            "post": [BASE + 2, BASE + 2, BASE + 1],
            "weight": [3, 4, 5],
        }
    )

    def test_directed_summed_python_integers(self) -> None:
        graph = self.edges.neuro.to_networkx()
        assert isinstance(graph, nx.DiGraph)
        assert list(graph.edges(data="weight")) == [(BASE + 1, BASE + 2, 7), (BASE + 2, BASE + 1, 5)]
        assert {type(node) for node in graph} == {int}
        assert {type(weight) for *_, weight in graph.edges(data="weight")} == {int}

    def test_same_as_networkx_own(self, sandbox: Sandbox, ids: pd.Series) -> None:
        edges = ids.neuro.edges()
        plain = nx.from_pandas_edgelist(edges, "pre", "post", "weight", create_using=nx.DiGraph)
        graph = ids.neuro.graph()
        assert list(graph) == list(plain)
        assert dict(graph.adjacency()) == dict(plain.adjacency())
        assert json.loads(graph.graph["pdneuro"])["source"].startswith("sandbox:braincircuits:")

    def test_columns_of_nodes_become_attributes(self) -> None:
        nodes = pd.DataFrame(
            {
                "root_id": [BASE + 1, BASE + 9, None],
                "side": ["left", None, "x"],
                "n": pd.array([1, 2, 3], "Int64"),
            }
        ).astype({"root_id": "Int64"})
        nodes["root_id"] = pd.array([BASE + 1, BASE + 9, None], "Int64")
        graph = self.edges.neuro.to_networkx(nodes)
        assert graph.nodes[BASE + 1] == {"side": "left", "n": 1}
        assert graph.nodes[BASE + 9] == {"n": 2}
        assert graph.nodes[BASE + 2] == {}

    def test_hops_become_attributes(self, sandbox: Sandbox, ids: pd.Series) -> None:
        graph = ids.neuro.graph(hops=2, min_weight=20)
        assert {hop for *_, hop in graph.edges(data="hop")} == {1, 2}


class TestTables:
    """Pure functions on edge tables."""

    def test_threshold_by_pair_and_by_row(self) -> None:
        edges = pd.DataFrame(
            {"pre": [1, 1, 2, 2], "post": [2, 2, 1, 3], "weight": [3, 4, 5, 1], "roi": list("abab")}
        )
        assert edges.neuro.threshold(5).index.tolist() == [0, 1, 2]
        assert edges.neuro.threshold(4, per="row").index.tolist() == [1, 2]
        with pytest.raises(ValueError, match="per must be"):
            threshold(edges, 1, per="column")
        everything = edges.neuro.threshold(1)
        everything.loc[0, "weight"] = 99
        assert edges.loc[0, "weight"] == 3

    def test_column_names_of_other_tools_are_recognized(self) -> None:
        for pre, post in (
            ("pre", "post"),
            ("source", "target"),
            ("pre_pt_root_id", "post_pt_root_id"),
            ("src", "dst"),
        ):
            table = pd.DataFrame(
                {"x": ["a"], post: [str(BASE)], pre: [BASE + 1], "syn_count": [2.0], "neuropil": ["ME"]}
            )
            found = table.neuro.as_edges()
            assert list(found.columns) == ["pre", "post", "weight", "roi", "x"]
            assert found.iloc[0, :3].tolist() == [BASE + 1, BASE, 2]
        synapses = pd.DataFrame({"pre": [1, 1], "post": [2, 2]})
        assert collapse(synapses)["weight"].tolist() == [2]

    @pytest.mark.parametrize(
        ("weights", "words"),
        [
            ([1.5], "not integers"),
            ([None], "missing"),
            ([-1], "negative"),
            (["many"], "not integers"),
            ([True], "bool"),
        ],
    )
    def test_weights_are_whole_numbers(self, weights: list[Any], words: str) -> None:
        with pytest.raises(errors.InvalidEdgesError, match=words):
            as_edges(pd.DataFrame({"pre": [1], "post": [2], "weight": weights}))

    @pytest.mark.parametrize(
        "weights",
        [
            ["10000000000000000000"],
            np.array([2**63 + 5], "uint64"),
            np.array([2**63 + 5], ">u8"),
            pd.array([2**63 + 5], "UInt64"),
            [2**70],
            [1e19],
            [1e17],
            [Decimal("1e40")],
            np.array([np.inf]),
        ],
    )
    def test_weights_beyond_64_bits_are_an_error_with_the_likely_cause(self, weights: Any) -> None:
        with pytest.raises(errors.InvalidEdgesError, match="'weight' is not a column of IDs"):
            as_edges(pd.DataFrame({"pre": [1], "post": [2], "weight": weights}))

    @pytest.mark.parametrize(
        "weights",
        [
            ["9007199254740993", "1.0"],
            pd.Series([9007199254740993, 1], dtype=object),
            pd.Series(["9007199254740993", 1.0], dtype=object),
            np.array([9007199254740993, 1], np.longdouble),
            pd.Categorical(["9007199254740993", "1"]),
            pd.arrays.SparseArray([9007199254740993, 1]),
            [Decimal("9007199254740993"), Decimal(1)],
        ],
    )
    def test_weights_of_any_form_are_exact(self, weights: Any) -> None:
        found = as_edges(pd.DataFrame({"pre": [1, 2], "post": [2, 1], "weight": weights}))
        assert found["weight"].tolist() == [9007199254740993, 1]
        assert found["weight"].dtype == "int64"

    @pytest.mark.parametrize("hops", [["2", "1"], [2.0, 1.0], pd.array([2, 1], "Int8")])
    def test_hops_of_any_form_are_integers(self, hops: Any) -> None:
        table = pd.DataFrame({"pre": [1, 1], "post": [2, 2], "weight": 1, "hop": hops})
        assert table.neuro.collapse()["hop"].tolist() == [1]

    @pytest.mark.parametrize(("hops", "words"), [(["a", "1"], "not a number"), ([1.0, None], "missing")])
    def test_other_hops_are_an_error(self, hops: Any, words: str) -> None:
        table = pd.DataFrame({"pre": [1, 1], "post": [2, 2], "weight": 1, "hop": hops})
        with pytest.raises(errors.InvalidEdgesError, match=f"'hop' are .*{words}"):
            table.neuro.collapse()

    def test_rows_without_an_end_are_dropped_with_a_warning(self) -> None:
        table = pd.DataFrame({"pre": [1, 0, 3], "post": pd.array([2, 2, None], "Int64"), "weight": 1})
        with pytest.warns(errors.DroppedRowsWarning, match="2 of 3 edges"):
            assert as_edges(table).index.tolist() == [0]

    def test_repeated_columns_are_named(self) -> None:
        table = pd.DataFrame([[1, 2, 3, 4]], columns=["pre", "post", "weight", "weight"])
        with pytest.raises(errors.AmbiguousColumnError, match="weight"):
            table.neuro.threshold(1)

    def test_provenance_of_numpy_arguments_is_json(self, sandbox: Sandbox, ids: pd.Series) -> None:
        found = ids.neuro.edges(min_weight=pd.Series([2]).iloc[0])
        assert json.loads(json.dumps(found.attrs)) == found.attrs
        assert type(found.attrs["pdneuro"]["min_weight"]) is int
        plain, numpy = (table.attrs["pdneuro"] for table in (ids.neuro.edges(min_weight=2), found))
        assert numpy == {**plain, "requested_at": numpy["requested_at"]}

    def test_an_ambiguous_column_is_an_error_that_lists_the_candidates(self) -> None:
        table = pd.DataFrame({"pre": [1], "post": [2], "source": [1], "target": [2]})
        with pytest.raises(errors.AmbiguousColumnError, match="source"):
            as_edges(table)
        assert as_edges(table, pre="source", post="target").iloc[0].tolist()[:2] == [1, 2]
        with pytest.raises(errors.AmbiguousColumnError, match="weight"):
            as_edges(pd.DataFrame({"pre": [1], "post": [2], "count": [1], "syn_count": [1]}))
        with pytest.raises(errors.MissingColumnsError, match="no pre- and postsynaptic IDs"):
            as_edges(pd.DataFrame({"a": [1], "b": [2]}))


def test_one_hop_has_no_limit_of_neurons_and_two_hops_have(tmp_path: Any) -> None:
    neurons = pd.Series(range(BASE, BASE + 60_001), name="root_id")
    chain = pd.DataFrame({"pre": neurons[:-1].array, "post": neurons[1:].array, "weight": 7})
    with pdneuro.sandbox.start(edges=chain, cache_dir=tmp_path) as sandbox:
        how = {"batch_size": 10_000, "progress": False}
        pd.testing.assert_frame_equal(ordered(neurons.neuro.edges(**how)), chain)
        asked = len(sandbox.requests)
        assert asked == 7
        with pytest.raises(errors.NodeBudgetError, match=r"max_nodes=50,000"):
            neurons.neuro.edges(hops=2, **how)
        assert len(sandbox.requests) == asked
        more = neurons.neuro.edges(hops=2, max_nodes=60_001, **how)
        pd.testing.assert_frame_equal(ordered(more), chain)


def test_a_real_connectome_equals_its_file(tmp_path: Any) -> None:
    """The chain of the design, on a server loaded with real edges and real IDs."""
    edges_file = shared("braincircuits/G_edgelist.txt.gz")
    ids_file = shared("braincircuits/Completeness_783.csv.gz")
    raw = pd.read_csv(edges_file, sep=" ", header=None, names=["pre", "post", "weight"]).astype("int64")
    with pdneuro.sandbox.start(edges=edges_file, neurons=ids_file, cache_dir=tmp_path) as sandbox:
        assert len(sandbox.braincircuits.connectome.ids) == 138_639 + 3_554
        larva = pd.DataFrame({"root_id": pd.unique(raw[["pre", "post"]].to_numpy().ravel())})
        found = larva.neuro.edges(on="root_id")
        pd.testing.assert_frame_equal(ordered(found), ordered(raw))
        graph = (
            larva.assign(root_id=larva["root_id"].astype("Int64"))
            .neuro.join_properties("link_pre", "neurotransmitter", on="root_id")
            .query("nr_pre > 100")
            .neuro.edges(on="root_id", downstream=True, upstream=False, min_weight=5)
            .neuro.threshold(5)
            .neuro.to_networkx()
        )
        strong = raw.groupby("pre")["weight"].sum().loc[lambda s: s > 100].index
        expected = raw[raw["pre"].isin(strong) & (raw["weight"] >= 5)]
        assert set(graph.edges(data="weight")) == set(expected.itertuples(index=False, name=None))
        known = pd.read_csv(ids_file, index_col=0).iloc[::10].neuro.join_properties("link_pre")
        assert known["nr_pre"].eq(0).all()
        assert edge_queries.edges(known.index.to_series()).empty


def test_keys_of_groups_become_columns_as_in_pandas(sandbox: Sandbox) -> None:
    neurons = pdneuro.sandbox.neurons().head(60)
    keys = ["side", "cell_type"]
    levels = neurons.groupby(keys).neuro.edges(min_weight=5)
    columns = neurons.groupby(keys, as_index=False).neuro.edges(min_weight=5)
    assert columns.columns.tolist() == [*keys, "pre", "post", "weight"]
    expected = levels.reset_index(level=keys).reset_index(drop=True)
    pd.testing.assert_frame_equal(columns, expected)


@pytest.mark.parametrize(
    "call",
    [
        lambda ids, **more: edge_queries.edges(ids, **more),
        lambda ids, **more: property_queries.properties(ids, "size", **more),
        lambda ids, **more: edge_queries.partners(ids, **more),
    ],
)
def test_an_unknown_argument_of_a_request_is_an_error_with_the_known_ones(
    call: Any, sandbox: Sandbox, ids: pd.Series
) -> None:
    with pytest.raises(
        TypeError, match=r"argument 'batchsize'.*'batch_size'\? The arguments are batch_si"
    ):
        call(ids, batchsize=2)
    assert not sandbox.requests


@pytest.mark.parametrize("spec", ["x" * 5000, "x" * 5000 + "/y", "a\0b"])
def test_a_source_that_no_file_can_be_named_is_unknown(
    spec: str, sandbox: Sandbox, ids: pd.Series
) -> None:
    # With a slash, it is the path of files with skeletons.
    for call in (ids.neuro.edges, *([] if "/" in spec else [ids.neuro.skeletons])):
        with pytest.raises(errors.UnknownSourceError, match="unknown source"):
            call(source=spec)
    assert not sandbox.requests
