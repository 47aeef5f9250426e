"""Methods of edge tables: sums, labels, fractions, signs, counts, paths, similarity."""

from __future__ import annotations

import json
import sys
from typing import Any

import networkx as nx
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import pdneuro
from pdneuro import errors, graphs, tables
from pdneuro.sandbox import Sandbox

BASE = 720575940600000000
KC = pd.DataFrame(
    {
        "pre": [BASE + 1, BASE + 1, BASE + 2, BASE + 3, BASE + 3],
        "post": [BASE + 2, BASE + 2, BASE + 1, BASE + 1, BASE + 3],
        "weight": [3, 4, 5, 2, 1],
        "roi": pd.Categorical(["ME", "LO", "ME", "ME", "ME"]),
    },
    index=list("abcde"),
)
NEURONS = pd.DataFrame(
    {
        "root_id": [BASE + 1, BASE + 2, BASE + 9],
        "type": ["KC", "MBON", "x"],
        "nt": ["ACH", "GABA", None],
        "nucleus_id": pd.array([BASE + 11, None, 5], "Int64"),
    }
)

edge_lists = st.lists(st.tuples(st.integers(1, 6), st.integers(1, 6), st.integers(1, 9)), max_size=25)


def table(rows: list[tuple[int, int, int]]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["pre", "post", "weight"], dtype="int64")


VERBS = {
    "as_edges": lambda e: e.neuro.as_edges(),
    "threshold": lambda e: e.neuro.threshold(4),
    "collapse": lambda e: e.neuro.collapse(),
    "collapse by": lambda e: e.neuro.collapse({BASE + 1: "a", BASE + 2: "b"}),
    "annotate": lambda e: e.neuro.annotate(NEURONS),
    "fractions": lambda e: e.neuro.fractions(),
    "sign": lambda e: e.neuro.annotate(NEURONS, "nt").neuro.sign(inhibitory="gaba", excitatory="ach"),
    "degree": lambda e: e.neuro.degree(),
    "reciprocal": lambda e: e.neuro.reciprocal(),
    "motifs": lambda e: e.neuro.motifs(),
    "paths": lambda e: e.neuro.paths([BASE + 1], [BASE + 2]),
    "shortest_paths": lambda e: e.neuro.shortest_paths([BASE + 1], [BASE + 2]),
    "similarity": lambda e: e.neuro.similarity(),
    "similarity top": lambda e: e.neuro.similarity(top=2),
    "to_networkx": lambda e: e.neuro.to_networkx(),
    "to_sparse": lambda e: e.neuro.to_sparse(),
    "to_matrix": lambda e: e.neuro.to_matrix(),
    "to_xarray": lambda e: e.neuro.to_xarray(),
    "to_igraph": lambda e: e.neuro.to_igraph(),
}


@pytest.mark.parametrize("verb", VERBS)
def test_no_method_changes_its_input(verb: str) -> None:
    edges = KC.copy()
    result = VERBS[verb](edges)
    if isinstance(result, pd.DataFrame | pd.Series) and len(result):
        column = result.columns[-1] if isinstance(result, pd.DataFrame) else None
        if column in edges.columns and column != "roi":
            result[column] = 0  # a change of the result does not change it either
    pd.testing.assert_frame_equal(edges, KC)


@pytest.mark.parametrize("verb", VERBS)
def test_methods_accept_read_only_data_and_an_empty_table(verb: str) -> None:
    columns = {name: KC[name].to_numpy().copy() for name in ("pre", "post", "weight")}
    for cells in columns.values():
        cells.flags.writeable = False
    frozen = pd.DataFrame(columns, copy=False)
    assert VERBS[verb](frozen) is not None
    nothing = KC.iloc[:0]
    result = VERBS[verb](nothing)
    if isinstance(result, pd.DataFrame) and {"pre", "post", "weight"} <= set(result.columns):
        assert result[["pre", "post", "weight"]].dtypes.eq("int64").all()
        assert result.empty


