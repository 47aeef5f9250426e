"""Skeletons from the skeleton service, through the real caveclient."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import pdneuro
from pdneuro import errors
from pdneuro.sandbox import Sandbox
from pdneuro.sandbox.cave_data import Datastack, datastack
from pdneuro.sandbox.server import Request, Response
from tests.cave.test_client import change

pytest.importorskip("caveclient", reason="caveclient holds pandas below 3: the other environment has it")

SOURCE = "cave:minnie65_public"


@pytest.fixture
def stack() -> Datastack:
    """The datastack that the sandbox serves."""
    return datastack("minnie65_public")


@pytest.fixture
def ids(stack: Datastack) -> pd.Series:
    """Root IDs that have a skeleton."""
    found = pdneuro.sandbox.root_ids()
    return found[~found.isin(stack.without_skeleton)].reset_index(drop=True)


def bulk(sandbox: Sandbox) -> list[list[int]]:
    """Root IDs of each request for skeletons."""
    return [r.json()["root_ids"] for r in sandbox.requests if "get_cached_skeletons" in r.path]


def test_the_node_table_is_that_of_the_service_in_um(
    sandbox: Sandbox, stack: Datastack, ids: pd.Series
) -> None:
    column = pd.Series([*ids[5:2:-1], ids[5], 0, None], dtype="Int64", name="root_id")
    nodes = column.neuro.skeletons(source=SOURCE)
    assert nodes["neuron"].unique().tolist() == ids[5:2:-1].tolist()
    assert nodes["neuron"].dtype == "int64"
    for root, own in nodes.groupby("neuron"):
        right = stack.skeleton(int(root)).rename(columns={"id": "node"})
        pd.testing.assert_frame_equal(
            own.drop(columns="neuron").reset_index(drop=True), right[own.columns[1:]], check_dtype=False
        )
    assert nodes["node"].min() == 0
    shapes = nodes.neuro.morphology()
    assert shapes["roots"].tolist() == [1, 1, 1]
    assert not len(nodes.neuro.check())
    assert set(nodes["type"]) == {1, 2, 3}


def test_each_skeleton_is_requested_once(sandbox: Sandbox, ids: pd.Series) -> None:
    first = ids.head(3).neuro.skeletons(source=SOURCE)
    again = ids.head(5).neuro.skeletons(source=SOURCE)
    assert [sorted(part) for part in bulk(sandbox)] == [ids[:3].tolist(), ids[3:5].tolist()]
    assert again.head(len(first)).equals(first)
    with pdneuro.set_options(offline=True):
        pd.testing.assert_frame_equal(ids.head(5).neuro.skeletons(source=SOURCE), again)
        with pytest.raises(errors.OfflineError):
            ids.tail(1).neuro.skeletons(source=SOURCE)


def test_what_is_not_generated_has_its_own_status(
    sandbox: Sandbox, stack: Datastack, ids: pd.Series
) -> None:
    all_ids = pdneuro.sandbox.root_ids()
    absent = all_ids[all_ids.isin(stack.without_skeleton - stack.refused)].head(2)
    refused = all_ids[all_ids.isin(stack.refused)].head(1)
    column = pd.concat([ids.head(2), absent, refused], ignore_index=True)
    with pytest.warns(errors.NotGeneratedWarning) as caught:
        nodes = column.neuro.skeletons(source=SOURCE)
    assert len(caught) == 2
    assert str(absent.iloc[0]) in str(caught[0].message)
    assert "generate=True" in str(caught[0].message)
    assert "refusal list" in str(caught[1].message)
    assert nodes["neuron"].unique().tolist() == ids.head(2).tolist()
    words = pdneuro.last_report().set_index("id")["status"]
    assert words[column].tolist() == ["found"] * 2 + ["not generated"] * 2 + ["none"]
    assert not sandbox.cave.generated
    assert not any(r.json()["generate_missing"] for r in sandbox.requests if "cached_skel" in r.path)
    with pytest.warns(errors.NotGeneratedWarning) as caught:
        column.neuro.skeletons(source=SOURCE, generate=True)
    assert "was started" in str(caught[0].message)
    assert sandbox.cave.generated == set(absent)
    # What did not exist is not cached.
    with pytest.warns(errors.NotGeneratedWarning, match="refusal list"):
        nodes = column.neuro.skeletons(source=SOURCE)
    assert nodes["neuron"].nunique() == 4


@pytest.mark.parametrize("limit", [1, 7])
def test_a_service_with_a_lower_limit(sandbox: Sandbox, ids: pd.Series, limit: int) -> None:
    sandbox.cave.skeleton_limit = limit
    nodes = ids.head(20).neuro.skeletons(source=SOURCE)
    assert nodes["neuron"].unique().tolist() == ids.head(20).tolist()


def test_a_damaged_skeleton_is_not_taken_for_a_missing_one(sandbox: Sandbox, ids: pd.Series) -> None:
    sandbox.cave.damaged = {int(ids[3])}
    with pytest.raises(errors.ServiceError, match="cannot be read"):
        ids.head(6).neuro.skeletons(source=SOURCE)
    with pytest.warns(errors.PartialResultWarning, match=str(ids[3])):
        nodes = ids.head(6).neuro.skeletons(source=SOURCE, on_error="partial")
    assert nodes["neuron"].unique().tolist() == ids.head(6).drop(3).tolist()


@pytest.mark.parametrize(
    ("version", "error", "words"),
    [
        (None, errors.NotFoundError, "no skeleton service"),
        ("0.22.1", errors.OldServiceError, "0.22.1, and 0.23.9 or newer"),
    ],
)
def test_a_server_without_the_service(
    sandbox: Sandbox, ids: pd.Series, version: str | None, error: type[Exception], words: str
) -> None:
    sandbox.cave.skeleton_service = version
    with pytest.raises(error, match=words):
        ids.head(1).neuro.skeletons(source=SOURCE)


def test_versions_of_skeletons_of_another_server(sandbox: Sandbox, ids: pd.Series) -> None:
    def alter(request: Request, response: Response) -> Response | None:
        return (
            Response([-1, 0, 5])
            if request.path.endswith("api/versions") and "skel" in request.path
            else None
        )

    change(sandbox, alter)
    ids.head(1).neuro.skeletons(source=SOURCE)
    assert any("/get_cached_skeletons/5/" in request.path for request in sandbox.requests)


def test_nodes_that_are_none_are_an_error(sandbox: Sandbox, ids: pd.Series) -> None:
    def alter(request: Request, response: Response) -> Response | None:
        if "get_cached_skeletons" not in request.path:
            return None
        return Response({root: b"0 1 a b c 1 -1\n".hex() for root in response.body})

    change(sandbox, alter)
    with pytest.raises(errors.InvalidResponseError, match="nodes"):
        ids.head(1).neuro.skeletons(source=SOURCE)


def test_no_ids(sandbox: Sandbox, ids: pd.Series) -> None:
    before = len(sandbox.requests)
    nodes = ids.head(0).neuro.skeletons(source=SOURCE)
    assert nodes.dtypes.to_dict() == ids.head(1).neuro.skeletons(source=SOURCE).dtypes.to_dict()
    assert len(sandbox.requests) > before
    assert len(nodes) == 0


def test_a_skeleton_survives_a_file(sandbox: Sandbox, ids: pd.Series, tmp_path: Path) -> None:
    nodes = ids.head(4).neuro.skeletons(source=SOURCE)
    nodes.neuro.to_swc(tmp_path)
    read = ids.head(4).neuro.skeletons(source=tmp_path)
    assert read["neuron"].tolist() == nodes["neuron"].tolist()
    np.testing.assert_array_equal(read["parent"], nodes["parent"])
    np.testing.assert_allclose(read[["x", "y", "z", "radius"]], nodes[["x", "y", "z", "radius"]])
