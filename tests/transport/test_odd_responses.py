"""Responses that differ from what the services document: an error or a warning, and nothing wrong cached."""

from __future__ import annotations

import dataclasses
import json
import multiprocessing
import socket
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import pdneuro
from pdneuro import errors
from pdneuro.sandbox import Sandbox
from pdneuro.sandbox.server import Request, Response
from pdneuro.transport import timing
from pdneuro.transport.report import Batch
from pdneuro.transport.store import Store
from tests.transport.conftest import deadline
from tests.transport.test_damaged_responses import roots

BC = "/braincircuits"


def serve(sandbox: Sandbox, prefix: str, app: Callable[[Request], Response]) -> None:
    sandbox._server.apps[prefix] = app


def results(**entries: Any) -> bytes:
    """Return a response of BrainCircuits.io with an entry for each ID: ``results(_1={"size": 5})``."""
    found = {name.removeprefix("_"): entry for name, entry in entries.items()}
    return json.dumps({"materialized_timestamp": 1674644403, "results": found}).encode()


def sent(sandbox: Sandbox) -> list[list[int]]:
    return [request.json()["segments"] for request in sandbox.requests if request.method == "POST"]


# -- validate, then cache ---------------------------------------------------------------------------

LINKS = b'{"results": {"1": {"nr_pre": %s, "nr_downstream_partner": 1}}}'
PARTNERS = b'{"results": {"1": {"downstream": [{"segmentid": "2", "synaptic_count": %s}]}}}'


#: Partners whose records are merged, and packed again.
REPAIRED = (
    b'{"results": {"1": {"downstream": [{"segmentid": "2", "synaptic_count": %s}, {"segmentid": "0"}]}}}'
)


@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("size", b'{"results": {"1": {"size": "\xff"}}}'),
        ("size", b'{"results": {"1": {"size": 1e999}}}'),
        ("size", b'{"results": {"1": %s}}' % (b'{"a":' * 5000 + b"1" + b"}" * 5000)),
        ("size", b'{"results": {"1": %s}}' % (b"[" * 150 + b"]" * 150)),
        ("link_pre", LINKS % b"-3"),
        ("link_pre", LINKS % (b"1" + b"0" * 30)),
        ("link_pre", LINKS % b'"many"'),
        ("link_pre", b'{"results": {"1": "\xff"}}'),
        ("link_pre", b'{"results": {"1": {"other": 1e999}}}'),
        ("connectivity", PARTNERS % (b"1" + b"0" * 30)),
        ("connectivity", PARTNERS % b'"\xff"'),
        ("connectivity", REPAIRED % b"1073741824"),
        ("size", b'{"results": {"1": {"size": 5}}, "materialized_timestamp": 1e30}'),
        ("size", b'{"results": {"1": {"size": 5}}, "materialized_timestamp": "inf"}'),
        ("size", b'{"results": {"1": {"size": 5}}, "materialized_timestamp": -1}'),
    ],
)
def test_an_invalid_value_is_an_error_and_is_not_cached(
    sandbox: Sandbox, name: str, body: bytes
) -> None:
    def call() -> Any:
        ids = pd.Series([1])
        return ids.neuro.edges() if name == "connectivity" else ids.neuro.properties(name)

    sandbox.fail(body=body)
    with pytest.raises(errors.InvalidResponseError):
        call()
    assert pdneuro.cache.info().empty
    valid = results(_1={"size": 5, "nr_pre": 3, "nr_downstream_partner": 1})
    sandbox.fail(body=results(_1={"downstream": []}) if name == "connectivity" else valid)
    call()


def damage(file: Path, number: int, payload: bytes | None) -> None:
    """Replace the cached values of an ID."""
    with Store(file) as store:
        for scope in [store.scope_id(scope) for scope, *_ in store.overview()]:
            found = store.get(scope, np.array([number]))
            if len(found.ids):
                snapshot = int(found.snapshots[0])
                batch = Batch([number], found.encodings.tolist(), [payload], max(snapshot, 0) or None)
                store.put(scope, [batch])