class TestDialects:
    """Edge tables with the column names of other tools."""

    @pytest.mark.parametrize("pair", tables.edges.roles.ENDPOINT_NAMES)
    @pytest.mark.parametrize("weight", tables.edges.roles.WEIGHT_NAMES)
    def test_names(self, pair: tuple[str, str], weight: str) -> None:
        frame = pd.DataFrame({pair[1]: [str(BASE)], weight: [2.0], pair[0]: [BASE + 1]})
        frame["neuropil"], frame["nt_type"] = "ME", "GABA"
        found = frame.neuro.as_edges()
        assert list(found.columns) == ["pre", "post", "weight", "roi", "nt"]
        assert found.iloc[0].tolist() == [BASE + 1, BASE, 2, "ME", "GABA"]

    @pytest.mark.parametrize(
        "carrier", ["category", "object", "string", "Int64", "uint64", "arrow", "blanks"]
    )
    def test_dtypes_of_ids_and_weights(self, carrier: str) -> None:
        ids = [BASE + 1, BASE + 2, BASE + 1]
        cells: dict[str, Any] = {
            "category": pd.Categorical([str(i) for i in ids]),
            "object": np.array([str(i) for i in ids], object),
            "string": pd.array([str(i) for i in ids], "string"),
            "Int64": pd.array(ids, "Int64"),
            "uint64": np.array(ids, np.uint64),
            "arrow": pd.array(ids, "int64[pyarrow]"),
            "blanks": [f" {i}\t" for i in ids],
        }
        frame = pd.DataFrame({"pre": cells[carrier], "post": cells[carrier]})
        for weights in (
            pd.array([1, 2, 3], "Int64"),
            np.array([1, 2, 3], np.uint16),
            ["1", "2", "3"],
            pd.Categorical([1, 2, 3]),
            pd.array([1, 2, 3], "int64[pyarrow]"),
        ):
            found = tables.as_edges(frame.assign(weight=weights))
            assert found.dtypes.eq("int64").all()
            assert found["pre"].tolist() == ids
            assert found["weight"].tolist() == [1, 2, 3]

    def test_names_like_those_of_both_ends_are_shown(self) -> None:
        with pytest.raises(errors.MissingColumnsError, match=r"Similar names: 'sourc', 'targett'\.$"):
            tables.as_edges(pd.DataFrame(columns=["sourc", "targett", "n"]))
        with pytest.raises(errors.MissingColumnsError) as caught:  # of one end alone
            tables.as_edges(pd.DataFrame(columns=["sourc", "elsewhere", "n"]))
        assert "Similar" not in str(caught.value)

    def test_columns_that_were_not_chosen_are_renamed(self) -> None:
        frame = pd.DataFrame(
            {"pre": [1], "post": [2], "weight": [9], "source": [3], "target": [4], "n_syn": [5]}
        )
        found = tables.as_edges(frame, pre="source", post="target", weight="n_syn")
        assert found[["pre", "post", "weight"]].iloc[0].tolist() == [3, 4, 5]
        assert found[["pre_original", "post_original", "weight_original"]].iloc[0].tolist() == [1, 2, 9]

    def test_an_ambiguous_column_is_an_error_that_lists_the_candidates(self) -> None:
        frame = pd.DataFrame({"pre": [1], "post": [2], "top_nt": ["x"], "pred_nt": ["y"]})
        with pytest.raises(errors.AmbiguousColumnError, match=r"'top_nt', 'pred_nt'.*nt=\.\.\."):
            tables.as_edges(frame)
        assert tables.as_edges(frame, nt="top_nt")["nt"].tolist() == ["x"]

    def test_a_matrix_is_not_an_edge_table(self) -> None:
        matrix = pd.DataFrame([[0, 3], [5, 0]], index=[BASE, BASE + 1], columns=[BASE, BASE + 1])
        with pytest.raises(errors.MissingColumnsError, match=r"adjacency matrix \(2 x 2\).*from_matrix"):
            matrix.neuro.threshold(1)

    @pytest.mark.parametrize(
        ("column", "value", "error", "words"),
        [
            ("pre", 2**63, errors.InvalidIdError, r"'pre'.*2\*\*63"),
            ("post", -4, errors.InvalidIdError, "'post'.*negative.*-4.*row 'b'"),
            ("pre", float(BASE), errors.PrecisionLossError, "'pre'"),
            ("weight", -1, errors.InvalidEdgesError, "'weight' are negative.*row 'b'"),
            ("weight", 0.5, errors.InvalidEdgesError, "'weight' are not integers.*row 'b'"),
            ("weight", None, errors.InvalidEdgesError, "'weight' are missing.*row 'b'"),
        ],
    )
    def test_invalid_cells_are_in_the_message(
        self, column: str, value: Any, error: type[Exception], words: str
    ) -> None:
        frame = KC.astype({"pre": object, "post": object, "weight": object})
        frame.loc["b", column] = value
        with pytest.raises(error, match=words):
            frame.neuro.collapse()

    def test_integers_are_checked_too(self) -> None:
        good = pd.DataFrame({"pre": [1, 2], "post": [2, 3], "weight": [1, 0]})
        assert len(good.neuro.collapse()) == 2  # a weight of 0 is valid
        with pytest.warns(errors.DroppedRowsWarning, match="1 of 2"):
            assert len(good.assign(post=[0, 3]).neuro.collapse()) == 1
        with pytest.raises(errors.InvalidEdgesError, match=r"negative.*row 1"):
            good.assign(weight=[1, -2]).neuro.threshold(0)
        with pytest.raises(errors.InvalidIdError, match=r"'pre'.*-7"):
            good.assign(pre=[1, -7]).neuro.to_networkx()
        by_region = good.assign(neuropil=["ME", "LO"]).neuro.collapse(roi=True)
        assert by_region["roi"].tolist() == ["ME", "LO"]

    def test_ends_in_the_index_are_recognized(self) -> None:
        grouped = KC.groupby(["pre", "post"])[["weight"]].sum()
        assert grouped.neuro.collapse()["weight"].tolist() == grouped["weight"].tolist()
        assert len(grouped.neuro.to_networkx().edges) == 4

    def test_an_index_without_ends_is_no_column(self) -> None:
        with pytest.raises(errors.MissingColumnsError, match="among 'weight', and the index 'number'"):
            tables.as_edges(KC[["weight"]].rename_axis("number"))

    def test_repeated_names_are_rejected(self) -> None:
        for twice in ("pre", "weight"):
            with pytest.raises(errors.AmbiguousColumnError, match=twice):
                pd.concat([KC, KC[[twice]]], axis=1).neuro.degree()

    def test_sums_do_not_overflow(self) -> None:
        edges = pd.DataFrame({"pre": [1, 1], "post": [2, 2], "weight": [2**62, 2**62]})
        for call in (edges.neuro.collapse, edges.neuro.degree, lambda: pdneuro.Connectome(edges)):
            with pytest.raises(errors.InvalidEdgesError, match=r"sum of the weights, 9\.22e\+18"):
                call()
        large = edges.assign(weight=[2**60 + 1, 2**60])
        assert large.neuro.degree()["in_weight"].tolist() == [0, 2**61 + 1]
        brain = pdneuro.Connectome(large)
        assert pd.Series([1]).neuro.properties("link_pre", source=brain)["nr_pre"].tolist() == [
            2**61 + 1
        ]

    def test_missing_and_zero_ends_are_dropped_with_a_warning(self) -> None:
        frame = pd.DataFrame(
            {"pre": pd.array([1, None, 0], "Int64"), "post": [2, 2, 2], "weight": [1, 1, 1]}
        )
        with pytest.warns(errors.DroppedRowsWarning, match=r"2 of 3 edges.*row 1"):
            assert len(frame.neuro.to_networkx()) == 2


