"""Tokens for BrainCircuits.io: which request carries which token, and whose values the cache returns."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import socket
import ssl
from collections.abc import Callable, Iterator
from pathlib import Path

import pandas as pd
import pytest
import trustme

import pdneuro
from pdneuro import errors, tokens
from pdneuro.sandbox import Sandbox
from pdneuro.sandbox.braincircuits import CAVE_TOKEN, TOKEN
from pdneuro.sandbox.server import LocalServer, Request, Response

CAVE_PROJECT, PLAIN_PROJECT = "fruitfly_fanc_cave", "fruitfly_fafb_flywire"
PUBLIC_PROJECT = "fruitfly_fafb_flywire_public"
#: A project that pdneuro does not know.
NEW_PROJECT = "larva_em"
BOTH = {"authorization": f"Bearer {TOKEN}", "authorization-cave": f"Bearer {CAVE_TOKEN}"}


@pytest.fixture
def both(sandbox: Sandbox) -> Iterator[Sandbox]:
    """The sandbox, with its CAVE token set in addition to the BrainCircuits.io token."""
    with tokens.overridden(cave=CAVE_TOKEN):
        yield sandbox


@contextlib.contextmanager
def credentials(token: str, cave_token: str | None) -> Iterator[None]:
    with tokens.overridden(braincircuits=token, **({"cave": cave_token} if cave_token else {})):
        yield


def secrets(request: Request) -> dict[str, str]:
    """The headers of a request that carry a token."""
    return {name: value for name, value in request.headers.items() if name.startswith("auth")}


def by_file(requests: list[Request]) -> dict[str, dict[str, str]]:
    return {request.path.rpartition("/")[2]: secrets(request) for request in requests}


class TestCache:
    @pytest.mark.parametrize(
        ("first", "second"),
        [
            (("one", "cave-one"), ("one", "cave-two")),
            (("one", "cave-one"), ("two", "cave-one")),
            (("one", "cave-one"), ("one", None)),
            (("one", "two"), ("two", "one")),
            (("one", None), ("two", None)),
        ],
    )
    def test_values_are_returned_to_the_same_pair_of_tokens_only(
        self,
        sandbox: Sandbox,
        ids: pd.Series,
        first: tuple[str, str | None],
        second: tuple[str, str | None],
    ) -> None:
        app = sandbox.braincircuits
        # This service accepts every token, so that the cache alone distinguishes them.
        sandbox._server.apps["/braincircuits"] = lambda request: app(
            dataclasses.replace(request, headers={**request.headers, **BOTH})
        )
        for count, pair in enumerate((first, second), 1):
            with credentials(*pair):
                ids.neuro.properties("size", source=CAVE_PROJECT)
            assert len(sandbox.requests) == count
        with credentials(*first):
            ids.neuro.properties("size", source=CAVE_PROJECT)
        assert len(sandbox.requests) == 2
        assert pdneuro.cache.info()["credential"].nunique() == 2

    def test_a_rejected_cave_token_does_not_read_the_values_of_a_valid_one(
        self, both: Sandbox, ids: pd.Series
    ) -> None:
        ids.neuro.properties("size", source=CAVE_PROJECT)
        with tokens.overridden(cave="withdrawn"), pytest.raises(errors.ForbiddenError):
            ids.neuro.properties("size", source=CAVE_PROJECT)
        with (
            pdneuro.set_options(offline=True),
            tokens.overridden(cave="withdrawn"),
            pytest.raises(errors.OfflineError),
        ):
            ids.neuro.properties("size", source=CAVE_PROJECT)

    def test_the_cave_token_does_not_separate_values_of_a_public_project(
        self, sandbox: Sandbox, ids: pd.Series
    ) -> None:
        ids.neuro.properties("size", source=PUBLIC_PROJECT)
        with tokens.overridden(cave="any"):
            ids.neuro.properties("size", source=PUBLIC_PROJECT)
        assert len(sandbox.requests) == 1


class TestHeaders:
    @pytest.mark.parametrize("project", [CAVE_PROJECT, PLAIN_PROJECT])
    def test_properties_of_a_project_of_cave_get_both_tokens(
        self, both: Sandbox, ids: pd.Series, project: str
    ) -> None:
        ids.neuro.properties("size", source=project)
        assert secrets(both.requests[0]) == BOTH

    @pytest.mark.parametrize("project", [NEW_PROJECT, PUBLIC_PROJECT])
    def test_properties_of_another_project_do_not_get_the_cave_token(
        self, both: Sandbox, ids: pd.Series, project: str
    ) -> None:
        both.braincircuits.projects = (project,)
        ids.neuro.properties("size", source=project)
        assert secrets(both.requests[0]) == {"authorization": BOTH["authorization"]}

    def test_a_project_that_turns_out_to_need_cave_gets_its_token(
        self, both: Sandbox, ids: pd.Series
    ) -> None:
        both.braincircuits.projects = both.braincircuits.cave_projects = (NEW_PROJECT,)
        assert ids.neuro.properties("size", source=NEW_PROJECT)["size"].notna().all()
        assert [len(secrets(request)) for request in both.requests] == [1, 2]
        ids.neuro.properties("link_pre", source=NEW_PROJECT)  # what it needs is remembered
        assert len(both.requests) == 3
        assert secrets(both.requests[2]) == BOTH
        ids.neuro.properties("size", source=NEW_PROJECT)  # and the values are cached
        assert len(both.requests) == 3

    @pytest.mark.parametrize("detail", ["Forbidden", "You may not read this project"])
    def test_a_403_about_something_else_does_not_get_the_cave_token(
        self, both: Sandbox, ids: pd.Series, detail: str
    ) -> None:
        both.fail(status=403, body=json.dumps({"detail": detail}).encode(), times=9)
        with pytest.raises(errors.ForbiddenError, match=detail):
            ids.neuro.properties("size", source=NEW_PROJECT)
        assert [secrets(request) for request in both.requests] == [
            {"authorization": BOTH["authorization"]}
        ]

    def test_the_error_without_a_cave_token_names_the_way_to_save_one(
        self, sandbox: Sandbox, ids: pd.Series
    ) -> None:
        with pytest.raises(errors.ForbiddenError, match=r"tokens\.save\('cave', token\)"):
            ids.neuro.properties("size", source=CAVE_PROJECT)

    @pytest.mark.parametrize("project", [CAVE_PROJECT, PLAIN_PROJECT, PUBLIC_PROJECT])
    def test_without_a_token_no_request_is_sent(
        self, sandbox: Sandbox, ids: pd.Series, project: str
    ) -> None:
        with tokens.overridden(only=True), pytest.raises(errors.MissingTokenError):
            ids.neuro.properties("size", source=project)
        with tokens.overridden(only=True), pytest.raises(errors.MissingTokenError):
            pdneuro.Connectome.download(project)
        assert sandbox.requests == []

    def test_files_at_the_address_of_the_service_get_both_tokens(self, both: Sandbox) -> None:
        pdneuro.Connectome.download(CAVE_PROJECT)
        assert by_file(both.requests) == {"dump": BOTH, "nodes.parquet": BOTH, "edges.parquet": BOTH}

    def test_files_on_another_host_get_no_token(self, both: Sandbox) -> None:
        files_at(both, lambda url: url.replace("127.0.0.1", "localhost"))
        pdneuro.Connectome.download(CAVE_PROJECT)
        assert by_file(both.requests) == {"dump": BOTH, "nodes.parquet": {}, "edges.parquet": {}}

    def test_files_on_another_port_get_no_token(self, both: Sandbox) -> None:
        other = LocalServer({"/braincircuits": both.braincircuits})
        files_at(both, lambda url: url.replace(both.url, other.url))
        try:
            pdneuro.Connectome.download(CAVE_PROJECT)
        finally:
            other.stop()
        assert by_file(both.requests) == {"dump": BOTH}
        assert by_file(other.requests) == {"nodes.parquet": {}, "edges.parquet": {}}

    def test_a_relative_address_of_a_file_is_one_of_the_service(self, both: Sandbox) -> None:
        files_at(both, lambda url: url.removeprefix(both.url))
        pdneuro.Connectome.download(CAVE_PROJECT)
        assert by_file(both.requests)["edges.parquet"] == BOTH

    def test_files_at_http_of_an_https_service_get_no_token(
        self, both: Sandbox, secure: LocalServer
    ) -> None:
        # The sandbox writes its addresses with http, also where it is queried over https.
        pdneuro.Connectome.download(CAVE_PROJECT)
        assert by_file(secure.requests) == {"dump": BOTH, "nodes.parquet": {}, "edges.parquet": {}}

    def test_files_at_https_of_an_https_service_get_both_tokens(
        self, both: Sandbox, secure: LocalServer
    ) -> None:
        files_at(both, lambda url: url.replace("http:", "https:"))
        pdneuro.Connectome.download(CAVE_PROJECT)
        assert by_file(secure.requests) == {"dump": BOTH, "nodes.parquet": BOTH, "edges.parquet": BOTH}

    @pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
    def test_a_redirected_dump_gets_no_token_at_another_port(self, both: Sandbox, status: int) -> None:
        other = LocalServer({"/braincircuits": lambda request: Response({})})
        redirect(both, "/circuit/graph/dump", f"{other.url}/braincircuits/moved", status)
        try:
            with pytest.raises(errors.InvalidResponseError, match="edges_url"):
                pdneuro.Connectome.download(CAVE_PROJECT)
        finally:
            other.stop()
        assert by_file(other.requests) == {"moved": {}}

    def test_a_redirected_file_gets_no_token_at_another_port(self, both: Sandbox) -> None:
        other = LocalServer({"/braincircuits": both.braincircuits})
        path = f"/files/{CAVE_PROJECT}/edges.parquet"
        redirect(both, path, f"{other.url}/braincircuits{path}", 302)
        try:
            pdneuro.Connectome.download(CAVE_PROJECT)
        finally:
            other.stop()
        assert by_file(both.requests)["edges.parquet"] == BOTH
        assert by_file(other.requests) == {"edges.parquet": {}}

    def test_a_redirect_from_https_to_http_gets_no_token(
        self, both: Sandbox, secure: LocalServer, ids: pd.Series
    ) -> None:
        path = "/circuit/segment/property/size"
        target = f"{secure.url}/braincircuits/plain?project={CAVE_PROJECT}"
        redirect(both, path, target, 307, secure)
        with pytest.raises(errors.NotFoundError):
            ids.neuro.properties("size", source=CAVE_PROJECT)
        assert by_file(secure.requests) == {"size": BOTH, "plain": {}}

    def test_a_redirect_within_the_service_keeps_both_tokens(
        self, both: Sandbox, ids: pd.Series
    ) -> None:
        path = "/circuit/segment/property/size"
        target = f"{both.url}/braincircuits/circuit/segment/property/link_pre?project={CAVE_PROJECT}"
        redirect(both, path, target, 307)
        ids.neuro.properties("size", source=CAVE_PROJECT)
        assert by_file(both.requests) == {"size": BOTH, "link_pre": BOTH}


def files_at(sandbox: Sandbox, change: Callable[[str], str]) -> None:
    """Let the service announce its files at other addresses."""
    app = sandbox.braincircuits
    real = app._dump

    def elsewhere(request: Request) -> Response:
        response = real(request)
        for name in ("nodes_url", "edges_url"):
            response.body[name] = change(response.body[name])
        return response

    app._dump = elsewhere


def redirect(
    sandbox: Sandbox, path: str, target: str, status: int, server: LocalServer | None = None
) -> None:
    """Let the service redirect the requests for one path."""
    app = sandbox.braincircuits

    def redirecting(request: Request) -> Response:
        if request.path == path:
            return Response({}, status, {"Location": target})
        return app(request)

    (server or sandbox._server).apps["/braincircuits"] = redirecting


@pytest.fixture
def secure(sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LocalServer]:
    """BrainCircuits.io over https; the same port also serves http, as one host does."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "ca.pem"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    server = LocalServer({"/braincircuits": sandbox.braincircuits})
    serve = server._http.finish_request

    def finish_request(connection: socket.socket, address: object) -> None:
        if connection.recv(1, socket.MSG_PEEK) != b"\x16":  # not the start of a TLS handshake
            serve(connection, address)
            return
        with context.wrap_socket(connection, server_side=True) as wrapped:
            serve(wrapped, address)

    monkeypatch.setattr(server._http, "finish_request", finish_request)
    url = f"{server.url.replace('http:', 'https:')}/braincircuits"
    with pdneuro.set_options(braincircuits_url=url):
        yield server
    server.stop()
