"""Recognition of the column or index of segment IDs in a table."""

from __future__ import annotations

import pandas as pd
import pytest

import pdneuro
from pdneuro import errors
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


def test_ids_completed_by_the_name_of_their_column_keep_the_index(sandbox: Sandbox) -> None:
    known = int(pdneuro.sandbox.neurons()["root_id"].iloc[0])
    digits, rest = str(known)[:9], int(str(known)[9:])
    table = pd.DataFrame({f"root_id_{digits}": pd.array([rest, None], "Int64")}, index=["a", "b"])
    assert table.neuro.ids(f"root_id_{digits}").dropna().to_dict() == {"a": known}
    assert table.neuro.properties("size").index.tolist() == ["a", "b"]
    assert table.neuro.properties("size")["size"].isna().tolist() == [False, True]
