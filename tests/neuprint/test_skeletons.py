"""Skeletons of neuPrint over HTTP: units, requests, the cache, and bodies without one."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import pdneuro
from pdneuro import errors
from pdneuro.sandbox import Sandbox
from pdneuro.sandbox.server import Response
from tests.conftest import at_once

SOURCE = "neuprint:hemibrain:v1.2.1"
ROUTE = "/api/skeletons/skeleton/"


@pytest.fixture
def server(sandbox: Sandbox) -> Sandbox:
    with pdneuro.set_options(source=SOURCE):
        yield sandbox


def requested(sandbox: Sandbox) -> list[int]:
    """Return the bodies of the requests for skeletons so far."""
    return [int(r.path.rpartition("/")[2]) for r in sandbox.requests if ROUTE in r.path]


def statuses(ids: pd.Series) -> list[str]:
    report = pdneuro.last_report()
    assert report["id"].is_unique
    return report.set_index("id")["status"][ids].tolist()


@pytest.mark.parametrize(("size", "edge"), [([8, 8, 8], 8), ([4.0, 4.0, 32.0], 8)])
def test_coordinates_and_radii_are_converted_from_voxels(
    server: Sandbox, ids: pd.Series, size: list[float], edge: float
) -> None:
    server.neuprint.meta["voxelSize"] = size
    column = pd.Series([*ids[5:2:-1], ids[5], 0, None], dtype="Int64", name="root_id")
    nodes = column.neuro.skeletons()
    assert nodes["neuron"].unique().tolist() == ids[5:2:-1].tolist()
    assert nodes["neuron"].dtype == "int64"
    for body, own in nodes.groupby("neuron"):
        voxels = np.array(server.neuprint.skeleton(int(body)), float)
        np.testing.assert_array_equal(own[["node", "type", "parent"]], voxels[:, [0, 1, 6]])
        np.testing.assert_allclose(own[["x", "y", "z"]], voxels[:, 2:5] * size / 1000, rtol=1e-12)
        np.testing.assert_allclose(own["radius"], voxels[:, 5] * edge / 1000, rtol=1e-12)
    assert not len(nodes.neuro.check())
    assert nodes.attrs["pdneuro"]["source"].startswith("sandbox:neuprint:hemibrain:v1.2.1")
    sent = [r for r in server.requests if ROUTE in r.path]
    assert {r.query["format"] for r in sent} == {"swc"}
    paths = {r.path.rpartition(ROUTE)[2] for r in sent}
    assert paths == {f"hemibrain:v1.2.1/{body}" for body in ids[3:6]}


def test_somas_are_at_the_positions_of_the_property(server: Sandbox, ids: pd.Series) -> None:
    server.neuprint.meta["voxelSize"] = [4, 5, 40]
    nodes = ids.neuro.skeletons()
    roots = nodes[nodes["parent"] == -1].set_index("neuron")[["x", "y", "z"]]
    points = ids.neuro.properties("somaLocation")
    np.testing.assert_allclose(roots.loc[ids], points.to_numpy(float) / 1000)


def test_each_body_is_requested_once(server: Sandbox, ids: pd.Series) -> None:
    first = ids.head(3).neuro.skeletons(batch_size=200)
    again = ids.head(5).neuro.skeletons()
    assert sorted(requested(server)) == sorted(ids[:5])
    assert again.head(len(first)).equals(first)
    with pdneuro.set_options(offline=True):
        pd.testing.assert_frame_equal(ids.head(5).neuro.skeletons(), again)
        with pytest.raises(errors.OfflineError):
            ids.tail(1).neuro.skeletons()
    ids.head(1).neuro.skeletons(source="neuprint:manc:v1.2.3")  # another data set, not from the cache
    assert len(requested(server)) == 6


def test_at_most_three_requests_at_once(server: Sandbox) -> None:
    with at_once(server, ROUTE, 3) as seen:
        pdneuro.sandbox.neurons().head(20).neuro.skeletons(max_workers=16)
    assert max(seen) == 3


@pytest.mark.parametrize(
    "answer",
    [
        Response({"error": "Key not found"}, 400),
        Response({"error": 'Key "11_swc" not found\n'}, 400),
        Response({"error": "no skeleton"}, 404),
        Response(b"", 404),
    ],
)
def test_a_body_without_a_skeleton_and_an_unknown_one(
    server: Sandbox, ids: pd.Series, answer: Response
) -> None:
    server.neuprint.no_skeleton = answer
    server.neuprint.without_skeleton = set(ids[1:3])
    column = pd.concat([ids.head(4), pd.Series([99])], ignore_index=True)
    with pytest.warns() as caught:
        nodes = column.neuro.skeletons()
    assert [warning.category for warning in caught] == [
        errors.NotGeneratedWarning,
        errors.UnknownIdsWarning,
    ]
    assert str(ids[1]) in str(caught[0].message)
    assert str(99) in str(caught[1].message)
    assert nodes["neuron"].unique().tolist() == [ids[0], ids[3]]
    assert statuses(column) == ["found", "none", "none", "found", "unknown"]
    assert len(requested(server)) == 5
    # A skeleton may be added tomorrow.
    server.neuprint.without_skeleton = set()
    assert ids.head(4).neuro.skeletons()["neuron"].nunique() == 4


def test_a_server_that_does_not_say_what_is_unknown(server: Sandbox) -> None:
    server.neuprint.knows_all = True
    with pytest.warns(errors.NotGeneratedWarning, match="99"):
        nodes = pd.Series([99]).neuro.skeletons()
    assert statuses(pd.Series([99])) == ["none"]
    assert nodes.dtypes["neuron"] == "int64"


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        (400, b'{"error": "request failed"}', errors.ServiceUnavailableError),
        (
            400,
            b'{"error": "Timeout experienced. This could be due to traffic"}',
            errors.QueryTimeoutError,
        ),
        (400, b'{"error": "no data of type skeletons available"}', errors.QueryRefusedError),
        (400, b"<html>Bad Request</html>", errors.InvalidRequestError),
        (401, b'{"message": "invalid or expired token"}', errors.AuthenticationError),
        (403, b'{"message": "You do not have access to x dataset"}', errors.ForbiddenError),
        (404, b'{"error": "dataset \\"x\\" not available in stores"}', errors.NotFoundError),
        (404, b'{"message": "Not Found"}', errors.NotFoundError),
        (500, b'{"error": "Key not found"}', errors.ServerError),
        (502, b'{"message": "auth service unavailable"}', errors.ServiceUnavailableError),
    ],
)
def test_a_refusal_is_not_taken_for_a_missing_skeleton(
    server: Sandbox, ids: pd.Series, status: int, body: bytes, error: type[Exception]
) -> None:
    server.fail(times=100, path=ROUTE, status=status, body=body)
    with pytest.raises(error):
        ids.head(2).neuro.skeletons()
    server.fail(times=0)
    assert not {"none", "unknown"} & set(pdneuro.last_report()["status"])


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"# SWC\n",
        b'{"columns": [], "data": []}',
        b"1 1 0 0 0 5 -1\n2 0 a b c 1 1\n",
        b"1 1 0 0 0 5 -1\n2 0 3 4",
        b"1 1 0 0 0 5 -1\n7.2E+17 0 1 2 3 4 1\n",
        b"<!DOCTYPE html><title>Sign in</title>",
    ],
)
def test_a_damaged_skeleton_is_an_error_and_not_cached(
    server: Sandbox, ids: pd.Series, body: bytes
) -> None:
    bad = int(ids[:3].min())
    server.fail(times=1, path=f"{ROUTE}hemibrain:v1.2.1/{bad}", body=body)
    with pytest.warns(errors.PartialResultWarning, match=str(bad)):
        nodes = ids.head(3).neuro.skeletons(on_error="partial")
    assert set(nodes["neuron"]) == set(ids[:3]) - {bad}
    server.fail(times=1, path=f"{ROUTE}hemibrain:v1.2.1/{bad}", body=body)
    with pytest.raises(errors.InvalidResponseError, match=str(bad)):
        ids.head(3).neuro.skeletons()
    assert ids.head(3).neuro.skeletons()["neuron"].nunique() == 3


@pytest.mark.parametrize(
    "body", [b"1 0 0 0 0 5 -1\n3 0 1 2 3 4 2\n", b"1 0 nan 0 0 5 -1\n2 0 1 2 3 4 1\n"]
)
def test_a_skeleton_with_problems_is_a_warning_and_not_cached(
    server: Sandbox, ids: pd.Series, body: bytes
) -> None:
    server.fail(times=1, path=ROUTE, body=body)
    with pytest.warns(errors.UnexpectedResponseWarning, match=str(ids[0])):
        nodes = ids.head(1).neuro.skeletons()
    assert len(nodes) == 2
    assert len(ids.head(1).neuro.skeletons()) > 2


def test_without_types_and_radii_there_is_no_warning(server: Sandbox, ids: pd.Series) -> None:
    server.fail(times=1, path=ROUTE, body=b"# a\n1 0 125 250 0 0 -1\n2 0 250 250 0 0 1")
    nodes = ids.head(1).neuro.skeletons()
    assert nodes["x"].tolist() == [1, 2]
    assert nodes.neuro.cable_length().tolist() == [1]


def test_generation_and_a_missing_unit_are_errors(server: Sandbox, ids: pd.Series) -> None:
    with pytest.raises(errors.InvalidQueryError, match="generate=True"):
        ids.neuro.skeletons(generate=True)
    assert not server.requests
    server.neuprint.meta.pop("voxelSize")
    with pytest.raises(errors.InvalidResponseError, match="voxelSize"):
        ids.neuro.skeletons()
    assert not requested(server)


def test_the_data_set_is_checked_and_lists_skeletons(server: Sandbox, ids: pd.Series) -> None:
    with pytest.raises(errors.UnknownDatasetError, match=r"hemibrain:v1\.2\.1"):
        ids.neuro.skeletons(source="neuprint:hemibrain:v9")
    table = pdneuro.catalog(SOURCE)
    assert "skeletons" in set(table.loc[table["kind"] == "capability", "name"])
