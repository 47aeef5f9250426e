"""Limit the total time of a response: a server can send one byte before each timeout, without end."""

from __future__ import annotations

import http.client
import io
import time
from typing import Any

import urllib3
from requests.adapters import HTTPAdapter

#: A response may take this many timeouts in all.
TIMEOUTS = 5
#: Bytes per second that extend the time, so that a large file is not limited.
_SPEED = 10_000


class TooSlowError(TimeoutError):
    """A response takes longer in all than is allowed."""


class _TimedStream(io.RawIOBase):
    """The bytes of one response, until its time is over."""

    def __init__(self, stream: Any, connection: Any) -> None:
        self._stream = stream
        self._connection = connection
        self._timeout = connection.gettimeout()
        self._start = time.monotonic()
        self._received = 0

    def readable(self) -> bool:
        """Return True, as a buffer requires."""
        return True

    def readinto(self, buffer: Any) -> int | None:
        """Read bytes as soon as some arrive."""
        if self._timeout is not None:
            passed = time.monotonic() - self._start
            left = TIMEOUTS * self._timeout + self._received / _SPEED - passed
            # Zero would mean that the connection does not wait at all.
            self._connection.settimeout(min(self._timeout, max(left, 1e-3)))
        try:
            count: int | None = self._stream.readinto(buffer)
        except TimeoutError as error:
            if self._timeout is None or left > self._timeout:
                raise
            raise TooSlowError(
                f"the response is not complete after {time.monotonic() - self._start:.3g} s, "
                f"{TIMEOUTS} times the timeout."
            ) from error
        self._received += count or 0
        return count

    def close(self) -> None:
        """Close the stream below."""
        self._stream.close()
        super().close()


class _Response(http.client.HTTPResponse):
    def __init__(self, connection: Any, *args: Any, **options: Any) -> None:
        super().__init__(connection, *args, **options)
        self.fp = io.BufferedReader(_TimedStream(self.fp.detach(), connection))


class _Connection(urllib3.connection.HTTPConnection):
    response_class = _Response


class _SecureConnection(urllib3.connection.HTTPSConnection):
    response_class = _Response


class _Pool(urllib3.HTTPConnectionPool):
    ConnectionCls = _Connection


class _SecurePool(urllib3.HTTPSConnectionPool):
    ConnectionCls = _SecureConnection


def _limit_time(manager: Any) -> Any:
    """Limit the time of the responses to the requests of a pool manager, and return it."""
    manager.pool_classes_by_scheme = {"http": _Pool, "https": _SecurePool}
    return manager


class TimedAdapter(HTTPAdapter):
    """An adapter whose responses have a time limit, also behind a proxy."""

    def init_poolmanager(self, *args: Any, **options: Any) -> None:
        """Make the pools of connections."""
        super().init_poolmanager(*args, **options)
        _limit_time(self.poolmanager)

    def proxy_manager_for(self, *args: Any, **options: Any) -> Any:
        """Return the pools of connections to a proxy."""
        return _limit_time(super().proxy_manager_for(*args, **options))