class TestCollapse:
    @given(rows=edge_lists)
    @settings(deadline=None)
    def test_same_sums_as_a_plain_groupby(self, rows: list[tuple[int, int, int]]) -> None:
        edges = table(rows)
        found = tables.collapse(edges)
        plain = edges.groupby(["pre", "post"], sort=False)["weight"].sum().reset_index()
        pd.testing.assert_frame_equal(found, plain)

    @given(rows=edge_lists, names=st.lists(st.sampled_from(["a", "b", None]), min_size=6, max_size=6))
    @settings(deadline=None)
    def test_groups(self, rows: list[tuple[int, int, int]], names: list[str | None]) -> None:
        labels = pd.Series(names, index=range(1, 7), name="type", dtype=object)
        edges = table(rows)
        found = tables.collapse(edges, labels)
        expected: dict[tuple[Any, Any], list[int]] = {}
        for (pre, post), part in edges.groupby(["pre", "post"], sort=False):
            cell = expected.setdefault((labels[pre], labels[post]), [0, 0])
            cell[0] += int(part["weight"].sum())
            cell[1] += 1
        mine = {
            (None if pd.isna(a) else a, None if pd.isna(b) else b): [w, n]
            for a, b, w, n, *_ in found.itertuples(index=False, name=None)
        }
        assert mine == expected
        assert found[["weight", "n_pairs"]].dtypes.eq("int64").all()

    def test_regions_on_request(self) -> None:
        assert "roi" not in KC.neuro.collapse()
        by_region = pd.concat([KC, KC]).neuro.collapse(roi=True)
        assert len(by_region) == len(KC)
        assert by_region["weight"].tolist() == (2 * KC["weight"]).tolist()
        assert isinstance(by_region["roi"].dtype, pd.CategoricalDtype)
        with pytest.raises(errors.MissingColumnsError, match="'roi'"):
            KC.drop(columns="roi").neuro.collapse(roi=True)

    def test_by_columns(self) -> None:
        annotated = KC.neuro.annotate(NEURONS, ["type", "nt"])
        found = annotated.neuro.collapse(["type", "nt"])
        counts = ["n_pairs", "n_pre", "n_post"]
        assert list(found.columns) == ["type_pre", "nt_pre", "type_post", "nt_post", "weight", *counts]
        assert found.loc[0, ["type_pre", "type_post"]].tolist() == ["KC", "MBON"]
        assert found.loc[0, ["weight", "n_pairs"]].tolist() == [7, 1]
        assert found["weight"].sum() == KC["weight"].sum()
        with pytest.raises(errors.MissingColumnsError, match=r"'side_pre'.*annotate"):
            annotated.neuro.collapse("side")

    @pytest.mark.parametrize(
        ("column", "cells", "error", "words"),
        [
            ("pre", None, errors.InvalidEdgesError, "'pre' has another role and cannot be summed"),
            ("roi", None, errors.InvalidEdgesError, "'roi' has another role and cannot be summed"),
            ("n_pairs", 1, errors.AmbiguousColumnError, "own column 'n_pairs'"),
            ("n", "a", errors.InvalidEdgesError, "'n' must contain numbers"),
            ("n", True, errors.InvalidEdgesError, "'n' must contain numbers, not bool"),
            ("n", np.uint64(2**63), errors.InvalidEdgesError, "'n' has the number 9223372036854775808,"),
        ],
    )
    def test_values_that_cannot_be_summed(
        self, column: str, cells: Any, error: type[Exception], words: str
    ) -> None:
        edges = KC if cells is None else KC.assign(**{column: cells})
        with pytest.raises(error, match=words):
            edges.neuro.collapse(values=column)

    def test_unsigned_and_missing_values_are_summed(self) -> None:
        cells = {
            "none": pd.array([None] * 5, "UInt64"),
            "some": pd.array([None, 2, 3, 4, 5], "UInt64"),
            "small": np.array([1, 2, 3, 4, 5], "uint8"),
            "large": np.array([2**60 + 1, 0, 1, 2, 3], "uint64"),
        }
        found = KC.assign(**cells).neuro.collapse(values=list(cells))
        assert found["none"].tolist() == [0] * 4
        assert found["some"].tolist() == [2, 3, 4, 5]
        assert found["small"].tolist() == [3, 3, 4, 5]
        assert found["large"].tolist() == [2**60 + 1, 1, 2, 3]
        assert (found[list(cells)].dtypes == "int64").all()

    def test_the_column_of_one_end_can_be_named_in_full(self) -> None:
        edges = KC.assign(type_post=list("aabbc"))
        found = edges.neuro.collapse({"post": "type_post"})
        pd.testing.assert_frame_equal(found, edges.neuro.collapse({"post": "type"}))
        assert found["type_post"].tolist() == ["a", "b", "b", "c"]

    def test_the_weight_per_neuron_of_labels_at_one_end(self) -> None:
        by_post = KC.assign(type_post=["a", "a", "b", "b", "a"])
        found = by_post.neuro.collapse("type_post", per_neuron=True)
        assert found["weight_per_neuron"].tolist() == [8 / 2, 7 / 1]
        by_pre = KC.assign(type_pre=["x", "x", "y", "y", "y"])
        found = by_pre.neuro.collapse({"pre": "type"}, per_neuron=True)
        assert found["weight_per_neuron"].tolist() == found["weight"].tolist() == [7, 7, 1]

    def test_the_smallest_hop_stays(self) -> None:
        assert KC.assign(hop=[3, 2, 1, 1, 1]).neuro.collapse()["hop"].tolist() == [2, 1, 1, 1]

    def test_large_weights_stay_exact(self) -> None:
        edges = pd.DataFrame({"pre": [1, 1], "post": [2, 2], "weight": [2**60, 1]})
        assert edges.neuro.collapse()["weight"].tolist() == [2**60 + 1]


