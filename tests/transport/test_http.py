"""Clients: documents in the cache, credentials, servers, pauses, and threads."""

from __future__ import annotations

import contextlib
import json
import re
import sqlite3
import threading
import time
import traceback
from pathlib import Path

import pytest
import requests
import requests_cache

import pdneuro
from pdneuro import errors
from pdneuro.options import Fetch
from pdneuro.sandbox.server import LocalServer, Response
from pdneuro.sandbox.server import Request as Received
from pdneuro.transport.http import Cancelled, Client, Request, run_parallel, server_for
from pdneuro.transport.report import ShapeError
from pdneuro.transport.responses import is_html, without_secrets
from pdneuro.transport.store import cache_folder
from pdneuro.transport.timing import TimedAdapter
from tests.transport.conftest import deadline

SECRET = "s3cr3t-w0rd"


@pytest.fixture
def server():
    def echo(request: Received) -> Response:
        return Response({"who": request.headers.get("authorization"), "n": len(running.requests)})

    running = LocalServer({"/echo": echo})
    with pdneuro.set_options(timeout=60, retries=0):
        yield running
    running.stop()


def client(server: LocalServer, **headers: str) -> Client:
    return Client(server.url, Fetch.of(), headers=headers)


def get(url: str, sender: Client, **more: object) -> dict:
    return sender.get_cached(Request("GET", url, **more), lambda response: json.loads(response.content))


def documents() -> int:
    table = pdneuro.cache.info()
    return int(table.loc[table["property"] == "documents", "ids"].sum())