@pytest.mark.parametrize("payload", [b"\xff", b'{"nr_pre": -1}', b'{"nr_pre":', b"1,2", b"", None])
def test_a_cached_value_that_cannot_be_read_is_requested_again(
    sandbox: Sandbox, ids: pd.Series, payload: Any
) -> None:
    truth = ids.neuro.properties("link_pre")
    (file,) = Path(pdneuro.get_options()["cache_dir"]).glob("*.sqlite")
    damage(file, int(ids[3]), payload)
    with (
        pdneuro.set_options(offline=True),
        pytest.warns(errors.CacheWarning, match="cannot be read"),
        pytest.raises(errors.OfflineError, match="1 of 10"),
    ):
        ids.neuro.properties("link_pre")
    with pytest.warns(errors.CacheWarning, match=rf"1 cached values .* {ids[3]}"):
        found = ids.neuro.properties("link_pre")
    pd.testing.assert_frame_equal(found, truth)
    assert sent(sandbox)[-1] == [ids[3]]
    pd.testing.assert_frame_equal(ids.neuro.properties("link_pre"), truth)  # without a warning


@pytest.mark.parametrize(
    "source", ["fruitfly_fafb_flywire", "neuprint:male-cns:v1.0", "cave:minnie65_public@1300"]
)
def test_cached_partners_that_are_truncated_are_requested_again(
    sandbox: Sandbox, ids: pd.Series, source: str
) -> None:
    if source.startswith("cave"):
        pytest.importorskip("caveclient", reason="caveclient needs pandas below 3")
        ids = roots()
    truth = ids.neuro.edges(source=source)
    (file,) = Path(pdneuro.get_options()["cache_dir"]).glob("*.sqlite")
    damage(file, int(ids[3]), b"abc")
    with pytest.warns(errors.CacheWarning, match=rf"1 cached values .* {ids[3]}"):
        found = ids.neuro.edges(source=source)
    # CAVE sends the rows of one neuron in another order than those of several.
    truth, found = (table.sort_values(["pre", "post"], ignore_index=True) for table in (truth, found))
    pd.testing.assert_frame_equal(found, truth)


@pytest.mark.parametrize("payload", [b"{}", b"[1]", b'{"neuron_id": -3}', b"12", b'{"neuron_id": "x"}'])
def test_a_cached_record_without_its_id_is_requested_again(sandbox: Sandbox, payload: bytes) -> None:
    neurons = pd.Series([1, 2, 3], name="neuron_id")
    truth = neurons.neuro.neuromorpho("species")
    (file,) = Path(pdneuro.get_options()["cache_dir"]).glob("*.sqlite")
    damage(file, 2, payload)
    with pytest.warns(errors.CacheWarning, match="1 cached values .* 2"):
        found = neurons.neuro.neuromorpho("species")
    pd.testing.assert_frame_equal(found, truth)
    pd.testing.assert_frame_equal(neurons.neuro.neuromorpho("species"), truth)


@pytest.mark.parametrize(
    "body", [b"", b"<html>", b'{"success": true, "msg": [[1]]}', b'{"success":', b"[" * 9999]
)
def test_a_cached_document_that_cannot_be_read_is_requested_again(sandbox: Sandbox, body: bytes) -> None:
    api = pdneuro.allen.RmaApi()
    truth = api.model_query("Atlas", num_rows="all")
    (file,) = Path(pdneuro.get_options()["cache_dir"]).glob("*.sqlite")
    with sqlite3.connect(file) as connection:
        connection.execute("UPDATE document SET body = ?", (body,))
    connection.close()
    count = len(sandbox.requests)
    with pytest.warns(errors.CacheWarning, match="dropped"):
        pd.testing.assert_frame_equal(api.model_query("Atlas", num_rows="all"), truth)
    assert len(sandbox.requests) == count + 1
    pd.testing.assert_frame_equal(api.model_query("Atlas", num_rows="all"), truth)


def test_a_schema_that_cannot_be_converted_is_not_cached(sandbox: Sandbox) -> None:
    body = {"success": True, "msg": [{"DataDescription": {"Gene": {"fields": [5]}}}]}
    sandbox.fail(body=json.dumps(body).encode())
    with pytest.raises(errors.InvalidResponseError, match="not as documented"):
        pdneuro.allen.RmaApi().get_schema("Gene")
    assert "id" in pdneuro.allen.RmaApi().get_schema("Gene")["fields"][0]


# -- every error is a pdneuro error -----------------------------------------------------------------