class TestGroups:
    """Grouping by labels, with the words of ``DataFrame.groupby``."""

    EDGES = pd.DataFrame(
        {
            "pre": [1, 1, 2, 3],
            "post": [2, 2, 1, 1],
            "weight": [1, 2, 4, 8],
            "type_pre": pd.Categorical(["a", "a", "b", None], list("cba")),
            "type_post": pd.Categorical(["b", "b", "a", "a"], list("cba")),
            "nt": ["x", "y", "x", None],
            "hop": ["1", "1", "2", "2"],
        }
    )

    @pytest.mark.parametrize("dropna", [True, False])
    @pytest.mark.parametrize("sort", [True, False])
    @pytest.mark.parametrize("observed", [True, False])
    @pytest.mark.parametrize(
        ("group_by", "keys"),
        [
            ("type", ["type_pre", "type_post"]),
            (["type_pre"], ["type_pre"]),
            (["type_post", "type_pre"], ["type_pre", "type_post"]),
            ("nt", ["nt"]),
            (["type", "nt"], ["type_pre", "type_post", "nt"]),
        ],
    )
    def test_sums_are_those_of_pandas(
        self, group_by: Any, keys: list[str], observed: bool, sort: bool, dropna: bool
    ) -> None:
        options = {"observed": observed, "dropna": dropna}
        found = self.EDGES.neuro.collapse(group_by, sort=sort, **options)
        groups = self.EDGES.groupby(keys, sort=sort, **options)["weight"].sum().reset_index()
        # pandas adds the combinations of a missing key only in some versions.
        groups = groups[groups["weight"] > 0] if not dropna else groups
        found = found[found["weight"] > 0] if not dropna else found
        if not sort and not observed:  # the place of a group without rows is not defined
            found, groups = (table.sort_values(keys) for table in (found, groups))
        pd.testing.assert_frame_equal(
            found[[*keys, "weight"]].astype(dict.fromkeys(keys, "string")).reset_index(drop=True),
            groups.astype(dict.fromkeys(keys, "string")).reset_index(drop=True),
            check_dtype=False,
        )
        assert found["n_pairs"].sum() >= (2 if dropna else 3)

    def test_matrices(self) -> None:
        edges = self.EDGES
        assert edges.neuro.to_matrix("type").index.tolist()[:2] == [
            "b",
            "a",
        ]  # in the order of categories
        assert edges.neuro.to_matrix("type", dropna=True).loc["b", "a"] == 4
        assert edges.neuro.to_matrix("type", dropna=True, sort=False).index.tolist() == ["a", "b"]
        every = edges.neuro.to_matrix("type", dropna=True, observed=False)
        assert every.index.tolist() == every.columns.tolist() == ["c", "b", "a"]
        assert every.to_numpy().tolist() == [[0, 0, 0], [0, 0, 4], [0, 3, 0]]
        sides = edges.assign(side_post=["u", "u", "v", "v"])
        assert sides.neuro.to_matrix(["type_pre", "side_post"], dropna=True).to_numpy().tolist() == [
            [0, 4],
            [3, 0],
        ]
        with pytest.raises(ValueError, match="only 'type_pre'"):
            edges.neuro.to_matrix(["type_pre"])

    def test_hops_of_text_are_numbers(self) -> None:
        assert self.EDGES.neuro.collapse()["hop"].tolist() == [1, 2, 2]
        assert self.EDGES.neuro.as_edges()["hop"].dtype == np.int64
        for wrong in ("1.5", "first", None):
            with pytest.raises((errors.InvalidIdError, errors.InvalidEdgesError), match="'hop'"):
                self.EDGES.assign(hop=wrong).neuro.collapse()


