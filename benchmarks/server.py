"""A server in a separate process, so that it does not share the client's interpreter lock."""

from __future__ import annotations

import contextlib
import functools
import multiprocessing
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection

import numpy as np

from pdneuro.sandbox.braincircuits import TOKEN
from pdneuro.sandbox.server import App, LocalServer, Request, Response

HEADERS = {"Authorization": f"Bearer {TOKEN}"}


@functools.cache
def _entry(number: int) -> bytes:
    return b'"%d":{"nr_pre":%d,"nr_downstream_partner":%d}' % (number, number % 9973, number % 997)


def _answer(request: Request) -> Response:
    entries = b",".join(map(_entry, request.json()["segments"]))
    return Response(b'{"materialized_timestamp":1679889604,"results":{' + entries + b"}}")


def link_pre_of(ids: np.ndarray) -> Callable[[], App]:
    """Return a function that computes ``link_pre`` of any ID, equally fast at each request."""
    return functools.partial(_link_pre, ids)


def _link_pre(ids: np.ndarray) -> App:
    for number in ids.tolist():
        _entry(number)
    return _answer


def _serve(latency: float, make: Callable[[], App], pipe: Connection) -> None:
    server = LocalServer({"/service": make()}, latency=latency)
    pipe.send(server.url)
    while pipe.recv() == "count":
        pipe.send(len(server.requests))
    server.stop()


class Running:
    """A running server: its address, and its number of requests."""

    def __init__(self, url: str, pipe: Connection) -> None:
        self.url = f"{url}/service"
        self._pipe = pipe

    def count(self) -> int:
        self._pipe.send("count")
        return int(self._pipe.recv())


@contextlib.contextmanager
def running(latency: float, make: Callable[[], App]) -> Iterator[Running]:
    """Run a service in a separate process, with a latency in seconds.

    ``make`` makes the service there, so it has to survive pickling.
    """
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(latency, make, theirs), daemon=True)
    process.start()
    server = Running(ours.recv(), ours)
    try:
        yield server
    finally:
        ours.send("stop")
        process.join(10)