@pytest.mark.parametrize(
    "response",
    [
        Response(b"", 302, {"Location": "http://[::1"}),
        Response(b"", 302, {"Location": "http://[::1]:x/"}),
        Response(b"[" * 90_000, 400),
        Response(b"{}", 503, {"Retry-After": "Mon, 01 Jan 99999 00:00:00 GMT"}),
        Response(b"zz\r\n{}", 200, {"Transfer-Encoding": "chunked", "Connection": "close"}),
        Response(b"{}", 200, {"Content-Length": "1e3", "Connection": "close"}),
        Response(b"{}", 200, {"Content-Encoding": "gzip"}),
    ],
    ids=["location", "port", "deep error", "pause", "chunk", "length", "gzip"],
)
@pytest.mark.parametrize("service", ["/braincircuits", "/allen", "/neuromorpho"])
def test_invalid_http_is_a_pdneuro_error(
    sandbox: Sandbox, ids: pd.Series, service: str, response: Response
) -> None:
    calls = {
        "/braincircuits": lambda: ids.neuro.properties("size"),
        "/allen": lambda: pdneuro.allen.RmaApi().model_query("Atlas"),
        "/neuromorpho": lambda: pdneuro.neuromorpho.neuron(1),
    }
    app = sandbox._server.apps[service]
    serve(sandbox, service, lambda request: dataclasses.replace(response))
    with pytest.raises(errors.ServiceError):
        calls[service]()
    serve(sandbox, service, app)
    calls[service]()


def test_a_missing_file_of_certificates_is_named(
    sandbox: Sandbox, ids: pd.Series, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "none.pem"))
    with (
        pdneuro.set_options(braincircuits_url="https://127.0.0.1:9"),
        pytest.raises(errors.ConnectionFailedError, match=r"none\.pem.*REQUESTS_CA_BUNDLE"),
    ):
        ids.neuro.properties("size")


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as opened:
        yield opened


def accept(listener: socket.socket, handle: Callable[[socket.socket], None]) -> None:
    """Handle each connection in a thread, until the listener is closed."""

    def run() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=handle, args=(connection,), daemon=True).start()

    threading.Thread(target=run, daemon=True).start()


def test_a_tls_handshake_that_breaks_off_is_tried_again(
    sandbox: Sandbox, ids: pd.Series, listener: socket.socket
) -> None:
    tries = []

    def end(connection: socket.socket) -> None:
        connection.recv(1)
        tries.append(1)
        connection.shutdown(socket.SHUT_RDWR)
        connection.close()

    accept(listener, end)
    address = f"https://127.0.0.1:{listener.getsockname()[1]}"
    with (
        pdneuro.set_options(braincircuits_url=address, retries=2),
        pytest.raises(errors.ConnectionFailedError),
    ):
        ids.neuro.properties("size")
    assert len(tries) == 3


class Clock:
    """The clock of the time limit, which a server puts forward once a response is timed."""

    def __init__(self) -> None:
        self.ahead = 0.0
        self.used = threading.Event()

    def monotonic(self) -> float:
        """Return the seconds of this clock."""
        self.used.set()
        return time.monotonic() + self.ahead


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """Replace the clock of the time limit, so that no test waits for it."""
    made = Clock()
    monkeypatch.setattr(timing, "time", made)
    return made


def dripping(listener: socket.socket, clock: Clock, head: bytes) -> str:
    """Send the beginning of each response, then a byte at a time; returns the address.

    Only what caveclient asks at its start has a whole response.
    """

    def drip(connection: socket.socket) -> None:
        path = connection.recv(65536).split()[1]
        if path.endswith((b"/version", b"/versions")):
            body = b"[1]" if path.endswith(b"s") else b'"2.15.1"'
            length = b"Content-Length: %d\r\n" % len(body)
            connection.sendall(b"HTTP/1.1 200 OK\r\nConnection: close\r\n" + length + b"\r\n" + body)
            connection.close()
            return
        clock.used.clear()  # of an earlier response
        connection.sendall(head)
        clock.used.wait(60)
        for _ in range(6):  # each byte comes within the timeout
            clock.ahead += 55
            connection.sendall(b"a")
        while connection.recv(65536):  # until the other side gives up
            pass
        connection.close()

    accept(listener, drip)
    return f"http://127.0.0.1:{listener.getsockname()[1]}"


_BODY = b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n"