@given(rows=edge_lists, least=st.integers(1, 12))
@settings(deadline=None)
def test_threshold_by_pair_is_threshold_of_the_sums(
    rows: list[tuple[int, int, int]], least: int
) -> None:
    edges = table(rows)
    kept = tables.threshold(edges, least)
    sums = edges.groupby(["pre", "post"])["weight"].transform("sum")
    pd.testing.assert_frame_equal(kept, edges[sums >= least])
    assert kept.attrs["pdneuro"]["min_weight"] == least
    for wrong in ("3", None):
        with pytest.raises(ValueError, match="min_weight must be a whole number"):
            tables.threshold(edges, wrong)
    assert tables.threshold(kept, 1).attrs["pdneuro"]["min_weight"] == least


class TestAnnotate:
    def test_labels_at_both_ends(self) -> None:
        found = KC.neuro.annotate(NEURONS, ["type", "nucleus_id"])
        assert found.index.tolist() == KC.index.tolist()
        assert list(found.columns[-4:]) == ["type_pre", "type_post", "nucleus_id_pre", "nucleus_id_post"]
        assert found["type_pre"].tolist()[:3] == ["KC", "KC", "MBON"]
        assert found["type_pre"].isna().tolist() == [False, False, False, True, True]
        assert found["nucleus_id_pre"].dtype == "Int64"
        assert found["nucleus_id_pre"].tolist()[0] == BASE + 11

    def test_series_and_mappings(self) -> None:
        side = pd.Series(["left", "right"], index=[BASE + 1, BASE + 2], name="side")
        assert KC.neuro.annotate(side)["side_pre"].tolist()[:3] == ["left", "left", "right"]
        assert "group_post" in KC.neuro.annotate(side.to_dict())

    def test_errors(self) -> None:
        twice = pd.concat([NEURONS, NEURONS])
        with pytest.raises(ValueError, match="several rows"):
            KC.neuro.annotate(twice, "type")
        with pytest.raises(errors.MissingColumnsError, match=r"'typ'.*'type'"):
            KC.neuro.annotate(NEURONS, "typ")
        once = KC.neuro.annotate(NEURONS, "type")
        pd.testing.assert_frame_equal(once.neuro.annotate(NEURONS, "type"), once)
        with pytest.raises(errors.ColumnExistsError, match=r"type_pre.*suffixes="):
            once.assign(type_pre="x").neuro.annotate(NEURONS, "type")
        pd.testing.assert_frame_equal(once.neuro.annotate(NEURONS, "type", overwrite=True), once)

    def test_the_suffixes_of_the_ends(self) -> None:
        usual = KC.neuro.annotate(NEURONS, "type")
        found = KC.neuro.annotate(NEURONS, "type", suffixes=(None, ".to"))
        names = {"type_pre": "type", "type_post": "type.to"}
        pd.testing.assert_frame_equal(found, usual.rename(columns=names))
        side = dict.fromkeys(NEURONS["root_id"], "left")
        assert KC.neuro.annotate(side, "side", suffixes=["_a", "_b"]).columns[-2:].tolist() == [
            "side_a",
            "side_b",
        ]
        for wrong in (("_x", "_x"), ("", None), "_pre", ("_a",), (1, 2)):
            with pytest.raises(ValueError, match="suffixes must be two different texts"):
                KC.neuro.annotate(NEURONS, "type", suffixes=wrong)


