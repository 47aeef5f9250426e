"""Properties of segments over HTTP: shapes, dtypes, joins, the four kinds of missing values."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import pdneuro
from pdneuro import errors
from pdneuro._compat import TEXT
from pdneuro.sandbox import Sandbox
from tests.conftest import shared

PROPERTIES = (
    "size",
    "link_pre",
    "link_post",
    "neurotransmitter",
    "connectivity",
    "nucleus",
    "soma",
    "mitochondria",
    "dcv",
)


def serve(sandbox: Sandbox, values: dict[int, Any], snapshot: Any = 1679889604) -> None:
    """Make the next response contain these values."""
    import json

    body = {"materialized_timestamp": snapshot, "results": {str(n): v for n, v in values.items()}}
    sandbox.fail(body=json.dumps(body).encode())


def test_all_nine_properties_have_one_row_per_input_row(sandbox: Sandbox) -> None:
    neurons = pdneuro.sandbox.neurons().head(300)
    found = neurons["root_id"].neuro.properties(*PROPERTIES)
    pd.testing.assert_index_equal(found.index, neurons.index)
    edges = pdneuro.sandbox.edges()
    sent = edges.groupby("pre")["weight"].agg(["sum", "size"]).reindex(neurons["root_id"], fill_value=0)
    assert found["nr_pre"].tolist() == sent["sum"].tolist()
    assert found["nr_downstream_partner"].tolist() == sent["size"].tolist()
    assert found["connectivity_downstream_count"].tolist() == sent["size"].tolist()
    taken = (
        edges.groupby("post")["weight"].agg(["sum", "size"]).reindex(neurons["root_id"], fill_value=0)
    )
    assert found["nr_post"].tolist() == taken["sum"].tolist()
    assert found["connectivity_upstream_count"].tolist() == taken["size"].tolist()
    assert found["size"].max() > 2**31
    kinds = {name: str(dtype) for name, dtype in found.dtypes.items()}
    assert kinds["size"] == "int64"
    assert kinds["neurotransmitter_nt_type"] == TEXT
    assert kinds["neurotransmitter_nt_type_score"] == "Float64"
    assert kinds["soma_position_x"] == "Int64"
    assert kinds["nucleus_count"] == "int64"
    assert kinds["dcv_count"] == "int64"


@pytest.mark.parametrize(
    ("name", "values", "expected"),
    [
        ("size", {1: 5, 2: 7}, {"size": ("int64", [5, 7])}),
        ("size", {1: {"size": 5}, 2: {"size": None}}, {"size": ("Int64", [5, pd.NA])}),
        ("nucleus", {1: {"nucleus_id": "9", "id": "4"}, 2: {"nucleus_id": "8"}},
         {"nucleus_id": ("int64", [9, 8]), "nucleus_nucleus_id": ("Int64", [4, pd.NA])}),
        ("soma", {1: {"at": {"x": 1.5, "deep": {"y": 2}}}, 2: {}},
         {"soma_at_x": ("Float64", [1.5, pd.NA]), "soma_at_deep_y": ("Int64", [2, pd.NA])}),
        ("brand_new", {1: {"flag": True}, 2: {"flag": False}}, {"brand_new_flag": ("bool", [True, False])}),
        ("brand_new", {1: {"flag": True}, 2: None}, {"brand_new_flag": ("boolean", [True, pd.NA])}),
        ("brand_new", {1: "a", 2: "b"}, {"brand_new": (TEXT, ["a", "b"])}),
        ("brand_new", {1: {"n": 1, "m": 0.5}, 2: {"n": 0.25}},
         {"brand_new_n": ("Float64", [1.0, 0.25]), "brand_new_m": ("Float64", [0.5, pd.NA])}),
        ("brand_new", {1: {"n": 2**60 + 1}, 2: {"n": 0.5}}, {"brand_new_n": ("object", [2**60 + 1, 0.5])}),
        ("brand_new", {1: {"n": 2**70}, 2: {"n": 1}}, {"brand_new_n": ("object", [2**70, 1])}),
        ("brand_new", {1: {"code": "007"}, 2: {"code": "12"}}, {"brand_new_code": (TEXT, ["007", "12"])}),
        ("brand_new", {1: {"root_id": "720575940621522189"}, 2: {"root_id": "1"}},
         {"brand_new_root_id": ("int64", [720575940621522189, 1])}),
        ("brand_new", {1: {"xyz": [1, 2, 3]}, 2: {"xyz": [4, 5, 6]}},
         {"brand_new_xyz": ("object", [[1, 2, 3], [4, 5, 6]])}),
        ("dcv", {1: [{"x": 1}, {"x": 2}], 2: []}, {"dcv_count": ("int64", [2, 0])}),
        ("dcv", {1: [{"x": 1}], 2: None}, {"dcv_count": ("Int64", [1, pd.NA])}),
        ("link_pre", {1: {"nr_pre": 3, "extra": "e"}, 2: {}},
         {"nr_pre": ("Int64", [3, pd.NA]), "nr_downstream_partner": ("Int64", [pd.NA, pd.NA]),
          "extra": (TEXT, ["e", pd.NA])}),
    ],
)  # fmt: skip
def test_values_are_flattened_by_shape(
    sandbox: Sandbox, name: str, values: dict[int, Any], expected: dict[str, tuple[str, list[Any]]]
) -> None:
    serve(sandbox, values)
    found = pd.Series([1, 2]).neuro.properties(name)
    assert set(found.columns) == set(expected)
    for column, (dtype, cells) in expected.items():
        assert str(found[column].dtype) == dtype
        shown = [
            pd.NA if pd.api.types.is_scalar(v) and pd.isna(v) else v for v in found[column].tolist()
        ]
        assert str(shown) == str(cells)


def test_multiple_records_are_counted_an_error_or_returned(sandbox: Sandbox) -> None:
    column = pd.Series([1, 2])
    values = {1: [{"x": 1, "id": "9"}, {"x": 2, "id": "8"}], 2: [{"x": 3, "id": "7"}]}
    serve(sandbox, values)
    first = column.neuro.properties("dcv", multiple="first")
    assert first.to_dict("list") == {"dcv_count": [2, 1], "dcv_x": [1, 3], "dcv_id": [9, 7]}
    whole = column.neuro.properties("dcv", multiple="list")
    assert whole["dcv"].tolist() == [values[1], values[2]]
    with pytest.raises(errors.MultipleRecordsError, match=r"1 \(2\)"):
        column.neuro.properties("dcv", multiple="raise")
    with pytest.raises(ValueError, match="multiple must be"):
        column.neuro.properties("dcv", multiple="some")
    assert len(sandbox.requests) == 1


def test_records_in_long_form(sandbox: Sandbox, ids: pd.Series) -> None:
    found = pd.concat([ids, ids]).neuro.records("connectivity")
    assert list(found.columns) == ["segment_id", "direction", "segmentid", "synaptic_count"]
    assert found.dtypes[["segment_id", "segmentid", "synaptic_count"]].eq("int64").all()
    edges = pdneuro.sandbox.edges()
    assert len(found) == edges["pre"].isin(ids).sum() + edges["post"].isin(ids).sum()
    nuclei = ids.neuro.records("nucleus")
    assert nuclei.dtypes.to_dict()["nucleus_id"] == "int64"


@pytest.mark.parametrize("unknown", ["absent", "null", "empty"])
def test_the_four_kinds_of_missing_values_differ(sandbox: Sandbox, ids: pd.Series, unknown: str) -> None:
    sandbox.braincircuits.unknown = unknown
    column = pd.Series([ids[0], 123, None, 0, ids[1]], dtype="Int64", index=list("abcde"))
    if unknown == "absent":
        with pytest.warns(errors.UnknownIdsWarning, match="does not know 1 of the IDs: 123"):
            found = column.neuro.properties("link_pre")
    else:
        found = column.neuro.properties("link_pre")
    assert found["nr_pre"].isna().tolist() == [False, True, True, True, False]
    assert found["nr_pre"].dtype == "Int64"
    report = pdneuro.last_report().set_index("id")
    assert sorted(report.index) == sorted([ids[0], 123, ids[1]])
    assert report.loc[123, "status"] == ("unknown" if unknown == "absent" else "none")
    assert report.loc[ids[0], "status"] == "found"
    sent = [n for request in sandbox.requests for n in request.json()["segments"]]
    assert sorted(sent) == sorted([ids[0], 123, ids[1]])


def test_unknown_ids_may_be_ignored_or_an_error_and_are_requested_once(sandbox: Sandbox) -> None:
    column = pd.Series([123])
    assert column.neuro.properties("size", on_missing="ignore")["size"].isna().all()
    with pytest.raises(errors.UnknownIdsError, match="123"):
        column.neuro.properties("size", on_missing="raise")
    assert len(sandbox.requests) == 1


def test_empty_and_all_missing_columns_have_the_documented_columns(sandbox: Sandbox) -> None:
    for column in (pd.Series([], dtype="int64"), pd.Series([None, 0], dtype="Int64")):
        found = column.neuro.properties("link_pre", "size", "connectivity")
        assert found.shape == (len(column), 5)
        assert found.isna().all().all()
        edges = column.neuro.edges()
        assert edges.empty
        assert edges.dtypes.eq("int64").all()
        assert column.neuro.graph().number_of_nodes() == 0
        assert column.neuro.partners().empty
    assert not sandbox.requests


@pytest.mark.parametrize("multiple", ["count", "first", "list"])
@pytest.mark.parametrize("name", ["size", "link_pre", "link_post", "connectivity"])
def test_columns_do_not_depend_on_whether_a_row_has_a_value(
    sandbox: Sandbox, ids: pd.Series, name: str, multiple: str
) -> None:
    full = ids.neuro.properties(name, multiple=multiple)
    nothing = {"downstream": [], "upstream": []} if name == "connectivity" else None
    serve(sandbox, {1: nothing, 2: nothing})
    for column in ([1, 2], [5, 6], [None, 0]):
        empty = pd.Series(column, dtype="Int64").neuro.properties(
            name, multiple=multiple, on_missing="ignore"
        )
        assert empty.columns.tolist() == full.columns.tolist()


def test_values_of_several_snapshots_are_a_warning(sandbox: Sandbox, ids: pd.Series) -> None:
    sandbox.braincircuits.snapshots = itertools.cycle([1679889604, 1679893204])
    with pytest.warns(errors.MixedSnapshotWarning, match=r"1679889604.*1679893204"):
        found = ids.neuro.properties("link_pre", batch_size=5)
    assert found.attrs["pdneuro"]["materialized_timestamp"] == [1679889604, 1679893204]
    assert set(pdneuro.last_report()["materialized_timestamp"]) == {1679889604, 1679893204}


@pytest.mark.parametrize(
    ("given", "seconds"),
    [(1679889604, 1679889604), ("1679889604", 1679889604), (1679889604.0, 1679889604),
     ("2023-03-27T04:00:04+00:00", 1679889604), ("2023-03-27T04:00:04", 1679889604), (None, None), ("?", None)],
)  # fmt: skip
def test_the_snapshot_time_is_read_in_any_format(
    sandbox: Sandbox, given: Any, seconds: int | None
) -> None:
    serve(sandbox, {1: {"size": 4}}, snapshot=given)
    found = pd.Series([1]).neuro.properties("size")
    assert found.attrs["pdneuro"]["materialized_timestamp"] == ([] if seconds is None else [seconds])


@pytest.mark.parametrize(
    "body", [b'{"1": {"size": 4}}', b'{"materialized_timestamp": 5, "1": {"size": 4}}']
)
def test_a_response_without_its_wrapper_is_read(sandbox: Sandbox, body: bytes) -> None:
    sandbox.fail(body=body)
    assert pd.Series([1]).neuro.properties("size")["size"].tolist() == [4]


class TestJoin:
    """``join_properties`` keeps rows, order, index and dtypes, and does not modify the given table."""

    def frame(self, ids: pd.Series) -> pd.DataFrame:
        rows = [0, 3, 3, 1, 0]
        frame = pd.DataFrame(
            {
                "root_id": pd.array([*ids.iloc[rows[:4]], None], "Int64"),
                "group": pd.Categorical(list("abcab")),
                "when": pd.date_range("2020-01-01", periods=5, tz="UTC"),
                "small": np.array(range(5), "int8"),
            },
            index=pd.Index([5, 5, 3, 9, 1], name="row"),
        )
        frame.attrs["mine"] = 1
        return frame

    def test_rows_and_the_given_frame_stay(self, sandbox: Sandbox, ids: pd.Series) -> None:
        frame = self.frame(ids)
        before = frame.copy()
        joined = frame.neuro.join_properties("link_pre", "neurotransmitter", on="root_id")
        pd.testing.assert_frame_equal(frame, before)
        pd.testing.assert_frame_equal(joined[before.columns.tolist()], before)
        assert joined.attrs["mine"] == 1
        assert (
            joined["nr_pre"].tolist()[:4]
            == ids.neuro.properties("link_pre")["nr_pre"].iloc[[0, 3, 3, 1]].tolist()
        )
        assert joined["nr_pre"].isna().tolist() == [False] * 4 + [True]
        sent = [n for request in sandbox.requests[:1] for n in request.json()["segments"]]
        assert sorted(sent) == sorted(ids.iloc[[0, 3, 1]])

    def test_changing_the_result_leaves_the_given_frame(self, sandbox: Sandbox, ids: pd.Series) -> None:
        frame = self.frame(ids)
        before = frame.copy()
        joined = frame.neuro.join_properties("size")
        joined["small"] += 1
        joined.iloc[0, 3] = 99
        pd.testing.assert_frame_equal(frame, before)

    def test_existing_columns_need_a_prefix_or_overwrite(self, sandbox: Sandbox, ids: pd.Series) -> None:
        frame = pd.DataFrame({"size": "old", "root_id": ids})
        with pytest.raises(errors.ColumnExistsError, match="'size' already"):
            frame.neuro.join_properties("size")
        assert list(frame.neuro.join_properties("size", prefix="bc_").columns) == [
            "size",
            "root_id",
            "bc_size",
        ]
        over = frame.neuro.join_properties("size", overwrite=True)
        assert list(over.columns) == ["size", "root_id"]
        assert over["size"].dtype == "int64"
        assert frame["size"].eq("old").all()
        assert len(sandbox.requests) == 1

    def test_the_column_is_recognized_or_must_be_named(self, sandbox: Sandbox, ids: pd.Series) -> None:
        named = pd.DataFrame({"pt_root_id": ids, "id": range(10), "nucleus_id": range(10)})
        assert "size" in named.neuro.join_properties("size")
        assert "size" in named.set_index("pt_root_id").drop(columns="id").neuro.join_properties("size")
        unnamed = pd.DataFrame({"x": range(10)}, index=ids.to_numpy())
        assert "size" in unnamed.neuro.join_properties("size")
        with pytest.raises(errors.AmbiguousColumnError, match=r"'root_id', 'bodyId'.*on='root_id'"):
            pd.DataFrame({"root_id": ids, "bodyId": ids}).neuro.join_properties("size")
        with pytest.raises(errors.MissingColumnsError, match="no column of segment IDs"):
            pd.DataFrame({"neuron": ids}).neuro.join_properties("size")
        with pytest.raises(errors.MissingColumnsError, match="Did you mean 'root_id'"):
            pd.DataFrame({"root_id": ids}).neuro.join_properties("size", on="rootid")
        twice = pd.concat([ids, ids], axis=1)
        with pytest.raises(errors.AmbiguousColumnError, match="2 columns have the name 'root_id'"):
            twice.neuro.join_properties("size", on="root_id")

    def test_provenance_is_json_and_survives_files_and_concat(
        self, sandbox: Sandbox, ids: pd.Series, tmp_path: Any
    ) -> None:
        joined = (
            pd.DataFrame({"root_id": ids})
            .neuro.join_properties("size")
            .neuro.join_properties("link_pre")
        )
        entry = joined.attrs["pdneuro"]
        assert entry["source"] == "sandbox:braincircuits:fruitfly_fafb_flywire (synthetic)"
        assert entry["query"] == "join_properties(size) | join_properties(link_pre)"
        assert len(entry["materialized_timestamp"]) == 1
        joined.to_parquet(tmp_path / "joined.parquet")
        back = pd.read_parquet(tmp_path / "joined.parquet")
        assert back.attrs["pdneuro"] == entry
        assert back["root_id"].tolist() == ids.tolist()
        assert pd.concat([joined, joined]).attrs["pdneuro"] == entry

    @pytest.mark.parametrize("read_only", [False, True])
    def test_it_works_on_views_and_read_only_arrays(
        self, sandbox: Sandbox, ids: pd.Series, read_only: bool
    ) -> None:
        array = np.repeat(ids.to_numpy(), 2)
        array.flags.writeable = not read_only
        frame = pd.DataFrame({"root_id": array}, copy=False)[::2]
        assert frame.neuro.join_properties("size")["size"].notna().all()


@given(
    rows=st.lists(st.integers(0, 11), max_size=40),
    carrier=st.sampled_from(["Int64", "int64[pyarrow]", "string", "category", "object"]),
)
@settings(max_examples=40, deadline=None)
def test_a_join_equals_a_lookup_row_by_row(
    sandbox: Sandbox, ids: pd.Series, rows: list[int], carrier: str
) -> None:
    cells = [*ids.tolist(), None, 0]  # a missing ID, and 0, which means no segment
    column = pd.Series([cells[row] for row in rows], dtype="Int64")
    column = column.astype({"object": object, "category": "category"}.get(carrier, carrier))
    frame = pd.DataFrame({"root_id": column, "n": range(len(rows))})
    frame.index = pd.Index([row % 3 for row in rows])
    joined = frame.neuro.join_properties("size")
    pd.testing.assert_frame_equal(joined[["root_id", "n"]], frame)
    known = dict(zip(ids.tolist(), ids.neuro.properties("size")["size"].tolist(), strict=True))
    expected = [known.get(cells[row]) for row in rows]
    assert [None if value is pd.NA else value for value in joined["size"].tolist()] == expected
    assert str(joined["size"].dtype) == ("Int64" if None in expected or not rows else "int64")


def test_real_ids_go_through_fetch_join_and_store_bit_for_bit(tmp_path: Any) -> None:
    table = pd.read_csv(shared("braincircuits/Completeness_783.csv.gz"), index_col=0).iloc[::5]
    some = pd.DataFrame({"pre": table.index[:-1], "post": table.index[1:], "weight": 1})
    with pdneuro.sandbox.start(
        edges=some, neurons=table.reset_index(), cache_dir=tmp_path / "c"
    ) as sandbox:
        joined = table.neuro.join_properties("link_pre")
        assert np.array_equal(joined.index.to_numpy(), table.index.to_numpy())
        assert joined["nr_pre"].sum() == len(table) - 1
        edges = table.neuro.edges()
        pd.testing.assert_frame_equal(
            edges.sort_values(["pre", "post"], ignore_index=True),
            some.sort_values(["pre", "post"], ignore_index=True),
        )
        graph = edges.neuro.to_networkx()
        assert set(graph) == set(table.index.tolist())
        edges.to_parquet(tmp_path / "edges.parquet")
        pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "edges.parquet"), edges)
        asked = len(sandbox.requests)
        with pdneuro.set_options(offline=True):
            again = table.neuro.edges()
        assert len(sandbox.requests) == asked
        pd.testing.assert_frame_equal(again, edges)
        sent = [n for request in sandbox.requests for n in request.json()["segments"]]
        assert len(sent) == 2 * len(table) == 2 * len(set(sent))


def test_zeros_and_duplicates_of_a_real_table_are_requested_once(sandbox: Sandbox) -> None:
    table = pd.read_parquet(shared("braincircuits/nerve_bundle_fibers_v0.parquet"))
    sandbox.braincircuits.unknown = "null"  # an empty response would be requested again
    joined = table.neuro.join_properties("size", on="pt_root_id", on_missing="ignore")
    assert len(joined) == 6_461
    assert joined["pt_root_id"].tolist() == table["pt_root_id"].tolist()
    sent = [n for request in sandbox.requests for n in request.json()["segments"]]
    assert sorted(sent) == sorted(set(table["pt_root_id"]) - {0})