@pytest.mark.parametrize("head", [_BODY, b"HTTP/1.1 200 "], ids=["body", "header"])
def test_a_response_has_a_total_time_limit(
    sandbox: Sandbox, ids: pd.Series, listener: socket.socket, clock: Clock, head: bytes
) -> None:
    with (
        deadline(),
        pdneuro.set_options(braincircuits_url=dripping(listener, clock, head), timeout=60),
        pytest.raises(errors.ConnectionFailedError, match="5 times the timeout"),
    ):
        ids.neuro.properties("size")


@pytest.mark.skipif(find_spec("caveclient") is None, reason="caveclient is not installed")
def test_a_response_to_caveclient_has_a_total_time_limit(
    sandbox: Sandbox, listener: socket.socket, clock: Clock
) -> None:
    address, app = dripping(listener, clock, _BODY), sandbox.cave

    def elsewhere(request: Request) -> Response:
        response = app(request)
        if "/datastack/full/" in request.path:
            response.body["local_server"] = address
        return response

    sandbox.cave = elsewhere
    with (
        deadline(),
        pdneuro.set_options(timeout=60),
        pytest.raises(errors.ConnectionFailedError, match="5 times the timeout"),
    ):
        pdneuro.sandbox.root_ids().neuro.is_latest(source="cave:minnie65_public")


def test_a_response_that_is_fast_enough_may_take_longer(
    sandbox: Sandbox, listener: socket.socket, clock: Clock
) -> None:
    body = results(_1={"size": 5}) + b" " * 5_000_000

    def send(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body))
        clock.used.wait(60)
        for start in range(0, len(body), 500_000):  # 11 kB per second
            clock.ahead += 45
            connection.sendall(body[start : start + 500_000])

    accept(listener, send)
    address = f"http://127.0.0.1:{listener.getsockname()[1]}"
    with pdneuro.set_options(braincircuits_url=address, timeout=60):
        assert pd.Series([1]).neuro.properties("size")["size"].tolist() == [5]


# -- an ID is unknown only if the service reports it ------------------------------------------------


def test_an_empty_response_is_requested_again_once(sandbox: Sandbox, ids: pd.Series) -> None:
    sandbox.fail(body=results())
    assert ids.neuro.properties("size")["size"].notna().all()
    assert len(sandbox.requests) == 2


def test_a_second_empty_response_is_a_warning_and_is_not_cached(
    sandbox: Sandbox, ids: pd.Series
) -> None:
    sandbox.fail(times=2, body=results())
    with pytest.warns(errors.EmptyResponseWarning, match="whole response was empty"):
        assert ids.neuro.properties("size")["size"].isna().all()
    assert set(pdneuro.last_report()["status"]) == {"failed"}
    assert ids.neuro.properties("size")["size"].notna().all()
    sandbox.fail(times=2, body=results())
    with pytest.raises(errors.UnknownIdsError, match="whole response was empty"):
        ids.neuro.properties("link_pre", on_missing="raise")


def test_other_keys_than_the_documented_ones_are_a_warning(sandbox: Sandbox) -> None:
    valid = {"nr_pre": 3, "nr_downstream_partner": 1}
    words = "1 of 2 .*'nr_pre'.* NA.*'n', 'partners'"
    sandbox.fail(body=results(_1={"n": 5, "partners": 2}, _2=valid))
    with pytest.warns(errors.UnexpectedResponseWarning, match=words):
        assert pd.Series([1, 2]).neuro.properties("link_pre")["nr_pre"].tolist() == [pd.NA, 3]
    sandbox.fail(body=results(_1=valid))  # only what was as documented is cached
    assert pd.Series([1, 2]).neuro.properties("link_pre")["nr_pre"].tolist() == [3, 3]
    assert sent(sandbox) == [[1, 2], [1]]


RECORDS = [
    ([{"segmentid": "2", "synaptic_count": 5}, {"segmentid": "3", "synaptic_count": None}], "1 records without"),
    ([{"segmentid": "2", "synaptic_count": 5}, {"segmentid": "0", "synaptic_count": 9}], "1 records without"),
    ([{"segmentid": "2", "synaptic_count": 5}, {"segmentid": -5, "synaptic_count": 9}], "1 records without"),
    ([{"segmentid": "2", "synaptic_count": 5}, {"segmentid": None, "synaptic_count": 9}], "1 records without"),
    ([{"segmentid": "2", "synaptic_count": 5}, {"segmentid": "2", "synaptic_count": 5}], "1 records of a partner"),
    ([{"segmentid": "2", "synaptic_count": 2}, {"segmentid": "2", "synaptic_count": 3}], "1 records of a partner"),
    ([{"segment_id": 2, "count": 5}, {"segment_id": 0, "count": 3}], "1 records without"),
]  # fmt: skip