class TestFractions:
    def test_shares_of_what_is_present(self) -> None:
        found = KC.neuro.fractions()
        assert found["input_fraction"].dtype == "Float64"
        assert found.groupby("post")["input_fraction"].sum().tolist() == pytest.approx([1, 1, 1])
        out = found.neuro.fractions("output")
        assert out.groupby("pre")["output_fraction"].sum().tolist() == pytest.approx([1, 1, 1])
        assert out.attrs["pdneuro"]["fractions_of"] == "output"
        pd.testing.assert_frame_equal(found.neuro.fractions(), found)
        with pytest.raises(errors.ColumnExistsError, match="overwrite=True"):
            found.assign(input_fraction=0.5).neuro.fractions()
        with pytest.raises(ValueError, match="'input' or 'output'"):
            KC.neuro.fractions("inputs")
        for wrong in ("all", 100, pd.DataFrame({"a": [1]})):
            with pytest.raises(ValueError, match="total must be"):
                KC.neuro.fractions(total=wrong)
        with pytest.raises(errors.InvalidEdgesError, match="not 'a'"):
            KC.neuro.fractions(total={BASE + 1: "a"})

    def test_given_totals(self) -> None:
        totals = pd.Series([100, 0], index=[BASE + 1, BASE + 2])
        found = KC.neuro.fractions(total=totals.iloc[:1])
        assert found["input_fraction"].tolist()[2:4] == [0.05, 0.02]
        assert found["input_fraction"].isna().tolist() == [True, True, False, False, True]
        with pytest.warns(errors.InconsistentEdgesWarning, match=str(BASE + 2)):
            assert KC.neuro.fractions(total=totals)["input_fraction"].isna().sum() == 3

    def test_a_table_that_lacks_edges_warns(self, sandbox: Sandbox, ids: pd.Series) -> None:
        whole = pdneuro.sandbox.edges()
        with pytest.warns(errors.IncompleteEdgesWarning, match="fewer than 3 synapses"):
            whole.neuro.threshold(3).neuro.fractions()
        with pytest.warns(errors.IncompleteEdgesWarning, match="only downstream edges"):
            ids.neuro.downstream().neuro.fractions("input")
        with pytest.warns(errors.IncompleteEdgesWarning, match="were not queried"):
            ids.neuro.edges().neuro.fractions("input")
        with pytest.warns(errors.IncompleteEdgesWarning, match="only edges among some"):
            ids.neuro.edges(within=True).neuro.fractions("input")
        # All inputs of the queried neurons are in the table, so there is no warning.
        upstream = ids.neuro.upstream().neuro.fractions("input")
        pd.testing.assert_series_equal(
            upstream["input_fraction"],
            ids.neuro.upstream().neuro.fractions(total="source")["input_fraction"],
        )
        ids.neuro.downstream().neuro.fractions("output")
        whole.neuro.fractions()

    def test_totals_from_the_source(self, sandbox: Sandbox, ids: pd.Series) -> None:
        whole = pdneuro.sandbox.edges()
        for of, end in (("input", "post"), ("output", "pre")):
            found = ids.neuro.edges(min_weight=2).neuro.fractions(of, total="source")
            totals = whole.groupby(end)["weight"].sum()
            expected = found["weight"] / found[end].map(totals)
            assert found[f"{of}_fraction"].tolist() == pytest.approx(expected.tolist())
            assert found.attrs["pdneuro"]["fractions_total"] == "source"
            json.dumps(found.attrs)
        with pytest.raises(ValueError, match="of must be 'input' or 'output', not 'post'"):
            whole.neuro.fractions("post", total="source")


class TestSign:
    def test_signed_weights(self) -> None:
        annotated = KC.neuro.annotate(NEURONS, "nt")
        with pytest.warns(errors.DoubtfulParameterWarning, match=r"does not contain glut\. Its values"):
            found = annotated.neuro.sign(inhibitory=["gaba", "glut"], excitatory="ach")
        assert found["sign"].tolist() == [1, 1, -1, 0, 0]
        assert found["signed_weight"].tolist() == [3, 4, -5, 0, 0]
        assert found["weight"].tolist() == KC["weight"].tolist()
        assert (
            annotated.neuro.sign(inhibitory="gaba", excitatory="ach", other=1)["sign"].tolist()[-1] == 1
        )
        matrix, order = found.neuro.to_sparse(values="signed_weight")
        assert matrix.sum() == 2
        assert matrix[order.get_loc(BASE + 2), order.get_loc(BASE + 1)] == -5

    def test_there_is_no_default(self) -> None:
        annotated = KC.neuro.annotate(NEURONS, "nt")
        with pytest.raises(TypeError, match="inhibitory"):
            annotated.neuro.sign()
        with pytest.raises(ValueError, match="both"):
            annotated.neuro.sign(inhibitory="gaba", excitatory="GABA")
        with pytest.raises(ValueError, match=r"does not contain .*'ACH', 'GABA'"):
            annotated.neuro.sign(inhibitory="inhibitory", excitatory="excitatory")
        with pytest.raises(errors.MissingColumnsError, match="'nt_pre'"):
            KC.neuro.sign(inhibitory="gaba", excitatory="ach")
        with pytest.raises(ValueError, match="other"):
            annotated.neuro.sign(inhibitory="gaba", excitatory="ach", other=3)


@given(rows=edge_lists)
@settings(deadline=None)
def test_degrees_and_motifs_are_those_of_networkx(rows: list[tuple[int, int, int]]) -> None:
    edges = table(rows)
    graph = nx.DiGraph()
    for pre, post, weight in rows:
        graph.add_edge(
            pre, post, weight=weight + graph.get_edge_data(pre, post, {"weight": 0})["weight"]
        )
    found = tables.degree(edges)
    assert found.index.tolist() == sorted(graph)
    for column, view in (("in_degree", graph.in_degree()), ("out_degree", graph.out_degree()), ("in_weight", graph.in_degree(weight="weight")), ("out_weight", graph.out_degree(weight="weight"))):  # fmt: skip
        assert found[column].to_dict() == dict(view)
    counts = tables.motifs(edges)
    if rows:
        total = 2 * counts["mutual"] + counts["one_way"] + counts["autapse"]
        assert total == graph.number_of_edges()
        assert 2 * counts["mutual"] / total == pytest.approx(nx.overall_reciprocity(graph))
        census = nx.density(nx.Graph(graph)) if len(graph) > 1 else None
        if census is not None and not counts["autapse"]:
            pairs = counts[["mutual", "one_way", "unconnected"]].sum()
            assert (counts["mutual"] + counts["one_way"]) / pairs == pytest.approx(census)
    back = tables.reciprocal(edges)
    expected = [0 if a == b else graph.get_edge_data(b, a, {"weight": 0})["weight"] for a, b, _ in rows]
    assert back["reciprocal_weight"].tolist() == expected