class TestDocuments:
    def test_a_cached_document_is_used_and_sent_by_cached_session(
        self, server: LocalServer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        sent: list[bool] = []
        send = requests_cache.CachedSession.send

        def counted(*args: object, **options: object) -> object:
            response = send(*args, **options)
            sent.append(response.from_cache)
            return response

        monkeypatch.setattr(requests_cache.CachedSession, "send", counted)
        url = f"{server.url}/echo"
        first = get(url, client(server))
        assert get(url, client(server)) == first
        assert sent == [False, True]
        assert len(server.requests) == 1
        assert documents() == 1

    def test_a_document_that_the_parser_rejects_is_not_cached(self, server: LocalServer) -> None:
        url = f"{server.url}/echo"

        def reject(response: requests.Response) -> None:
            raise ShapeError("the response is not a neuron.")

        with pytest.raises(errors.InvalidResponseError, match="is not a neuron") as caught:
            client(server).get_cached(Request("GET", url), reject)
        assert caught.value.url == url
        assert documents() == 0
        assert get(url, client(server))["n"] == 2

    @pytest.mark.parametrize("status", [204, 301, 404, 418, 500])
    def test_failures_are_not_cached(self, server: LocalServer, status: int) -> None:
        server.fail(status=status)
        with pytest.raises(errors.ServiceError):
            get(f"{server.url}/echo", client(server))
        assert documents() == 0
        assert get(f"{server.url}/echo", client(server))["n"] == 2

    def test_the_order_of_a_body_counts(self, server: LocalServer) -> None:
        server.apps["/same"] = lambda request: Response(request.json())
        for body in ([3, 1, 2], [1, 2, 3]):
            request = Request("POST", f"{server.url}/same", body=json.dumps(body).encode())
            assert client(server).get_cached(request, lambda response: response.json()) == body

    def test_each_method_and_parameter_has_its_own_document(self, server: LocalServer) -> None:
        server.apps["/same"] = lambda request: Response([request.method, request.query])
        url = f"{server.url}/same"
        for request in (
            Request("GET", url),
            Request("GET", url, {"a": "1"}),
            Request("GET", url, {"a": "2"}),
            Request("POST", url),
        ):
            found = client(server).get_cached(request, lambda response: response.json())
            assert found == [request.method, dict(request.params)]
        assert len(server.requests) == 4

    def test_the_cache_lists_its_documents(self, server: LocalServer) -> None:
        """As requests-cache expects of a cache."""
        sender = client(server)
        get(f"{server.url}/echo", sender)
        get(f"{server.url}/echo", sender, params={"a": "1"})
        _, cache = sender.server.documents(cache_folder())
        assert len(cache.responses) == 2
        assert {cache.responses[key].url for key in cache.responses} == {
            f"{server.url}/echo", f"{server.url}/echo?a=1",
        }  # fmt: skip

    def test_an_expired_document_is_downloaded_again(self, server: LocalServer) -> None:
        url = f"{server.url}/echo"
        assert get(url, client(server))["n"] == 1
        with pdneuro.set_options(expire_after=3600):
            assert get(url, client(server))["n"] == 1
        with pdneuro.set_options(expire_after=0):
            assert get(url, client(server))["n"] == 2
        with pdneuro.set_options(expire_after=None):
            assert get(url, client(server))["n"] == 2

    def test_refresh_downloads_again_and_replaces(self, server: LocalServer) -> None:
        url = f"{server.url}/echo"
        get(url, client(server))
        again = Client(server.url, Fetch.of(refresh=True))
        assert get(url, again)["n"] == 2
        assert get(url, client(server))["n"] == 2
        assert documents() == 1

    def test_offline_names_the_url_of_a_document_that_is_not_cached(self, server: LocalServer) -> None:
        url = f"{server.url}/echo"
        get(url, client(server))
        with pdneuro.set_options(offline=True, expire_after=0):
            assert get(url, client(server))["n"] == 1
            with pytest.raises(errors.OfflineError, match=f"{url}.a=1&token=\\*\\*\\*"):
                get(url, client(server), params={"a": "1", "token": SECRET})
        assert len(server.requests) == 1

    def test_an_expired_document_is_used_if_the_connection_fails(self, server: LocalServer) -> None:
        url = f"{server.url}/echo"
        get(url, client(server))
        with pdneuro.set_options(expire_after=0):
            for fault in ({"status": 503}, {"reset": True}):
                server.fail(**fault)
                with pytest.warns(errors.StaleAnswerWarning, match="was used"):
                    assert get(url, client(server))["n"] == 1
            server.fail(status=404)
            with pytest.raises(errors.NotFoundError):
                get(url, client(server))
        server.fail(status=503)
        with pytest.raises(errors.ServiceUnavailableError):
            get(url, Client(server.url, Fetch.of(refresh=True)))

    def test_a_truncated_document_is_requested_again(self, server: LocalServer) -> None:
        server.fail(truncate=True)
        with pytest.raises(errors.TruncatedResponseError):
            get(f"{server.url}/echo", client(server))
        server.fail(truncate=True)
        with pdneuro.set_options(retries=1):
            assert get(f"{server.url}/echo", client(server))["n"] == 3
        assert documents() == 1

    def test_an_expired_document_does_not_hide_one_that_the_parser_rejects(
        self, server: LocalServer
    ) -> None:
        url = f"{server.url}/echo"
        get(url, client(server))

        def unavailable(response: requests.Response) -> None:
            raise errors.ServiceUnavailableError("the database is empty.")

        with (
            pdneuro.set_options(expire_after=0),
            pytest.raises(errors.ServiceUnavailableError, match="empty"),
        ):
            client(server).get_cached(Request("GET", url), unavailable)
        assert get(url, client(server))["n"] == 1

    def test_a_document_behind_a_redirect_is_cached(self, server: LocalServer) -> None:
        target = f"{server.url}/echo"
        server.apps["/old"] = lambda request: Response(b"moved", 302, {"Location": target})
        for _ in range(2):
            assert get(f"{server.url}/old", client(server))["n"] == 2
        assert len(server.requests) == 2

    def test_threads_share_the_cache(self, server: LocalServer) -> None:
        server.apps["/same"] = lambda request: Response(request.query)
        sender = client(server)

        def fetch(number: int) -> dict:
            return get(f"{server.url}/same", sender, params={"n": str(number % 20)})

        for _ in range(2):
            found = [*run_parallel(fetch, range(100), 8)]
            assert found == [{"n": str(number % 20)} for number in range(100)]
        assert documents() == 20


class TestSecrets:
    @pytest.mark.parametrize(
        ("headers", "params"),
        [
            ({"Authorization": f"Bearer {SECRET}"}, {}),
            ({"authorization": f"Bearer {SECRET}"}, {}),
            ({"AUTHORIZATION-CAVE": f"Bearer {SECRET}"}, {}),
            ({"X-Api-Key": SECRET}, {}),
            ({"Cookie": f"middle_auth_token={SECRET}"}, {}),
            ({"X-Something-Else": SECRET}, {}),
            ({}, {"token": SECRET}),
            ({}, {"middle_auth_token": SECRET}),
            ({}, {"API_KEY": SECRET}),
            ({}, {"password": SECRET}),
        ],
    )
    def test_no_spelling_of_a_secret_reaches_the_disk(
        self, server: LocalServer, headers: dict[str, str], params: dict[str, str]
    ) -> None:
        server.apps["/quiet"] = lambda request: Response(
            {"n": len(server.requests)}, headers={"Set-Cookie": f"session={SECRET}", "X-Token": SECRET}
        )
        url = f"{server.url}/quiet"
        first = get(url, client(server, **headers), params=params)
        assert get(url, client(server, **headers), params=params) == first
        assert len(server.requests) == 1
        assert documents() == 1
        files = [path for path in Path(pdneuro.get_options()["cache_dir"]).rglob("*") if path.is_file()]
        assert files
        for file in files:
            assert SECRET.encode() not in file.read_bytes()
        exported = pdneuro.cache.export(files[0].with_name("exported.sqlite"))
        assert SECRET.encode() not in exported.read_bytes()

    def test_a_document_of_one_token_is_not_served_to_another(self, server: LocalServer) -> None:
        url = f"{server.url}/echo"
        for _ in range(2):
            for who in ("Bearer one-token", "Bearer two-token"):
                assert get(url, client(server, Authorization=who))["who"] == who
            assert get(url, client(server))["who"] is None
        assert len(server.requests) == 3
        credentials = pdneuro.cache.info()["credential"]
        assert credentials.nunique() == 3
        assert not credentials.str.contains("token").any()

    def test_a_cookie_is_not_sent_back(self, server: LocalServer) -> None:
        server.apps["/cookie"] = lambda request: Response(
            {}, headers={"Set-Cookie": f"session={SECRET}"}
        )
        for number in range(2):
            get(f"{server.url}/cookie", client(server), params={"n": str(number)})
        assert not any("cookie" in request.headers for request in server.requests)

    def test_netrc_does_not_replace_the_token(
        self, server: LocalServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        netrc = tmp_path / "netrc"
        netrc.write_text("default login me password other\n")
        netrc.chmod(0o600)
        monkeypatch.setenv("NETRC", str(netrc))
        found = get(f"{server.url}/echo", client(server, Authorization="Bearer mine"))
        assert found["who"] == "Bearer mine"

    def test_urls_are_shown_without_secrets(self) -> None:
        shown = without_secrets("https://me:pw@host:8/p?project=fly&access_token=abc&x=1#frag")
        assert shown == "https://host:8/p?project=fly&access_token=***&x=1"

    def test_a_header_that_cannot_be_sent_is_an_error_without_the_token(
        self, server: LocalServer
    ) -> None:
        sender = client(server, Authorization=f"Bearer {SECRET}\nX: y")
        with pytest.raises(
            errors.InvalidRequestError, match=r"Check the token: .*a line break"
        ) as caught:
            sender.send(Request("GET", f"{server.url}/echo?token={SECRET}"))
        assert caught.value.url == f"{server.url}/echo?token=***"
        assert SECRET not in "".join(traceback.format_exception(caught.value))
        assert not server.requests

    @pytest.mark.parametrize(
        ("url", "shown"),
        [
            (f"http://[::1/a?token={SECRET}", "an address that is not valid"),
            (f"http://?token={SECRET}", "http://?token=***"),
            (f"/a?token={SECRET}", "/a?token=***"),
        ],
    )
    def test_an_invalid_address_is_an_error_without_the_secret(
        self, server: LocalServer, url: str, shown: str
    ) -> None:
        sender = client(server, Authorization=f"Bearer {SECRET}")
        with pytest.raises(errors.ConnectionFailedError, match="no connection") as caught:
            sender.send(Request("GET", url))
        assert caught.value.url == shown
        assert SECRET not in "".join(traceback.format_exception(caught.value))


class TestServers:
    def test_a_host_has_one_server_for_all_paths_and_spellings(self) -> None:
        server = server_for("https://host/api")
        assert server_for("https://HOST/files") is server
        assert server_for("https://other/api") is not server
        assert server_for("http://host/api") is not server
        assert server_for("https://host/api", short_keys=True) is not server

    def test_the_servers_used_last_stay_open(self, monkeypatch: pytest.MonkeyPatch) -> None:
        closed: list[object] = []
        close = requests.Session.close

        def closing(session: requests.Session) -> None:
            closed.append(session)
            close(session)

        monkeypatch.setattr(requests.Session, "close", closing)
        first = server_for("https://first")
        others = [server_for(f"https://host-{number}") for number in range(15)]
        assert server_for("https://first") is first
        closed.clear()
        assert server_for("https://next")
        assert closed == [others[0].session]
        assert server_for("https://first") is first

    def test_more_workers_reuse_their_connections(self, server: LocalServer) -> None:
        opened: list[object] = []
        process_request = server._http.process_request
        ready = threading.Barrier(12)

        def counting(connection: object, address: object) -> None:
            opened.append(address)
            process_request(connection, address)

        def together(request: Received) -> Response:
            ready.wait(60)
            return Response({})

        server._http.process_request = counting
        server.apps["/together"] = together
        sender = client(server)
        for _ in range(3):
            jobs = [Request("GET", f"{server.url}/together")] * 12
            assert len([*run_parallel(sender.send, jobs, 12)]) == 12
        assert len(opened) == 12


class TestPauses:
    def test_pauses_double(self, server: LocalServer, monkeypatch: pytest.MonkeyPatch) -> None:
        sender = Client(server.url, Fetch.of()._replace(retries=3))
        waited: list[float] = []
        monkeypatch.setattr(sender._cancelled, "wait", lambda seconds: waited.append(seconds))
        server.fail(times=3, status=503)
        assert sender.send(Request("GET", f"{server.url}/echo")).status_code == 200
        expected = [0.4, 0.8, 1.6]
        assert all(least <= pause <= least + 0.2 for pause, least in zip(waited, expected, strict=True))

    def test_cancel_ends_a_pause(self, server: LocalServer) -> None:
        sender = Client(server.url, Fetch.of()._replace(retries=1))
        server.fail(status=503, retry_after=60)
        threading.Timer(0.2, sender.cancel).start()
        start = time.monotonic()
        with pytest.raises(Cancelled):
            sender.send(Request("GET", f"{server.url}/echo"))
        assert time.monotonic() - start < 30

    def test_a_cancelled_client_sends_nothing(self, server: LocalServer) -> None:
        sender = client(server)
        sender.cancel()
        with pytest.raises(Cancelled):
            sender.send(Request("GET", f"{server.url}/echo"))
        assert not server.requests

    def test_cancel_ends_the_wait_for_a_turn(self, server: LocalServer) -> None:
        sender = Client(server.url, Fetch.of(), per_second=1e-3)
        sender.send(Request("GET", f"{server.url}/echo"))
        threading.Timer(0.2, sender.cancel).start()
        with deadline(60), pytest.raises(Cancelled):
            sender.send(Request("GET", f"{server.url}/echo"))
        assert len(server.requests) == 1

    def test_a_cached_document_does_not_wait_for_its_turn(self, server: LocalServer) -> None:
        def slow() -> Client:
            return Client(server.url, Fetch.of(), per_second=0.02)

        url = f"{server.url}/echo"
        start = time.monotonic()
        get(url, slow())
        get(url, slow())
        assert time.monotonic() - start < 40


class TestThreads:
    def test_results_come_in_the_order_of_the_jobs_and_threads_see_the_options(self) -> None:
        def job(number: int) -> tuple[int, int]:
            time.sleep(0.05 * (number == 0))
            return number, pdneuro.get_options()["batch_size"]

        with pdneuro.set_options(batch_size=7):
            assert [*run_parallel(job, range(5), 3)] == [(number, 7) for number in range(5)]

    def test_the_first_error_cancels_jobs_that_have_not_started(self) -> None:
        started: list[int] = []

        def job(number: int) -> None:
            started.append(number)
            time.sleep(0.01)
            raise ValueError(number)

        with pytest.raises(ValueError, match="0"):
            [*run_parallel(job, range(10_000), 1)]
        assert len(started) < 10_000

    def test_an_interrupt_does_not_wait_for_the_other_jobs(self) -> None:
        over = threading.Event()

        def job(number: int) -> None:
            if number == 0:
                raise KeyboardInterrupt
            over.wait(600)

        with deadline(60), pytest.raises(KeyboardInterrupt):
            [*run_parallel(job, range(3), 2)]
        over.set()


@pytest.mark.parametrize(
    ("body", "content_type", "expected"),
    [
        (b"<!DOCTYPE html><p>", "", True),
        (b"\xef\xbb\xbf \n<HTML lang='en'>", "", True),
        (b"maintenance", "text/html; charset=utf-8", True),
        (b"<?xml version='1.0'?>", "", False),
        (b"<svg>", "image/svg+xml", False),
        (b"", "", False),
        (b'{"html": 1}', "application/json", False),
    ],
)
def test_html_pages_are_detected(body: bytes, content_type: str, expected: bool) -> None:
    assert is_html(body, content_type) is expected


def test_a_damaged_cache_is_renamed(server: LocalServer) -> None:
    folder = Path(pdneuro.get_options()["cache_dir"])
    folder.mkdir()
    (folder / "answers.sqlite").write_bytes(b"garbage " * 1000)
    with pytest.warns(errors.CacheSetAsideWarning):
        assert get(f"{server.url}/echo", client(server))["n"] == 1
    assert get(f"{server.url}/echo", client(server))["n"] == 1
    with contextlib.closing(sqlite3.connect(folder / "answers.sqlite")) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_a_session_without_a_timeout_has_no_time_limit(server: LocalServer) -> None:
    with requests.Session() as session:
        session.mount("http://", TimedAdapter())
        assert session.get(f"{server.url}/echo", timeout=None).json() == {"who": None, "n": 1}


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (["one", "two"], "one; two"),
        ([{"loc": ["body", 5], "msg": "odd"}], "body.5: odd"),
        ("down", "400 Bad Request: down"),
        (7, "400 Bad Request: 7"),
    ],
)
def test_any_json_of_an_error_is_its_message(server: LocalServer, body: object, words: str) -> None:
    server.fail(status=400, body=json.dumps(body).encode())
    with pytest.raises(errors.InvalidRequestError, match=re.escape(words)):
        client(server).send(Request("GET", f"{server.url}/echo"))