@pytest.mark.parametrize(("records", "words"), RECORDS)
@pytest.mark.parametrize("side", ["downstream", "upstream"])
def test_invalid_records_of_partners_are_dropped_with_a_warning(
    sandbox: Sandbox, records: list[dict[str, Any]], words: str, side: str
) -> None:
    ids = pd.Series([1])
    sandbox.fail(times=2, body=results(_1={side: records}))
    with pytest.warns(errors.UnexpectedResponseWarning, match=words):
        edges = ids.neuro.edges()
    assert edges.to_numpy().tolist() == [[1, 2, 5] if side == "downstream" else [2, 1, 5]]
    with pytest.warns(errors.UnexpectedResponseWarning, match=words):
        assert ids.neuro.properties("connectivity")[f"connectivity_{side}_count"].tolist() == [1]
    sandbox.fail(body=results(_1={side: [{"segmentid": "7", "synaptic_count": 1}]}))
    assert 7 in ids.neuro.edges().to_numpy()  # the first response is not in the cache


def test_no_list_of_partners_is_an_empty_one(sandbox: Sandbox) -> None:
    sandbox.fail(
        body=results(_1={"downstream": None, "upstream": [{"segmentid": "2", "synaptic_count": 5}]})
    )
    assert pd.Series([1]).neuro.edges().to_numpy().tolist() == [[2, 1, 5]]
    assert pd.Series([1]).neuro.properties("connectivity")["connectivity_downstream_count"].tolist() == [
        0
    ]


@pytest.mark.parametrize("unknown", [[3], [0, 9]])
def test_a_404_for_an_unknown_id_is_isolated(
    sandbox: Sandbox, ids: pd.Series, unknown: list[int]
) -> None:
    sandbox.braincircuits.poison = {int(ids[place]): 404 for place in unknown}
    more = pd.concat([ids, pdneuro.sandbox.neurons()["root_id"][10:20]], ignore_index=True)
    with pytest.warns(errors.UnknownIdsWarning, match=f"does not know {len(unknown)} of the IDs"):
        found = more.neuro.properties("size", batch_size=10, max_workers=1)
    assert found["size"].isna().to_numpy().nonzero()[0].tolist() == unknown
    count = len(sandbox.requests)
    with pytest.warns(errors.UnknownIdsWarning):
        more.neuro.properties("size")
    assert len(sandbox.requests) == count


def test_two_batches_with_unknown_ids_are_isolated_once_the_service_responds(sandbox: Sandbox) -> None:
    """The whole second batch is rejected before any response has values."""
    ids = pdneuro.sandbox.neurons()["root_id"].head(20).sort_values(ignore_index=True)
    sandbox.braincircuits.poison = {int(ids[place]): 404 for place in (9, 10)}
    with pytest.warns(errors.UnknownIdsWarning, match="does not know 2 of the IDs"):
        found = ids.neuro.properties("size", batch_size=10, max_workers=1)
    assert found["size"].isna().to_numpy().nonzero()[0].tolist() == [9, 10]
    assert pdneuro.last_report()["status"].value_counts().to_dict() == {"found": 18, "unknown": 2}


def test_partial_results_of_a_service_that_rejects_the_token(sandbox: Sandbox, ids: pd.Series) -> None:
    ids[:4].neuro.properties("size")
    sandbox.fail(times=9, status=401)
    with pytest.warns(errors.PartialResultWarning, match=r"6 IDs could not be fetched.*returned 401"):
        found = ids.neuro.properties("size", on_error="partial")
    assert found["size"].notna().tolist() == [True] * 4 + [False] * 6
    assert len(sandbox.requests) == 2  # every further request would fail as well


@pytest.mark.parametrize(
    ("name", "source", "nearest"),
    [("link_pr", None, "link_pre"), ("size", "fruitfly_fafb_flywir", "fruitfly_fafb_flywire")],
)
def test_a_misspelt_name_gets_the_nearest_one_and_few_requests(
    sandbox: Sandbox, name: str, source: str | None, nearest: str
) -> None:
    ids = pdneuro.sandbox.neurons()["root_id"].head(1000)
    with pytest.raises(errors.NotFoundError, match=f"Did you mean '{nearest}'"):
        ids.neuro.properties(name, source=source, max_workers=1)
    assert len(sandbox.requests) == 3
    with pytest.raises(errors.NotFoundError):
        ids[:1].neuro.properties(name, source=source)
    assert len(sandbox.requests) == 4


