"""The service on this machine, for examples and tests."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from minibrain import payload
from pdneuro.sandbox.server import LocalServer, Request, Response

_SHAPES = {11: ("PN", 1.5), 12: ("LN", 2.25), 13: ("KC", None)}
_EDGES = {(11, 12): 5, (12, 13): 3, (13, 11): 1}


def app(request: Request) -> Response:
    """Answer a request as the service would; of cell 14 it knows nothing but that it exists."""
    name = request.path.rpartition("/")[2]
    known = {"shape": _shape, "partners": _partners}.get(name)
    if known is None:
        return Response({"error": f"no property {name!r}"}, 404)
    asked = [int(word) for word in request.query.get("ids", "").split(",") if word]
    cells = {str(cell): known(cell) for cell in asked if cell in (*_SHAPES, 14)}
    return Response({"release": 7, "cells": cells})


def _shape(cell: int) -> dict[str, object] | None:
    return dict(zip(("type", "volume"), _SHAPES[cell], strict=True)) if cell in _SHAPES else None


def _partners(cell: int) -> dict[str, list[list[object]]]:
    to = [[str(post), weight] for (pre, post), weight in _EDGES.items() if pre == cell]
    by = [[str(pre), weight] for (pre, post), weight in _EDGES.items() if post == cell]
    return {"to": to, "from": by}


@contextlib.contextmanager
def serve() -> Iterator[LocalServer]:
    """Run the service on a port of this machine, and point the payloads at it."""
    server, before = LocalServer({"": app}), payload.ADDRESS
    payload.ADDRESS = server.url
    try:
        yield server
    finally:
        payload.ADDRESS = before
        server.stop()
