"""Fixtures of the tests of requests."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Iterator

import pytest


@contextlib.contextmanager
def deadline(seconds: float = 100) -> Iterator[None]:
    """Fail where the block takes longer, so that a test that fails does not wait for hours."""

    def end(*_: object) -> None:
        # Not a TimeoutError, which urllib3 would take for the timeout of a socket.
        pytest.fail(f"took more than {seconds} s")

    before = signal.signal(signal.SIGALRM, end)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
