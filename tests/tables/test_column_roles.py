"""Recognition of the column or index of segment IDs in a table."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

import pdneuro
from pdneuro import errors
from pdneuro.queries.structures import structures
from pdneuro.sandbox import Sandbox


@pytest.mark.parametrize("start", [200_000, 10**9, 10**14])
def test_an_unnamed_index_of_row_numbers_is_not_recognized_as_ids(start: int, sandbox: Sandbox) -> None:
    table = pd.DataFrame({"area": [1.0, 2.0]}, index=pd.Index([start, start + 7]))
    with pytest.raises(errors.MissingColumnsError, match="no column of segment IDs"):
        table.neuro.edges()
    assert not sandbox.requests


def test_an_unnamed_index_of_ids_is_recognized(sandbox: Sandbox, ids: pd.Series) -> None:
    table = pd.DataFrame({"area": 1.0}, index=pd.Index(ids.tolist()))
    pd.testing.assert_frame_equal(table.neuro.edges(), ids.neuro.edges())
    # One row number among the IDs: the index is something else.
    mixed = pd.DataFrame({"area": 1.0}, index=pd.Index([*ids, 12]))
    with pytest.raises(errors.MissingColumnsError):
        mixed.neuro.edges()


def test_a_named_index_counts_whatever_its_numbers(sandbox: Sandbox) -> None:
    small = pd.DataFrame({"area": [1.0]}, index=pd.Index([12], name="Root_ID"))
    assert small.neuro.edges(on_missing="ignore").empty
    other = pdneuro.sandbox.neurons().set_index("root_id").rename_axis("row")[["side"]]
    with pytest.raises(errors.MissingColumnsError):
        other.neuro.edges()


def test_the_column_id_counts_only_when_there_is_no_better_name(
    sandbox: Sandbox, ids: pd.Series
) -> None:
    expected = ids.neuro.edges()
    both = pd.DataFrame({"id": range(1, 11), "root_id": ids})
    pd.testing.assert_frame_equal(both.neuro.edges(), expected)
    pd.testing.assert_frame_equal(pd.DataFrame({"id": ids}).neuro.edges(), expected)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (
            lambda t: t.neuro.roots(source="cave:minnie65_public"),
            "no column of supervoxels .* among 'area'",
        ),
        (lambda t: t.neuro.unionizes(), "no column of experiments .* among 'area'"),
        (lambda t: t.neuro.structures("acronym"), "no column of structures .* among 'area'"),
        (
            lambda t: t.neuro.neuromorpho("species"),
            "no column of NeuroMorpho.org's neurons .* among 'area'",
        ),
    ],
)
def test_a_table_without_the_column_is_an_error_that_lists_its_columns(
    call: Any, words: str, sandbox: Sandbox
) -> None:
    with pytest.raises(errors.MissingColumnsError, match=f"{words}, and the index 'row'"):
        call(pd.DataFrame({"area": [1.0]}, index=pd.Index([1], name="row")))
    assert not sandbox.requests


def test_structures_in_the_index_are_recognized(sandbox: Sandbox) -> None:
    for name, cells in (("structure_id", [385, 549]), ("acronym", ["VISp", "TH"])):
        table = pd.DataFrame({"area": [1.0, 2.0]}, index=pd.Index(cells, name=name))
        found = table.neuro.structures("name")
        pd.testing.assert_index_equal(found.index, table.index)
        assert (
            found["name"].tolist() == table.index.to_series().neuro.structures("name")["name"].tolist()
        )


@pytest.mark.parametrize("values", [pd.Series([385]), pd.Index([385]), [385]])
def test_a_column_of_a_column_is_an_error(values: Any, sandbox: Sandbox) -> None:
    with pytest.raises(
        TypeError, match=f"on='x' is for a DataFrame, but this is a {type(values).__name__}"
    ):
        structures(values, "acronym", on="x")


def test_ids_completed_by_the_name_of_their_column_keep_the_index(sandbox: Sandbox) -> None:
    known = int(pdneuro.sandbox.neurons()["root_id"].iloc[0])
    digits, rest = str(known)[:9], int(str(known)[9:])
    table = pd.DataFrame({f"root_id_{digits}": pd.array([rest, None], "Int64")}, index=["a", "b"])
    assert table.neuro.ids(f"root_id_{digits}").dropna().to_dict() == {"a": known}
    assert table.neuro.properties("size").index.tolist() == ["a", "b"]
    assert table.neuro.properties("size")["size"].isna().tolist() == [False, True]
