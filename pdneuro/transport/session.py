"""The one place that makes HTTP sessions: pooled, cached on disk, and discreet about secrets."""

from __future__ import annotations

import contextlib
import datetime
import functools
import hashlib
import os
import platform
import re
import sqlite3
from collections.abc import Callable
from http.cookiejar import DefaultCookiePolicy
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import requests
import requests_cache
from requests.adapters import HTTPAdapter
from requests_cache.backends.base import BaseCache
from requests_cache.backends.sqlite import SQLiteCache
from requests_cache.models.request import CachedRequest
from requests_cache.models.response import CachedResponse

from pdneuro._version import __version__
from pdneuro.transport.store import Store, cache_folder, is_unusable, set_aside
from pdneuro.transport.tls import SteppingAdapter

#: What may be kept of an answer's headers. Anything else may hold a secret under a name of its own.
_KEPT_HEADERS = ("Content-Type", "Content-Length", "Date", "ETag", "Last-Modified")
#: What every request sends and no secret hides in; all other headers tell credentials apart.
_PLAIN_HEADERS = frozenset(
    {"accept", "accept-encoding", "connection", "content-length", "content-type", "user-agent"}
)
_SECRET_PARAMETER = re.compile(r"token|auth|key|secret|pass|pwd|sig|cred|session|bearer|jwt", re.I)


def shared_session(
    workers: int, *, keep: bool = True, short_keys: frozenset[str] = frozenset()
) -> requests_cache.CachedSession:
    """The session of this process for the cache folder in force, made at first use.

    Connections stay open between calls; the pool holds one for each worker. Without ``keep`` no
    response is kept: for services whose answers are in the per-ID store. ``short_keys`` are hosts for
    which the session steps down where need be; see :mod:`pdneuro.transport.tls`.
    """
    return _sessions(str(cache_folder()) if keep else None, os.getpid())(workers, short_keys)


def clear_responses(older_than: float | None = None) -> None:
    """Forget the responses that are kept, or those fetched more than so many seconds ago."""
    if not (cache_folder() / "responses.sqlite").exists():
        return
    cache = shared_session(1).cache
    if older_than is None:
        cache.clear()  # type: ignore[no-untyped-call]
    else:
        cache.delete(older_than=datetime.timedelta(seconds=older_than))


# One entry without a cache and two cache folders. The files and connections of an older folder are
# closed as soon as no thread uses them, or a program with many cache folders runs out of handles.
@functools.lru_cache(maxsize=3)
def _sessions(
    folder: str | None, process: int
) -> Callable[[int, frozenset[str]], requests_cache.CachedSession]:
    """Return a function that makes each session of a cache folder once; they share its files."""
    cache = _backend() if folder else BaseCache()
    return functools.lru_cache(maxsize=8)(functools.partial(_session, cache))


def _session(cache: BaseCache, workers: int, short_keys: frozenset[str]) -> requests_cache.CachedSession:
    session = _Session(
        backend=cache,
        key_fn=cache_key,
        allowable_methods=("GET", "POST"),
        allowable_codes=(200,),
    )
    session.headers["User-Agent"] = (
        f"pdneuro/{__version__} (Python {platform.python_version()}; requests {requests.__version__})"
    )
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    pool: dict[str, Any] = {"pool_connections": 4, "pool_maxsize": workers, "max_retries": 0}
    session.mount("https://", SteppingAdapter(short_keys, **pool))
    session.mount("http://", HTTPAdapter(**pool))
    return session


class _Session(requests_cache.CachedSession):
    def rebuild_auth(
        self, prepared_request: requests.PreparedRequest, response: requests.Response
    ) -> None:
        """On a redirect to another host, drop every header that may hold a token."""
        here, there = response.request.url or "", prepared_request.url or ""
        if self.should_strip_auth(here, there):  # type: ignore[no-untyped-call]
            for name in list(prepared_request.headers):
                if name.lower() not in _PLAIN_HEADERS:
                    del prepared_request.headers[name]


class _DiscreetCache(SQLiteCache):
    """Keeps answers without what was sent to get them."""

    def save_response(self, response: Any, cache_key: str | None = None, expires: Any = None) -> None:
        kept = CachedResponse.from_response(response, expires=expires)
        kept.url = without_secrets(response.url)
        kept.request = CachedRequest(method=response.request.method, url=kept.url)
        kept.headers = type(kept.headers)(
            {name: response.headers[name] for name in _KEPT_HEADERS if name in response.headers}
        )
        kept.cookies = requests.cookies.RequestsCookieJar()
        kept.history, kept._next = [], None
        self.responses[cache_key or self.create_key(response.request)] = kept


def _backend() -> BaseCache:
    """Responses on disk, or in memory where the cache folder cannot be used."""
    # Opening the answer store warns about an unusable folder, once and in one way.
    store = Store.open()
    if store is None:
        return BaseCache()
    store.close()
    path = cache_folder() / "responses.sqlite"
    for _ in range(2):
        try:
            os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
            with contextlib.closing(sqlite3.connect(path, timeout=30)) as connection:
                # requests-cache would wait for ever on a file that cannot be written.
                connection.execute("PRAGMA journal_mode = WAL")
                connection.execute("BEGIN IMMEDIATE").connection.rollback()
            return _DiscreetCache(path, wal=True)
        except sqlite3.DatabaseError as error:
            if is_unusable(error):
                break
            set_aside(path, error)
    return BaseCache()


def cache_key(request: requests.PreparedRequest, **_: Any) -> str:
    """Key of a request: everything sent, in its order; credentials take part as a hash."""
    digest = hashlib.blake2b(digest_size=16, person=b"pdneuro")
    headers = sorted(
        (name.lower(), str(value))
        for name, value in request.headers.items()
        if name.lower() not in _PLAIN_HEADERS
    )
    body = request.body or b""
    for part in (request.method, request.url, repr(headers)):
        digest.update(f"{part}\0".encode())
    digest.update(body.encode() if isinstance(body, str) else body)
    return digest.hexdigest()


def without_secrets(url: str) -> str:
    """The address without user name, password and the values of parameters that may be secret.

    >>> without_secrets("https://me:pw@host/path?project=a&api_key=123")
    'https://host/path?project=a&api_key=***'
    """
    parts = urlsplit(url)
    query = [
        (name, "***" if _SECRET_PARAMETER.search(name) else value)
        for name, value in parse_qsl(parts.query, keep_blank_values=True)
    ]
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit(parts._replace(netloc=host, query=urlencode(query, safe="*,:/"), fragment=""))