# -- complete, or a warning -------------------------------------------------------------------------


class TestAllen:
    def test_a_limit_of_the_server_below_the_number_of_rows(self, sandbox: Sandbox) -> None:
        api = pdneuro.allen.RmaApi()
        truth = api.model_query("ProjectionStructureUnionize", num_rows="all", order="id")
        sandbox.allen.rma.row_limit = 100
        for count in (True, False):
            found = api.model_query("ProjectionStructureUnionize", num_rows=250, order="id", count=count)
            pd.testing.assert_frame_equal(found, truth.head(250), check_dtype=False)

    def test_page_size_and_num_rows(self, sandbox: Sandbox) -> None:
        api = pdneuro.allen.RmaApi()
        found = api.model_query("ProjectionStructureUnionize", num_rows=70, page_size=30, order="id")
        assert len(found) == 70
        assert found["id"].is_monotonic_increasing
        assert len(sandbox.requests) == 3

    def test_num_rows_counts_the_rows_of_all_ids(self, sandbox: Sandbox) -> None:
        api = pdneuro.allen.MouseConnectivityApi()
        ids = api.get_experiments_api()["data_set_id"].tolist()
        many = [*ids[:3], *range(10**9, 10**9 + 900), *ids[3:]]
        every = api.get_experiments(many, num_rows="all", order="id")
        found = api.get_experiments(many, num_rows=3, start_row=1, order="id")
        assert len(every) > 4
        assert found["id"].tolist() == every["id"].tolist()[1:4]

    @pytest.mark.parametrize("keep", [slice(0, 20), slice(3, None)])
    @pytest.mark.parametrize("announced", [True, False])
    def test_a_truncated_list_of_structures_is_not_a_tree(
        self, sandbox: Sandbox, keep: slice, announced: bool
    ) -> None:
        app = sandbox.allen

        def truncate(request: Request) -> Response:
            response = app(request)
            body = response.body
            if (
                "model::Structure" in request.query.get("q", "")
                and "num_rows$eq1]" not in request.query["q"]
            ):
                start = body["start_row"]
                rows = body["msg"][keep] if start == 0 else []
                total = body["total_rows"] if announced else len(rows)
                return Response({**body, "msg": rows, "num_rows": len(rows), "total_rows": total})
            return response

        if keep.start == 0 and not announced:
            pytest.skip("the first rows are closed under parents, and nothing announces others")
        sandbox.allen = truncate  # type: ignore[assignment]
        with pytest.raises(errors.InvalidResponseError, match="not complete"):
            pdneuro.allen.structure_tree()
        sandbox.allen = app
        assert len(pdneuro.allen.structure_tree()) == len(app.tree)

    @pytest.mark.parametrize(
        "body", [b"", b'{"success": false, "msg": "no"}', b"<svg><g>", b"<Response/>"]
    )
    def test_what_is_not_a_drawing(self, sandbox: Sandbox, tmp_path: Path, body: bytes) -> None:
        sandbox.fail(times=2, body=body)
        with pytest.raises(errors.InvalidResponseError):
            pdneuro.allen.SvgApi().get_svg(100960033)
        with pytest.raises(errors.InvalidResponseError):
            pdneuro.allen.SvgApi().download_svg(100960033, file_path=tmp_path / "a.svg")
        assert "<svg" in pdneuro.allen.SvgApi().get_svg(100960033)