class TestPaths:
    @given(rows=edge_lists, sources=st.sets(st.integers(1, 7), max_size=3), targets=st.sets(st.integers(1, 7), max_size=3), hops=st.integers(1, 4))  # fmt: skip
    @settings(deadline=None)
    def test_all_simple_paths_are_those_of_networkx(
        self, rows: list[tuple[int, int, int]], sources: set[int], targets: set[int], hops: int
    ) -> None:
        edges = tables.collapse(table(rows))
        graph = nx.from_pandas_edgelist(edges, "pre", "post", "weight", create_using=nx.DiGraph)
        found = edges.neuro.paths(sources, targets, hops)
        expected = {
            tuple(path)
            for a in sources & set(graph)
            for b in targets & set(graph)
            if a != b
            for path in nx.all_simple_paths(graph, a, b, cutoff=hops)
        }
        assert sorted(found["path"]) == sorted(expected)
        for path, weakest, n, a, b in found[["path", "bottleneck", "hops", "source", "target"]].itertuples(index=False, name=None):  # fmt: skip
            assert weakest == min(graph.edges[e]["weight"] for e in nx.utils.pairwise(path))
            assert (n, a, b) == (len(path) - 1, path[0], path[-1])
        assert found["hops"].is_monotonic_increasing
        assert found[["source", "target", "hops", "bottleneck"]].dtypes.eq("int64").all()

    @given(rows=edge_lists, cost=st.sampled_from(["inverse", "hops", "length"]))
    @settings(deadline=None, max_examples=40)
    def test_shortest_paths_cost_what_networkx_says(
        self, rows: list[tuple[int, int, int]], cost: str
    ) -> None:
        edges = tables.collapse(table(rows))
        edges["length"] = 1.0 + edges["weight"] % 3
        edges["cost"] = {"inverse": 1 / edges["weight"], "hops": 1.0, "length": edges["length"]}[cost]
        graph = nx.from_pandas_edgelist(edges, "pre", "post", True, create_using=nx.DiGraph)
        found = edges.neuro.shortest_paths([1, 2], [3, 4, 5], cost=cost)
        costs = {
            (a, b): c
            for a, b, c in found[["source", "target", "cost"]].itertuples(index=False, name=None)
        }
        expected = {
            (a, b): nx.shortest_path_length(graph, a, b, weight="cost")
            for a in (1, 2)
            for b in (3, 4, 5)
            if a in graph and b in graph and nx.has_path(graph, a, b)
        }
        assert costs == pytest.approx(expected)
        for path, price in found[["path", "cost"]].itertuples(index=False, name=None):
            assert sum(graph.edges[e]["cost"] for e in nx.utils.pairwise(path)) == pytest.approx(price)

    def test_ids_in_any_form(self) -> None:
        for one in (
            BASE + 3,
            str(BASE + 3),
            np.int64(BASE + 3),
            pd.Series([BASE + 3]),
            [BASE + 3, 12345],
        ):
            found = KC.neuro.paths(one, BASE + 2)
            assert found["path"].tolist() == [(BASE + 3, BASE + 1, BASE + 2)]
            assert {type(node) for path in found["path"] for node in path} == {int}

    def test_invalid_ids_are_errors(self) -> None:
        with pytest.raises(errors.PrecisionLossError, match="'sources'"):
            KC.neuro.paths(float(BASE + 1), BASE + 2)
        with pytest.raises(errors.InvalidIdError, match=r"'targets'.*'KC'"):
            KC.neuro.paths(BASE + 1, "KC")
        assert KC.neuro.paths(None, BASE + 2).empty

    def test_too_many_paths_are_an_error(self) -> None:
        full = pd.DataFrame(
            [(a, b) for a in range(1, 30) for b in range(1, 30)], columns=["pre", "post"]
        )
        with pytest.raises(errors.TooLargeError, match=r"max_paths=1,000.*threshold"):
            full.neuro.paths(range(1, 15), range(15, 30), max_hops=4, max_paths=1000)
        with pytest.raises(ValueError, match="max_hops"):
            KC.neuro.paths(BASE + 1, BASE + 2, 0)

    def test_costs_are_positive(self) -> None:
        with pytest.raises(errors.InvalidEdgesError, match=r"'d'.*row 0.*-1"):
            KC.neuro.collapse().assign(d=[-1.0, 1, 1, 1]).neuro.shortest_paths(
                BASE + 1, BASE + 2, cost="d"
            )


