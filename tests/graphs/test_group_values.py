"""Values, shares and counts of groups of neurons, compared with dense sums."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from pdneuro import errors

NEURONS = range(1, 9)
edge_lists = st.lists(
    st.tuples(*[st.sampled_from(NEURONS)] * 2, st.integers(0, 30), st.integers(-1, 1)), max_size=40
)
label_lists = st.lists(st.sampled_from(["KC", "MBON", "DN", None]), min_size=8, max_size=8)


def table(rows: list[tuple[int, int, int, int]]) -> pd.DataFrame:
    edges = pd.DataFrame(rows, columns=["pre", "post", "weight", "sign"], dtype="int64")
    return edges.assign(signed_weight=edges["sign"] * edges["weight"], area=edges["weight"] / 8)


def types_of(labels: list[str | None]) -> pd.Series[Any]:
    return pd.Series(labels, index=NEURONS, name="type", dtype=object)


def dense(edges: pd.DataFrame, values: str) -> np.ndarray:
    cells = np.zeros((9, 9))
    for pre, post, value in edges[["pre", "post", values]].itertuples(index=False):
        cells[pre, post] += value
    return cells


def members(types: pd.Series[Any], label: Any) -> list[int]:
    return [n for n in NEURONS if types[n] == label or (pd.isna(types[n]) and pd.isna(label))]


@given(rows=edge_lists, labels=label_lists, of=st.sampled_from(["input", "output"]))
@settings(deadline=None, max_examples=25)
@pytest.mark.parametrize("values", ["weight", "signed_weight", "area"])
def test_a_share_of_groups_is_a_ratio_of_sums(values: str, rows: Any, labels: Any, of: str) -> None:
    edges, types = table(rows), types_of(labels)
    found = edges.neuro.to_matrix(types, values=values, normalize=of, dropna=False)
    sums, weights = dense(edges, values), dense(edges, "weight")
    for source in found.index:
        for target in found.columns:
            rows_, columns = members(types, source), members(types, target)
            total = (weights[:, columns] if of == "input" else weights[rows_, :]).sum()
            expected = sums[np.ix_(rows_, columns)].sum() / total if total else 0
            assert found.loc[source, target] == pytest.approx(expected, rel=1e-12, abs=1e-15)
    known = edges.neuro.to_matrix(types, values=values, normalize=of)
    assert not known.index.isna().any()
    assert not known.columns.isna().any()
    for source, target in ((a, b) for a in known.index for b in known.columns):
        assert known.loc[source, target] == found.loc[source, target]
    neurons = edges.neuro.to_matrix(values=values, normalize=of)
    axis = 0 if of == "input" else 1
    totals = weights.sum(axis, keepdims=True)
    expected_cells = np.divide(sums, totals, out=np.zeros((9, 9)), where=totals > 0)
    ids = neurons.index.to_numpy(dtype=int)
    np.testing.assert_allclose(neurons.to_numpy(dtype=float), expected_cells[np.ix_(ids, ids)], 1e-12)
    some = ids[::2]
    pd.testing.assert_frame_equal(
        edges.neuro.to_matrix(values=values, normalize=of, ids=some), neurons.loc[some, some]
    )


@given(rows=edge_lists, labels=label_lists)
@settings(deadline=None, max_examples=25)
def test_counts_of_neurons_and_further_sums(rows: Any, labels: Any) -> None:
    edges, types = table(rows), types_of(labels)
    found = edges.neuro.collapse(types, values=["signed_weight", "area", "weight"], per_neuron=True)
    names = ["type_pre", "type_post", "weight", "signed_weight", "area"]
    assert list(found) == [*names, "n_pairs", "n_pre", "n_post", "weight_per_neuron"]
    assert list(found.dtypes[2:].astype(str)) == [*["int64"] * 2, "float64", *["int64"] * 3, "float64"]
    present = set(edges["pre"]) | set(edges["post"])
    for row in found.itertuples(index=False):
        starts, ends = members(types, row.type_pre), members(types, row.type_post)
        part = edges[edges["pre"].isin(starts) & edges["post"].isin(ends)]
        assert row.weight == part["weight"].sum()
        assert row.signed_weight == part["signed_weight"].sum()
        assert row.area == pytest.approx(part["area"].sum())
        assert row.n_pairs == len(part[["pre", "post"]].drop_duplicates())
        assert (row.n_pre, row.n_post) == (part["pre"].nunique(), part["post"].nunique())
        assert row.weight_per_neuron == row.weight / len(present & set(ends))
    for values in ("n_pairs", "n_pre", "n_post", "weight_per_neuron"):
        matrix = edges.neuro.to_matrix(types, values=values)
        assert matrix.to_numpy().sum() == pytest.approx(found[values].sum())


@given(rows=edge_lists, labels=label_lists)
@settings(deadline=None, max_examples=25)
def test_one_end_can_be_grouped(rows: Any, labels: Any) -> None:
    edges, types = table(rows), types_of(labels)
    annotated = edges.neuro.annotate(types)
    found = annotated.neuro.collapse({"post": "type"}, per_neuron=True)
    assert list(found.columns[:3]) == ["pre", "type_post", "weight"]
    assert found["pre"].dtype == np.int64
    plain = annotated.groupby(["pre", "type_post"], dropna=False, sort=False)["weight"].sum()
    assert found["weight"].tolist() == plain.tolist()
    pd.testing.assert_frame_equal(found, edges.neuro.collapse({"post": types}, per_neuron=True))
    matrix = edges.neuro.to_matrix({"post": types}, normalize="output", dropna=False)
    assert matrix.index.tolist() == sorted(set(edges["pre"]))
    sent = edges.groupby("pre")["weight"].sum()
    sums = matrix.sum(axis=1)
    assert all(sums[n] == pytest.approx(1) for n in sent.index if sent[n])
    assert edges.neuro.to_matrix({"pre": types}).columns.name == "post"


class TestValues:
    EDGES = pd.DataFrame(
        {
            "pre": [1, 2, 9],
            "post": [3, 4, 4],
            "weight": [3, 4, 1],
            "share": pd.array([0.5, None, 0.25], "Float64"),
            "text": "x",
        }
    )
    TYPES = {1: "KC", 2: "KC", 3: "MBON", 4: "MBON"}

    def test_pairs_keep_further_columns(self) -> None:
        twice = pd.concat([self.EDGES, self.EDGES], ignore_index=True).assign(hop=[3, 2, 1, 1, 1, 1])
        found = twice.neuro.collapse(values="share")
        assert list(found) == ["pre", "post", "weight", "share", "hop"]
        assert found["share"].tolist() == [1.0, 0.0, 0.5]
        assert found["hop"].tolist() == [1, 1, 1]

    def test_unlabeled_neurons_count_in_the_denominator(self) -> None:
        assert self.EDGES.neuro.to_matrix(self.TYPES, normalize="input").loc["KC", "MBON"] == 7 / 8
        shown = self.EDGES.neuro.to_matrix(self.TYPES, normalize="input", dropna=False)
        assert shown.loc[shown.index.isna(), "MBON"].tolist() == [1 / 8]
        assert self.EDGES.neuro.to_matrix(self.TYPES).shape == (3, 3)

    def test_arrays_and_pictures_have_the_same_cells(self) -> None:
        array = self.EDGES.neuro.to_xarray(self.TYPES, normalize="input", values="share")
        assert (array.name, array.attrs["units"]) == ("input_fraction", "1")
        matrix = self.EDGES.neuro.to_matrix(self.TYPES, normalize="input", values="share")
        assert array.to_numpy().tolist() == matrix.to_numpy().tolist()
        nodes = pd.DataFrame({"root_id": list(self.TYPES), "type": list(self.TYPES.values())})
        by_end = self.EDGES.neuro.to_xarray({"post": "type"}, nodes=nodes, normalize="input")
        assert by_end.sel(pre=9, post="MBON").item() == 1 / 8
        plain = self.EDGES.neuro.to_xarray(normalize="output")
        xr.testing.assert_equal(plain.sum("post"), (plain.sum("post") > 0).astype(float))

    @pytest.mark.parametrize(
        ("options", "error", "text"),
        [
            ({"values": "text"}, errors.InvalidEdgesError, "must contain numbers"),
            ({"values": "shar"}, errors.MissingColumnsError, "Did you mean 'share'"),
            ({"normalize": "inputs"}, ValueError, "'input' or 'output'"),
            ({"values": "n_pre", "normalize": "input"}, ValueError, "values='n_pre'"),
            ({"ids": [1]}, ValueError, "ids="),
        ],
    )
    def test_choices_that_do_not_fit(self, options: Any, error: Any, text: str) -> None:
        with pytest.raises(error, match=text):
            self.EDGES.neuro.to_matrix(self.TYPES, **options)

    def test_columns_that_the_result_needs(self) -> None:
        with pytest.raises(errors.AmbiguousColumnError, match="'n_pairs'"):
            self.EDGES.assign(n_pairs=1).neuro.collapse(self.TYPES, values="n_pairs")
        with pytest.raises(ValueError, match="requires group_by"):
            self.EDGES.neuro.collapse(per_neuron=True)
        with pytest.raises(ValueError, match="postsynaptic"):
            self.EDGES.neuro.annotate(self.TYPES).neuro.collapse("group_pre", per_neuron=True)
        with pytest.raises(errors.MissingColumnsError, match="'side_post'"):
            self.EDGES.neuro.collapse({"post": "side"})

    def test_large_sums_stay_exact(self) -> None:
        edges = self.EDGES.assign(area=np.int64(2**60) + np.arange(3))
        found = edges.neuro.collapse(dict.fromkeys(range(1, 10), "x"), values="area")
        assert found["area"].tolist() == [3 * 2**60 + 3]
        with pytest.raises(errors.InvalidEdgesError, match="too large for 64 bits"):
            edges.assign(area=2**62).neuro.collapse(values="area")

    def test_different_labels_at_each_end(self) -> None:
        found = self.EDGES.neuro.collapse({"pre": {1: "a"}, "post": {3: "b", 4: "c"}}, per_neuron=True)
        assert found["group_post"].tolist() == ["b", "c"]
        assert found["weight_per_neuron"].tolist() == [3, 5]


def test_neurons_with_names() -> None:
    edges = pd.DataFrame({"pre": ["AVAL", "AVAR", "X"], "post": ["B1", "B2", "B2"], "weight": [3, 4, 1]})
    edges = edges.neuro.as_edges(nodes="names")
    types = {"AVAL": "AVA", "AVAR": "AVA", "B1": "B", "B2": "B"}
    assert edges.neuro.collapse(types, per_neuron=True)["weight_per_neuron"].tolist() == [3.5, 0.5]
    assert edges.neuro.to_matrix({"post": types}, normalize="output").loc["AVAR", "B"] == 1
    assert edges.neuro.completeness(["AVAR"]).loc["B2", "input_completeness"] == 0.8
    both = pd.concat([edges.assign(dataset="a"), edges.assign(dataset="b")], ignore_index=True)
    both.attrs = edges.attrs
    chosen = pd.MultiIndex.from_tuples([("a", "AVAL"), ("b", "AVAR")])
    found = both.neuro.annotate(types, "type").neuro.similarity(of="output", group_by="type", ids=chosen)
    assert found.to_numpy().tolist() == [[1, 1], [1, 1]]


@pytest.mark.parametrize("end", ["pre", "post"])
def test_categories_of_one_end_alone_do_not_order_a_matrix(end: str) -> None:
    edges = pd.DataFrame({"pre": [1, 2, 3], "post": [2, 3, 1], "weight": [3, 4, 5]})
    edges = edges.assign(type_pre=["A", "B", "A"], type_post=["B", "A", "A"])
    kinds = {f"type_{one}": pd.CategoricalDtype(["B", "A"]) for one in ("pre", "post")}
    one, both = (edges.astype(part) for part in ({f"type_{end}": kinds[f"type_{end}"]}, kinds))
    assert both.neuro.to_matrix("type").index.tolist() == ["B", "A"]
    found = one.neuro.to_matrix("type")
    assert found.index.tolist() == found.columns.tolist() == ["A", "B"]
    assert found.to_numpy().tolist() == [[5, 3], [4, 0]]
