"""A local server that imitates the service, for examples and tests."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from minibrain import payload
from pdneuro.sandbox.server import LocalServer, Request, Response

_SHAPES = {11: ("PN", 1.5), 12: ("LN", 2.25), 13: ("KC", None)}
_EDGES = {(11, 12): 5, (12, 13): 3, (13, 11): 1}


def app(request: Request) -> Response:
    """Respond to a request as the service does. Cell 14 exists, but has no values."""
    name = request.path.rpartition("/")[2]
    known = {"shape": _shape, "partners": _partners}.get(name)
    if known is None:
        return Response({"error": f"no property {name!r}"}, 404)
    ids = [int(word) for word in request.query.get("ids", "").split(",") if word]
    cells = {str(cell): known(cell) for cell in ids if cell in (*_SHAPES, 14)}
    return Response({"release": 7, "cells": cells})


def _shape(cell: int) -> dict[str, object] | None:
    return dict(zip(("type", "volume"), _SHAPES[cell], strict=True)) if cell in _SHAPES else None


def _partners(cell: int) -> dict[str, list[list[object]]]:
    to = [[str(post), weight] for (pre, post), weight in _EDGES.items() if pre == cell]
    by = [[str(pre), weight] for (pre, post), weight in _EDGES.items() if post == cell]
    return {"to": to, "from": by}


@contextlib.contextmanager
def serve() -> Iterator[LocalServer]:
    """Start the local server, and send all requests to it."""
    server, before = LocalServer({"": app}), payload.ADDRESS
    payload.ADDRESS = server.url
    try:
        yield server
    finally:
        payload.ADDRESS = before
        server.stop()
