"""The example service, through public names and over HTTP."""

from __future__ import annotations

from collections.abc import Iterator

import minibrain
import pandas as pd
import pytest

import pdneuro
from pdneuro import errors
from pdneuro.sandbox.server import LocalServer


@pytest.fixture
def server() -> Iterator[LocalServer]:
    quick = {"source": "minibrain:larva", "retries": 0, "progress": False}
    with minibrain.serve() as running, pdneuro.set_options(**quick):
        yield running


def test_properties_keep_rows(server: LocalServer) -> None:
    table = pd.DataFrame({"root_id": pd.array([12, None, 11, 12], "Int64")}, index=list("abcd"))
    joined = table.neuro.join_properties("shape")
    assert joined["shape_type"].tolist()[0::2] == ["LN", "PN"]
    assert joined["shape_volume"].tolist()[0] == 2.25
    assert joined.isna().loc["b"].all()
    assert joined.index.tolist() == list("abcd")
    assert server.requests[0].query["ids"] == "11,12"
    assert len(server.requests) == 1


def test_edges_appear_once(server: LocalServer) -> None:
    edges = pd.Series([11, 12]).neuro.edges()
    assert edges.to_numpy().tolist() == [[11, 12, 5], [13, 11, 1], [12, 13, 3]]
    assert pd.Series([11]).neuro.downstream().to_numpy().tolist() == [[11, 12, 5]]
    assert edges.attrs["pdneuro"]["source"] == "minibrain:larva"


def test_long_requests_are_split(server: LocalServer) -> None:
    with pdneuro.set_options(on_missing="ignore"):
        table = pd.Series([11, *range(1000, 1250)]).neuro.properties("shape")
    assert table["shape_type"].notna().sum() == 1
    assert [len(request.query["ids"].split(",")) for request in server.requests][:3] == [100, 100, 51]


def test_none_and_unknown_differ(server: LocalServer) -> None:
    with pytest.warns(errors.UnknownIdsWarning):
        pd.Series([11, 14, 99]).neuro.properties("shape")
    assert pdneuro.last_report()["status"].tolist() == ["found", "none", "unknown"]


def test_cached_values_are_not_requested_again(server: LocalServer) -> None:
    pd.Series([11, 12]).neuro.properties("shape")
    with pdneuro.set_options(offline=True):
        again = pd.Series([12]).neuro.properties("shape")
    assert again["shape_type"].tolist() == ["LN"]
    assert len(server.requests) == 1


def test_faults_are_errors_by_cause(server: LocalServer) -> None:
    with pytest.raises(errors.NotFoundError, match="no property 'colour'"):
        pd.Series([11]).neuro.properties("colour")
    server.fail(html=True)
    with pytest.raises(errors.InvalidResponseError):
        pd.Series([11]).neuro.properties("shape")
    server.fail(status=503)
    with pytest.raises(errors.ServiceUnavailableError):
        pd.Series([11]).neuro.properties("shape")
