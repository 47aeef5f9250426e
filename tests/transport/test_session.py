"""The response cache: what it keys on, what it keeps, and what it must not keep."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import requests

import pdneuro
from pdneuro.sandbox.server import LocalServer, Request, Response
from pdneuro.transport.http import Outlet
from pdneuro.transport.session import shared_session, without_secrets


@pytest.fixture
def server():
    def echo(request: Request) -> Response:
        return Response({"who": request.headers.get("authorization"), "n": len(running.requests)})

    running = LocalServer({"/echo": echo})
    yield running
    running.stop()


def outlet(**headers: str) -> Outlet:
    return Outlet(shared_session(2), headers=headers, timeout=5, retries=0)


def get(url: str, way: Outlet, **more: object) -> dict:
    return json.loads(way.send(requests.Request("GET", url, **more)).content)


SECRET = "s3cr3t-w0rd"


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
    server: LocalServer, headers: dict[str, str], params: dict[str, str]
) -> None:
    server.apps["/quiet"] = lambda request: Response(
        {"n": len(server.requests)}, headers={"Set-Cookie": f"session={SECRET}", "X-Token": SECRET}
    )
    url = f"{server.url}/quiet"
    first = get(url, outlet(**headers), params=params)
    assert get(url, outlet(**headers), params=params) == first
    assert len(server.requests) == 1
    folder = Path(pdneuro.get_options()["cache_dir"])
    kept = [file for file in folder.iterdir() if file.name.startswith("responses")]
    assert kept
    for file in kept:
        assert SECRET.encode() not in file.read_bytes()


def test_one_tokens_answer_is_not_served_to_another(server: LocalServer) -> None:
    url = f"{server.url}/echo"
    assert get(url, outlet(Authorization="Bearer one-token"))["who"] == "Bearer one-token"
    assert get(url, outlet(Authorization="Bearer two-token"))["who"] == "Bearer two-token"
    assert get(url, outlet())["who"] is None
    assert get(url, outlet(Authorization="Bearer one-token"))["who"] == "Bearer one-token"
    assert len(server.requests) == 3


def test_the_order_of_a_body_counts(server: LocalServer) -> None:
    server.apps["/same"] = lambda request: Response(request.json())
    for body in ([3, 1, 2], [1, 2, 3]):
        sent = requests.Request("POST", f"{server.url}/same", json=body)
        assert json.loads(outlet().send(sent).content) == body


def test_failures_are_not_kept(server: LocalServer) -> None:
    server.fail(status=404)
    with pytest.raises(pdneuro.errors.NotFoundError):
        get(f"{server.url}/echo", outlet())
    assert get(f"{server.url}/echo", outlet())["n"] == 2


def test_the_session_is_made_once_for_a_folder() -> None:
    assert shared_session(2) is shared_session(2)
    assert shared_session(2) is not shared_session(3)
    assert shared_session(2).get_adapter("https://x")._pool_maxsize == 2


def test_netrc_does_not_replace_the_token(
    server: LocalServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("default login me password other\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    assert get(f"{server.url}/echo", outlet(Authorization="Bearer mine"))["who"] == "Bearer mine"


def test_a_damaged_response_cache_is_set_aside(server: LocalServer) -> None:
    folder = Path(pdneuro.get_options()["cache_dir"])
    folder.mkdir()
    (folder / "responses.sqlite").write_bytes(b"garbage " * 1000)
    with pytest.warns(pdneuro.errors.CacheSetAsideWarning):
        assert get(f"{server.url}/echo", outlet())["n"] == 1


def test_addresses_are_shown_without_secrets() -> None:
    shown = without_secrets("https://me:pw@host:8/p?project=fly&access_token=abc&x=1#frag")
    assert shown == "https://host:8/p?project=fly&access_token=***&x=1"
