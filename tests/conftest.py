"""Fixtures for the tests."""

from __future__ import annotations

import contextlib
import itertools
import math
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import HealthCheck, settings

import pdneuro
from pdneuro.sandbox import Sandbox
from pdneuro.sandbox.server import Request, Response

# The time of an example depends on how busy the machine is. The fixtures of a test do not change between examples.
_UNCHECKED = [HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
settings.register_profile("pdneuro", deadline=None, suppress_health_check=_UNCHECKED)
settings.load_profile("pdneuro")

SHARED = Path(os.environ.get("PDNEURO_TEST_DATA", Path(__file__).parents[2] / "shared" / "data"))


@pytest.fixture
def sandbox(tmp_path: Path) -> Iterator[Sandbox]:
    """Start a sandbox with the bundled brain; requests are not repeated."""
    # A long timeout, so that no test fails on a busy machine.
    options = {"retries": 0, "timeout": 600, "progress": False}
    with pdneuro.sandbox.start(cache_dir=tmp_path / "cache") as running, pdneuro.set_options(**options):
        yield running


@pytest.fixture
def ids() -> pd.Series:
    """Return ten IDs of the sandbox."""
    return pdneuro.sandbox.neurons()["root_id"].head(10)


@pytest.fixture
def interrupts() -> Iterator[None]:
    """Let child processes receive Ctrl-C, even if the shell ignores it, as for background jobs."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@contextlib.contextmanager
def child(command: list[str], **settings: Any) -> Iterator[subprocess.Popen[Any]]:
    """Run a process, and end it after the block."""
    process = subprocess.Popen(command, **settings)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


@contextlib.contextmanager
def held(
    sandbox: Sandbox, path: str = "", start: int = 0, stop: float = math.inf
) -> Iterator[threading.Event]:
    """Answer requests for a path only after the block, from one number on and before another.

    The event is set when the first of them has arrived.
    """
    server, numbers = sandbox._server, itertools.count()
    answer, arrived, over = server.answer, threading.Event(), threading.Event()

    def hold(request: Request) -> tuple[Response | None, bool]:
        response = answer(request)
        if path in request.path and start <= next(numbers) < stop:
            arrived.set()
            over.wait(600)
        return response

    server.answer = hold  # type: ignore[method-assign]
    try:
        yield arrived
    finally:
        server.answer = answer  # type: ignore[method-assign]
        over.set()


@contextlib.contextmanager
def at_once(sandbox: Sandbox, path: str, expected: int) -> Iterator[list[int]]:
    """Note how many requests for a path there are at once; none is answered before ``expected`` are there."""
    server, lock, enough = sandbox._server, threading.Lock(), threading.Event()
    answer, running, seen = server.answer, set[int](), list[int]()

    def count(request: Request) -> tuple[Response | None, bool]:
        if path not in request.path:
            return answer(request)
        with lock:
            running.add(id(request))
            seen.append(len(running))
        if len(running) == expected:
            enough.set()
        enough.wait(60)
        time.sleep(0.01)  # one request too many would arrive now
        response = answer(request)
        with lock:
            running.remove(id(request))
        return response

    server.answer = count  # type: ignore[method-assign]
    try:
        yield seen
    finally:
        server.answer = answer  # type: ignore[method-assign]


def eventually(condition: Callable[[], object], seconds: float = 300) -> bool:
    """Return whether a condition becomes true; the limit is only for a test that fails."""
    until = time.monotonic() + seconds
    while not (met := bool(condition())) and time.monotonic() < until:
        time.sleep(0.01)
    return met


def answered(call: Callable[[], object]) -> bool:
    """Return whether a call gets its responses within the timeout."""
    try:
        call()
    except pdneuro.errors.ConnectionFailedError:
        return False
    return True


def shared(path: str) -> Path:
    """Return a file of the shared data, or skip the test with the reason."""
    file = SHARED / path
    if not file.exists():
        pytest.skip(f"the shared data were not found: {path}")
    return file
