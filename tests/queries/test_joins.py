"""Joins of every service: rows, names, statuses, repeated calls, provenance."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import pdneuro
from pdneuro import errors
from pdneuro._compat import PANDAS_3
from pdneuro.sandbox import Sandbox

Join = Callable[..., pd.DataFrame]
UNKNOWN_SEGMENT = 720575940600000003


def segments() -> pd.DataFrame:
    known = pdneuro.sandbox.neurons()["root_id"].head(2).tolist()
    ids = pd.array([known[0], None, UNKNOWN_SEGMENT, known[1], 0], "Int64")
    return pd.DataFrame({"root_id": ids, "mine": np.arange(5, dtype="int8")}, index=list("ababc"))


def properties(table: pd.DataFrame, **options: Any) -> pd.DataFrame:
    return table.neuro.join_properties("size", on_missing="ignore", **options)


def structures(table: pd.DataFrame, **options: Any) -> pd.DataFrame:
    return table.neuro.join_structures("name", "depth", on_missing="ignore", **options)


def records(table: pd.DataFrame, **options: Any) -> pd.DataFrame:
    return table.neuro.join_neuromorpho("species", "max_age", on_missing="ignore", **options)


def measurements(table: pd.DataFrame, **options: Any) -> pd.DataFrame:
    return table.neuro.join_morphometry("n_stems", on_missing="ignore", **options)


#: Name -> join, column of IDs, a table, the status of its rows.
CASES: dict[str, tuple[Join, Callable[[], pd.DataFrame], list[str]]] = {
    "properties": (properties, segments, ["found", "missing", "unknown", "found", "missing"]),
    "structures": (
        structures,
        lambda: pd.DataFrame({"structure_id": pd.array([385, None, 4, -549, 0], "Int64")}),
        ["found", "missing", "unknown", "found", "found"],
    ),
    "acronyms": (
        structures,
        lambda: pd.DataFrame({"acronym": ["VISp", None, "nowhere", "TH", "void"]}),
        ["found", "missing", "unknown", "found", "found"],
    ),
    "records": (
        records,
        lambda: pd.DataFrame({"neuron_id": pd.array([1, None, 999_999, 2], "Int64")}),
        ["found", "missing", "unknown", "found"],
    ),
    "records by name": (
        records,
        lambda: pd.DataFrame({"neuron_name": ["cell_0001", None, "nobody", "cell_0002"]}),
        ["found", "missing", "unknown", "found"],
    ),
    "measurements": (
        measurements,
        lambda: pd.DataFrame({"neuron_id": pd.array([1, None, 999_999, 2], "Int64")}),
        ["found", "missing", "unknown", "found"],
    ),
    "measurements by name": (
        measurements,
        lambda: pd.DataFrame({"neuron_name": ["cell_0001", None, "nobody", "cell_0002"]}),
        ["found", "missing", "unknown", "found"],
    ),
}


@pytest.fixture(params=CASES)
def case(request: pytest.FixtureRequest) -> tuple[Join, pd.DataFrame, list[str]]:
    """One join, a table for it, and the status of each row of the table."""
    join, make, status = CASES[request.param]
    return join, make(), status


def test_the_indicator_has_the_status_of_each_row(sandbox: Sandbox, case: Any) -> None:
    join, table, status = case
    plain = join(table)
    marked = join(table, indicator=True)
    assert marked["_merge"].tolist() == status
    pd.testing.assert_frame_equal(marked.drop(columns="_merge"), plain)
    assert join(table, indicator="how", prefix="x_", suffix="_y")["how"].tolist() == status
    new = [name for name in plain if name not in table]
    values = plain[new].notna().any(axis=1)
    assert (marked["_merge"] == "found").tolist() == values.tolist()


def test_an_inner_join_keeps_the_rows_that_were_found(sandbox: Sandbox, case: Any) -> None:
    join, table, status = case
    before = table.copy()
    found = [word == "found" for word in status]
    inner = join(table, how="inner", indicator=True)
    pd.testing.assert_frame_equal(table, before)
    pd.testing.assert_frame_equal(inner[table.columns.tolist()], table[found])
    pd.testing.assert_frame_equal(
        inner, join(table, indicator=True)[found], check_dtype=False, check_column_type=False
    )
    assert set(inner["_merge"]) == {"found"}
    new = inner.drop(columns=table.columns)
    assert not (new.dtypes.eq("Int64") & ~new.isna().any()).any()
    pd.testing.assert_frame_equal(join(inner, how="inner", indicator=True), inner)


def test_a_join_can_run_twice(sandbox: Sandbox, case: Any, tmp_path: Path) -> None:
    join, table, _ = case
    options = {"indicator": "status"}
    once = join(table, **options)
    query = once.attrs["pdneuro"]["query"]
    requests = len(sandbox.requests)
    twice = join(once, **options)
    pd.testing.assert_frame_equal(twice, once)
    for _ in range(3):
        twice = join(twice, overwrite=True, **options)
    assert twice.attrs["pdneuro"]["query"] == query
    assert len(sandbox.requests) == requests
    # A file changes dtypes, and not the values.
    once.to_csv(tmp_path / "t.csv", index=False)
    back = pdneuro.files.read_table(tmp_path / "t.csv")
    pd.testing.assert_frame_equal(join(back, **options), back)


def test_other_values_in_an_existing_column_are_an_error(sandbox: Sandbox, case: Any) -> None:
    join, table, _ = case
    once = join(table)
    new = once.columns[-1]
    changed = once.copy()
    changed[new] = changed[new].astype(object)
    changed.iloc[0, -1] = "other"
    with pytest.raises(errors.ColumnExistsError, match=rf"'{new}' already.*suffix=.*overwrite=True"):
        join(changed)
    with pytest.raises(errors.ColumnExistsError, match="'mark' already"):
        join(table.assign(mark=1), indicator="mark")
    pd.testing.assert_series_equal(join(changed, overwrite=True)[new], once[new])


def test_the_suffix_and_the_prefix_make_other_names(sandbox: Sandbox, case: Any) -> None:
    join, table, _ = case
    plain = join(table, prefix="")
    new = [name for name in plain if name not in table]
    named = join(table, prefix="a_", suffix="_b")
    assert named.columns.tolist() == [*table.columns, *(f"a_{name}_b" for name in new)]
    with pytest.raises(ValueError, match="how must be 'left' or 'inner', not 'outer'"):
        join(table, how="outer")
    for wrong in ("", 3):
        with pytest.raises(ValueError, match="indicator must be"):
            join(table, indicator=wrong)


def test_a_join_to_several_columns(sandbox: Sandbox, case: Any) -> None:
    join, table, status = case
    own = table.columns[0]
    both = pd.DataFrame({"from": table[own].array, "to": table[own].array[::-1]})
    found = join(both, on=["from", "to"], indicator="status")
    first, second = (join(both, on=end, indicator="status") for end in both)
    for name in first.columns.drop(both.columns):
        for single, end in ((first, "from"), (second, "to")):
            pd.testing.assert_series_equal(found[f"{name}_{end}"], single[name], check_names=False)
    assert found.shape[1] == 2 * first.shape[1] - 2
    inner = join(both, on=["from", "to"], how="inner")
    kept = [a == b == "found" for a, b in zip(status, status[::-1], strict=True)]
    assert inner.index.tolist() == np.flatnonzero(kept).tolist()


def test_both_neurons_of_edges_are_requested_once(sandbox: Sandbox) -> None:
    edges = pdneuro.sandbox.edges().head(50)
    joined = edges.neuro.join_properties("size", on=["pre", "post"])
    pd.testing.assert_frame_equal(joined[edges.columns.tolist()], edges)
    (request,) = sandbox.requests
    asked = request.json()["segments"]
    assert sorted(asked) == sorted({*edges["pre"], *edges["post"]})
    assert len(pdneuro.last_report()) == len(asked)
    sizes = pd.Series(asked).neuro.properties("size")["size"].set_axis(asked)
    for end in ("pre", "post"):
        assert joined[f"size_{end}"].tolist() == sizes[edges[end]].tolist()
        assert joined[f"size_{end}"].dtype == "int64"
    other = edges.rename(columns={"pre": "pre_pt_root_id", "post": "post_pt_root_id"})
    named = other.neuro.join_properties("size", on=["pre_pt_root_id", "post_pt_root_id"])
    assert named.columns[-2:].tolist() == ["size_pre", "size_post"]
    # Columns of different dtypes keep all digits.
    mixed = edges.assign(pre=edges["pre"].astype("uint64"), post=edges["post"].astype("str"))
    again = mixed.neuro.join_properties("size", on=["pre", "post"])
    assert again["size_post"].tolist() == joined["size_post"].tolist()
    for wrong in ([], ["pre", "pre"]):
        with pytest.raises(errors.MissingColumnsError, match="on= must name"):
            edges.neuro.join_properties("size", on=wrong)
    with pytest.raises(errors.MissingColumnsError, match="'poste'"):
        edges.neuro.join_properties("size", on=["pre", "poste"])


def test_a_failed_and_a_missing_value_have_their_statuses(sandbox: Sandbox) -> None:
    ids = pdneuro.sandbox.neurons()["root_id"].head(4).tolist()
    table = pd.DataFrame({"root_id": [*ids, UNKNOWN_SEGMENT]})
    sandbox.braincircuits.poison = {ids[1]: 500}
    with pytest.warns(errors.PartialResultWarning, match="1 IDs could not be fetched"):
        found = properties(table, indicator="status", on_error="partial")
    assert found["status"].tolist() == ["found", "failed", "found", "found", "unknown"]
    report = pdneuro.last_report().set_index("id")["status"]
    assert found["status"].tolist() == report[table["root_id"]].tolist()
    with pytest.warns(errors.PartialResultWarning):
        inner = properties(table, how="inner", on_error="partial")
    assert inner["root_id"].tolist() == [ids[0], *ids[2:]]
    # One property that was found counts more than one without a value.
    with pytest.warns(errors.PartialResultWarning):
        two = table.neuro.join_properties(
            "size", "nucleus", indicator="status", on_error="partial", on_missing="ignore"
        )
    assert two["status"].tolist() == found["status"].tolist()


def test_the_report_has_the_same_words(sandbox: Sandbox) -> None:
    brain = pdneuro.Connectome(
        pd.DataFrame({"pre": [11, 12], "post": [12, 11], "weight": [1, 2]}),
        pd.DataFrame({"root_id": [11, 12], "kind": ["KC", None]}),
    )
    table = pd.DataFrame({"root_id": pd.array([11, 12, 99, None], "Int64")})
    found = table.neuro.join_properties("kind", source=brain, indicator=True, on_missing="ignore")
    assert found["_merge"].tolist() == ["found", "none", "unknown", "missing"]
    assert pdneuro.last_report()["status"].tolist() == ["found", "none", "unknown"]


def test_an_empty_table_has_the_same_columns(sandbox: Sandbox, case: Any) -> None:
    join, table, _ = case
    full, empty = (join(part, indicator=True, how="inner") for part in (table, table.iloc[:0]))
    assert empty.columns.tolist() == full.columns.tolist()
    assert len(empty) == 0


@pytest.mark.parametrize("copy_on_write", [False, True, "warn"])
def test_a_change_of_the_result_does_not_reach_the_table(
    sandbox: Sandbox, case: Any, copy_on_write: Any
) -> None:
    join, table, _ = case
    table = table.rename_axis("row")
    expected = table.copy()
    mode = pd.option_context("mode.copy_on_write", copy_on_write)
    with contextlib.nullcontext() if PANDAS_3 else mode:
        once = join(table)
        for joined in (once, join(once)):  # the second adds no column
            joined.index.name = "new"
            joined.iloc[0, 0] = joined.iloc[2, 0]
            pd.testing.assert_frame_equal(table, expected)
    pd.testing.assert_frame_equal(table, expected)


def test_the_columns_of_a_join_with_copy_on_write(sandbox: Sandbox, case: Any) -> None:
    join, table, _ = case
    once = join(table)
    twice = join(once)
    before = once.copy()
    twice.iloc[0, 0] = twice.iloc[2, 0]
    pd.testing.assert_frame_equal(once, before)


@settings(max_examples=25)
@given(rows=st.lists(st.tuples(*[st.integers(0, 6)] * 2), max_size=12))
def test_an_inner_join_to_both_ends_equals_two_inner_joins(
    sandbox: Sandbox, rows: list[tuple[int, int]]
) -> None:
    known = pdneuro.sandbox.neurons()["root_id"].head(4).tolist()
    pool = np.array([*known, 0, UNKNOWN_SEGMENT, UNKNOWN_SEGMENT + 1], np.int64)
    table = pd.DataFrame(pool[np.array(rows, int).reshape(-1, 2)], columns=["pre", "post"])
    both = properties(table, on=["pre", "post"], how="inner")
    one = properties(table, on="pre", how="inner", suffix="_pre")
    two = properties(one, on="post", how="inner", suffix="_post")
    pd.testing.assert_frame_equal(both, two, check_dtype=False)


class Plain:
    """A source with the methods of the protocol alone: it reports no statuses, and has no catalog."""

    name = "plain"

    def properties(self, ids: Any, name: str, *, multiple: str, fetch: Any) -> dict[str, Any]:
        return {name: pd.array([7 if number == 11 else None for number in ids.tolist()], "Int64")}

    def records(self, ids: Any, name: str, *, fetch: Any) -> pd.DataFrame:
        return pd.DataFrame({"segment_id": ids[:0]})

    def edges(self, ids: Any, *, upstream: bool, downstream: bool, fetch: Any) -> pd.DataFrame:
        return pd.DataFrame({"pre": ids, "post": ids[::-1], "weight": 1})


def test_the_values_of_a_source_without_statuses_decide_them() -> None:
    table = pd.DataFrame({"root_id": pd.array([11, 12, None, 11], "Int64")}, index=list("abca"))
    found = table.neuro.join_properties("size", source=Plain(), indicator=True)
    assert found["_merge"].tolist() == ["found", "none", "missing", "found"]
    inner = table.neuro.join_properties("size", source=Plain(), how="inner")
    assert inner.index.tolist() == ["a", "a"]
    assert inner["size"].tolist() == [7, 7]


def test_a_source_without_a_catalog_lists_what_every_source_can_do() -> None:
    found = pdneuro.catalog(Plain())
    assert found["source"].eq("plain").all()
    assert found.loc[found["kind"] == "source", "name"].tolist() == ["plain"]
    assert found.loc[found["kind"] == "capability", "name"].tolist() == ["properties", "edges"]