class TestNeuroMorpho:
    @pytest.fixture(autouse=True)
    def _fast(self) -> Iterator[None]:
        with pdneuro.set_options(neuromorpho_rate=None):
            yield

    def test_a_server_that_ignores_the_filters(self, sandbox: Sandbox) -> None:
        app = sandbox.neuromorpho

        def ignore(request: Request) -> Response:
            return app(dataclasses.replace(request, body=b"{}") if request.method == "POST" else request)

        sandbox.neuromorpho = ignore  # type: ignore[assignment]
        with pytest.raises(errors.InvalidResponseError, match="does not match the query"):
            pdneuro.neuromorpho.select(species="rat")
        sandbox.neuromorpho = app
        assert set(pdneuro.neuromorpho.select(species="rat")["species"]) == {"rat"}

    def test_a_wrong_number_of_pages_does_not_matter(self, sandbox: Sandbox) -> None:
        app = sandbox.neuromorpho
        truth = pdneuro.neuromorpho.select(species="rat", refresh=True)

        def many(request: Request) -> Response:
            response = app(request)
            if isinstance(response.body, dict) and "page" in response.body:
                page = {**response.body["page"], "totalPages": 10**9}
                response = Response({**response.body, "page": page}, response.status)
            return response

        sandbox.neuromorpho = many  # type: ignore[assignment]
        count = len(sandbox.requests)
        with deadline():
            pd.testing.assert_frame_equal(pdneuro.neuromorpho.select(species="rat", refresh=True), truth)
            assert "rat" in pdneuro.neuromorpho.field_values("species")
        assert len(sandbox.requests) < count + 100

    @pytest.mark.parametrize("post", [True, False])
    def test_a_server_that_rejects_the_order(self, sandbox: Sandbox, post: bool) -> None:
        app = sandbox.neuromorpho
        app.post = post

        def refuse(request: Request) -> Response:
            return Response({"status": 400}, 400) if "sort" in request.query else app(request)

        sandbox.neuromorpho = refuse  # type: ignore[assignment]
        found = pdneuro.neuromorpho.select(species="rat")
        assert set(found["species"]) == {"rat"}
        count = len(sandbox.requests)
        pdneuro.neuromorpho.select(species="mouse")
        assert not [request for request in sandbox.requests[count:] if "sort" in request.query]


def test_sums_of_a_graph_are_compared_with_the_totals_of_its_neurons(sandbox: Sandbox) -> None:
    app = sandbox.braincircuits
    nodes, edges = app.connectome.dump
    files = {"nodes": nodes, "edges": edges.head(len(edges) - 10)}
    app._parquet = lambda name: files[name].to_parquet(index=False)
    with pytest.warns(errors.IncompleteTableWarning) as caught:
        pdneuro.Connectome.download("fruitfly_fafb_flywire")
    words = " ".join(str(warning.message) for warning in caught)
    assert "'nr_pre'" in words
    assert "'nr_downstream_partner'" in words
    assert f"{len(edges) - 10:,}" in words


# -- several processes ------------------------------------------------------------------------------


def _fetch(options: dict[str, Any], tokens: dict[str, str], start: Any) -> None:
    with pdneuro.set_options(**options), pdneuro.tokens.overridden(**tokens):
        ids = pdneuro.sandbox.neurons()["root_id"].head(1000)
        start.wait()
        found = ids.neuro.properties("link_pre", batch_size=50, max_workers=4)
        assert found["nr_pre"].notna().all()


def test_processes_that_query_the_same_ids_share_the_requests(sandbox: Sandbox) -> None:
    sandbox._server.latency = 0.05
    context = multiprocessing.get_context("spawn")
    start = context.Barrier(4)
    options = {**sandbox.options, "cache_dir": pdneuro.get_options()["cache_dir"], "timeout": 600}
    children = [
        context.Process(target=_fetch, args=(options, dict(sandbox.tokens), start)) for _ in range(4)
    ]
    for child in children:
        child.start()
    for child in children:
        child.join()
        assert child.exitcode == 0
    requested = [number for batch in sent(sandbox) for number in batch]
    assert 1000 <= len(requested) <= 1.2 * 1000


def test_the_claims_of_a_killed_process_end(
    sandbox: Sandbox, ids: pd.Series, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pdneuro.transport import store as stores

    ids[:1].neuro.properties("size")
    with stores.Store.open() as store:
        scope = store.overview()[0][0]
        store.claim(store.scope_id(scope), ids.tolist(), "killed")
        with store.transaction() as connection:
            until = time.time() + 1
            connection.execute("UPDATE claim SET until = ?", (until,))
    app, arrived = sandbox.braincircuits, []

    def timed(request: Request) -> Response:
        arrived.append(time.time())
        return app(request)

    sandbox._server.apps["/braincircuits"] = timed
    with deadline():
        assert ids.neuro.properties("size")["size"].notna().all()
    # The claim of the other process ends, and then one more request is sent.
    assert min(arrived) >= until
    assert sorted(number for batch in sent(sandbox) for number in batch) == sorted(ids)
