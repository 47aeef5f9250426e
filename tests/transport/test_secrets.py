"""Tokens that a server repeats in a response do not appear in errors."""

from __future__ import annotations

import base64
import traceback
from collections.abc import Callable

import pandas as pd
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pdneuro import errors, tokens
from pdneuro.sandbox import Sandbox
from pdneuro.sandbox.server import Request, Response
from pdneuro.transport.responses import masked

TOKEN = "s3cret-t0ken/with+signs"


def _json(text: str, status: int) -> Callable[[Request], Response]:
    return lambda request: Response({"detail": text}, status)


def _location(url: str, status: int = 302) -> Callable[[Request], Response]:
    return lambda request: Response({}, status, {"Location": url})


def _encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


ECHOES = {
    "body": _json(f"the token {TOKEN} is not valid", 401),
    "body, base64": _json(f"header {_encoded('Bearer ' + TOKEN)} is not valid", 400),
    "body, base64 with a name": _json(f"user {_encoded('me:' + TOKEN)} is not valid", 403),
    "HTML": lambda request: Response(
        f"<html>{TOKEN}</html>".encode(), 200, {"Content-Type": "text/html"}
    ),
    "JSON of another shape": lambda request: Response({"token": TOKEN}),
    "value of another type": lambda request: Response({"results": TOKEN, "materialized_timestamp": 1}),
    "Location": _location(f"https://host.example/sign-in/{TOKEN}"),
    "Location, parameter": _location(f"https://host.example/?next={TOKEN}"),
    "Location, to nowhere": _location(f"http://127.0.0.1:9/{TOKEN}", 307),
    "Location, not an address": _location(f"http://[{TOKEN}", 307),
}


@pytest.mark.parametrize("echo", ECHOES)
def test_a_token_in_a_response_is_masked(sandbox: Sandbox, ids: pd.Series, echo: str) -> None:
    sandbox._server.apps["/braincircuits"] = ECHOES[echo]
    with tokens.use("braincircuits", TOKEN), pytest.raises(errors.ServiceError) as caught:
        ids.neuro.properties("size")
    _check("".join(traceback.format_exception(caught.value)))


def test_a_token_in_the_reason_phrase_is_masked(sandbox: Sandbox, ids: pd.Series) -> None:
    handler = sandbox._server._http.RequestHandlerClass
    send = handler.send_response
    handler.send_response = lambda self, status, message=None: send(self, 403, f"No {TOKEN} here")
    with tokens.use("braincircuits", TOKEN), pytest.raises(errors.ForbiddenError, match="No") as caught:
        ids.neuro.properties("size")
    _check("".join(traceback.format_exception(caught.value)))


def _check(text: str) -> None:
    assert TOKEN not in text
    for name in ("", "me:", "Bearer ", "abc"):
        assert _encoded(name + TOKEN)[len(name) + 3 : -4] not in text


@example("999998", b"\x00\x00\x00\x00\t", b"")
@given(
    st.text("abcdefXYZ0189-_.", min_size=6, max_size=60), st.binary(max_size=7), st.binary(max_size=7)
)
def test_no_long_part_of_an_encoded_token_is_left(token: str, before: bytes, after: bytes) -> None:
    whole = base64.b64encode(before + token.encode() + after).decode()
    left = masked(f"x {whole} y", [token]).split(" ")[1]
    assert "***" in left
    # What is left is the encoding of what is around the token, and of one more character at most.
    kept = left.split("***")
    assert len(kept[0]) <= -(-8 * len(before) // 6)
    behind = len(whole.rstrip("=")) - 8 * len(before + token.encode()) // 6
    assert len(kept[-1].rstrip("=")) <= behind + 1