class TestSimilarity:
    @given(rows=edge_lists, metric=st.sampled_from(["cosine", "jaccard"]), of=st.sampled_from(["input", "output", "both"]), top=st.integers(1, 7))  # fmt: skip
    @settings(deadline=None)
    def test_same_as_by_hand(
        self, rows: list[tuple[int, int, int]], metric: str, of: str, top: int
    ) -> None:
        edges = table(rows)
        found = edges.neuro.similarity(metric, of)
        dense = edges.neuro.to_matrix().to_numpy().astype(float)
        vectors = {"output": dense, "input": dense.T, "both": np.hstack([dense, dense.T])}[of]
        # Neurons without an edge of this side are not compared.
        with_partners = {"output": [edges["pre"]], "input": [edges["post"]]}
        ends = with_partners.get(of, [edges["pre"], edges["post"]])
        neurons = np.unique(np.concatenate(ends))
        assert found.index.tolist() == neurons.tolist()
        vectors = vectors[edges.neuro.to_matrix().index.get_indexer(neurons)]
        if metric == "jaccard":
            vectors = (vectors > 0).astype(float)
        inner = vectors @ vectors.T
        sizes = np.diag(inner)
        with np.errstate(all="ignore"):
            scale = (
                np.sqrt(np.outer(sizes, sizes)) if metric == "cosine" else sizes[:, None] + sizes - inner
            )
            expected = np.nan_to_num(inner / scale)
        np.testing.assert_allclose(found.to_numpy(), expected, atol=1e-12)
        best = edges.neuro.similarity(metric, of, top=top)
        for number, part in best.groupby("id"):
            others = found.loc[number].drop(number)
            strongest = others[others > 0].sort_values(ascending=False).head(top)
            np.testing.assert_allclose(part["similarity"], strongest, atol=1e-12)
            np.testing.assert_allclose(part["similarity"], others[part["other"]], atol=1e-12)
        alike = found.where(~np.eye(len(found), dtype=bool), 0)
        assert set(best["id"]) == set(found.index[(alike > 0).any(axis=1)])

    def test_some_neurons_by_all_their_partners(self) -> None:
        whole = KC.neuro.similarity()
        some = KC.neuro.similarity(ids=[BASE + 3, BASE + 1, 77])
        assert some.index.tolist() == [BASE + 3, BASE + 1, 77]
        assert some.loc[BASE + 3, BASE + 1] == pytest.approx(whole.loc[BASE + 3, BASE + 1])
        assert not some.loc[77].any()

    def test_invalid_arguments_are_errors(self, monkeypatch: pytest.MonkeyPatch) -> None:
        for bad in ({"metric": "euclid"}, {"of": "inputs"}, {"top": 0}):
            with pytest.raises(ValueError, match=next(iter(bad))):
                KC.neuro.similarity(**bad)
        monkeypatch.setattr(sys.modules["pdneuro.graphs.similarity"], "MAX_DENSE", 2)
        with pytest.raises(errors.TooLargeError, match="top=10"):
            KC.neuro.similarity()


class TestExpand:
    def test_hops_continue_to_count(self, sandbox: Sandbox, ids: pd.Series) -> None:
        near = ids.neuro.edges(min_weight=20)
        far = near.neuro.expand(2, min_weight=20)
        straight = ids.neuro.edges(hops=3, min_weight=20)
        columns = ["pre", "post", "weight", "hop"]
        pd.testing.assert_frame_equal(
            far[columns].sort_values(columns, ignore_index=True),
            straight[columns].sort_values(columns, ignore_index=True),
        )
        assert far.iloc[: len(near)]["pre"].tolist() == near["pre"].tolist()
        assert len(far.attrs["pdneuro"]["asked_per_hop"]) == 2
        later = near.assign(hop=4).neuro.expand(min_weight=20)["hop"]
        assert later.head(len(near)).eq(4).all()
        assert later.iloc[len(near) :].unique().tolist() == [5]

    def test_other_columns_stay_and_are_na_in_new_rows(self, sandbox: Sandbox, ids: pd.Series) -> None:
        near = ids.neuro.downstream(min_weight=20).neuro.reciprocal().assign(note="seen")
        far = near.neuro.expand(upstream=False)
        assert far["reciprocal_weight"].dtype == "Int64"
        assert far["note"].notna().sum() == len(near)
        # The threshold of the table is the default.
        assert far["weight"].min() >= 20

    def test_the_budget_is_checked_before_the_request(self, sandbox: Sandbox, ids: pd.Series) -> None:
        near = ids.neuro.edges(min_weight=5)
        count = len(set(near["pre"]) | set(near["post"]))
        sent = len(sandbox.requests)
        with pytest.raises(errors.NodeBudgetError, match=rf"hop 2 would query {count:,} neurons"):
            near.neuro.expand(max_nodes=count - 1)
        assert len(sandbox.requests) == sent
        with pytest.raises(errors.NodeBudgetError, match=rf"so far {count:,}"):
            near.neuro.expand(2, max_nodes=count)
        with pytest.raises(ValueError, match="hops"):
            near.neuro.expand(0)
        assert near.iloc[:0].neuro.expand().empty

    def test_without_autapses(self, sandbox: Sandbox, ids: pd.Series) -> None:
        far = ids.neuro.edges(min_weight=20).neuro.expand(min_weight=1, autapses=False)
        new = far[far["hop"] == 2]
        assert (new["pre"] != new["post"]).all()


def test_missing_optional_packages_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for module, call in (
        ("scipy.sparse", KC.neuro.to_sparse),
        ("igraph", KC.neuro.to_igraph),
        ("scipy.sparse.csgraph", lambda: graphs.shortest_paths(KC, BASE + 1, BASE + 2)),
    ):
        with monkeypatch.context() as patch:
            patch.setitem(sys.modules, module, None)
            with pytest.raises(errors.MissingDependencyError, match=r"pdneuro\[graph\]"):
                call()
