"""Send requests: connections, pace, timeouts, retries with pauses, and documents through the cache."""

from __future__ import annotations

import contextlib
import contextvars
import functools
import http.client
import os
import platform
import random
import threading
import time
from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar
from http.cookiejar import DefaultCookiePolicy
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple, TypeVar
from urllib.parse import urlsplit

import requests
import requests_cache
import urllib3

from pdneuro import tracebacks
from pdneuro._version import __version__
from pdneuro.errors import (
    CacheWarning,
    ConnectionFailedError,
    InvalidRequestError,
    InvalidResponseError,
    OfflineError,
    PdneuroError,
    RequestTooLargeError,
    ServerError,
    ServiceError,
    ServiceUnavailableError,
    StaleAnswerWarning,
    warn,
)
from pdneuro.options import Fetch
from pdneuro.transport import responses
from pdneuro.transport.documents import PLAIN_HEADERS, DocumentCache, cache_key, document_cache
from pdneuro.transport.report import ShapeError
from pdneuro.transport.responses import without_secrets
from pdneuro.transport.store import cache_folder
from pdneuro.transport.timing import TimedAdapter
from pdneuro.transport.tls import SteppingAdapter

#: Status codes for which a retry may help.
_TRANSIENT = frozenset({408, 429, 500, 502, 503, 504})
#: Maximum number of seconds to wait for a server that asks for a pause; a longer one is an error.
_LONGEST_PAUSE = 120.0
#: Each pause is longer by this factor, because evenly sent requests do not arrive evenly.
_MARGIN = 1.05
#: Maximum number of open connections per server. Each is opened when it is first needed.
_CONNECTIONS = 256
#: Maximum number of servers whose connections stay open.
_SERVERS = 16
#: Headers of a request for JSON.
JSON: Mapping[str, str] = MappingProxyType({"Accept": "application/json"})
_NO_PARAMETERS: Mapping[str, str] = MappingProxyType({})

#: Limits the requests at the same time of several calls together; None for no limit.
slots: ContextVar[threading.Semaphore | None] = ContextVar("pdneuro_slots", default=None)
_sending = threading.local()

T = TypeVar("T")
Job = TypeVar("Job")
#: Reads a response. A response is cached only if this does not raise.
Reader = Callable[[requests.Response], T]


class Request(NamedTuple):
    """One request, without credentials."""

    method: str
    url: str
    params: Mapping[str, str] = _NO_PARAMETERS
    body: bytes | None = None
    headers: Mapping[str, str] = JSON


class Cancelled(Exception):  # noqa: N818 - not an error
    """Another thread cancelled the work while this one waited."""


class _Rejected(Exception):  # noqa: N818 - carries an error
    """The parser rejects a response; raised in a hook, so that the response is not cached."""

    def __init__(self, error: Exception, *, from_cache: bool) -> None:
        self.error = error
        self.from_cache = from_cache


#: Cache and key of the documents that the current block of :func:`all_or_none` has read.
_used: ContextVar[list[tuple[DocumentCache, str]]] = ContextVar("pdneuro_documents")


@contextlib.contextmanager
def all_or_none() -> Iterator[None]:
    """Keep the documents that a block reads in the cache only if the block can use them.

    Raises
    ------
    InvalidResponseError
        The block raises an error that is not one of pdneuro after it has read a document.
    """
    outer, used = _used.get([]), list[tuple[DocumentCache, str]]()
    token = _used.set(used)
    try:
        yield
    except (PdneuroError, Cancelled) as error:
        if isinstance(error, InvalidResponseError):
            _drop(used)
        raise
    except Exception as error:  # whatever a conversion raises, the responses are not as documented
        if not used:
            raise
        _drop(used)
        raise InvalidResponseError(
            f"the response is not as documented ({type(error).__name__}: {error})."
        ) from error
    finally:
        _used.reset(token)
        outer.extend(used)


def _drop(documents: Iterable[tuple[DocumentCache, str]]) -> None:
    for cache, key in documents:
        cache.delete(key)


@contextlib.contextmanager
def slot() -> Iterator[None]:
    """Wait until one more request may be sent at the same time; see :data:`slots`."""
    semaphore = slots.get()
    if semaphore is None or getattr(_sending, "now", False):  # a redirect is part of its request
        yield
        return
    with semaphore:
        _sending.now = True
        try:
            yield
        finally:
            _sending.now = False


# -- servers --------------------------------------------------------------------------------------


class Server:
    """Connections to one server, and what pdneuro has learned about it in this process.

    Parameters
    ----------
    host : str
        Name of the host, in lower case.
    short_keys : bool
        Lower the security level if the server's key is short; see :mod:`pdneuro.transport.tls`.
    """

    def __init__(self, host: str, *, short_keys: bool = False) -> None:
        self.session = _Session()
        versions = f"Python {platform.python_version()}; requests {requests.__version__}"
        self.session.headers["User-Agent"] = f"pdneuro/{__version__} ({versions})"
        self.session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        pool: dict[str, Any] = {"pool_maxsize": _CONNECTIONS, "max_retries": 0}
        self.session.mount("https://", SteppingAdapter(frozenset({host} if short_keys else ()), **pool))
        self.session.mount("http://", TimedAdapter(**pool))
        #: Whether a query can be sent as the body of a POST.
        self.accepts_post = True
        #: Whether pages can be sorted.
        self.accepts_sort = True
        #: When the database was last seen to hold data, by ``time.monotonic()``.
        self.filled_at = float("-inf")
        #: Name of the ID in queries, by resource.
        self.id_names: dict[str, str] = {}
        self._documents: requests_cache.CacheMixin | None = None
        self._next_turn = 0.0
        self._lock = threading.Lock()

    def documents(self, folder: Path) -> tuple[requests_cache.CacheMixin, DocumentCache]:
        """Return a session that caches documents in a folder, and its cache; connections are shared."""
        cache, session = document_cache(folder), self._documents
        if session is None or session.cache is not cache:
            session = self._documents = _CachedSession.wrap(
                self.session,
                backend=cache,
                key_fn=cache_key,
                allowable_methods=("GET", "POST"),
                allowable_codes=(200, 404),
            )
        return session, cache

    def wait_turn(self, per_second: float, cancelled: threading.Event) -> bool:
        """Wait until the next request is due; return False if the wait is cancelled."""
        with self._lock:
            now = time.monotonic()
            turn = max(now, self._next_turn)
            self._next_turn = turn + _MARGIN / per_second
        return not cancelled.wait(turn - now)

    def close(self) -> None:
        """Close the connections. A thread that still uses the server opens new ones."""
        self.session.close()


class _Session(requests.Session):
    def send(
        self,
        request: requests.PreparedRequest,
        *,
        wait: Callable[[], None] | None = None,
        **options: Any,
    ) -> requests.Response:
        """Send a request after ``wait()``, which a cached document does not need."""
        if wait is not None:
            wait()
        with slot():
            return super().send(request, **options)

    def rebuild_auth(
        self, prepared_request: requests.PreparedRequest, response: requests.Response
    ) -> None:
        """Drop every header that may contain a token on a redirect to another host."""
        old, new = response.request.url or "", prepared_request.url or ""
        if self.should_strip_auth(old, new):  # type: ignore[no-untyped-call]
            for name in list(prepared_request.headers):
                if name.lower() not in PLAIN_HEADERS:
                    del prepared_request.headers[name]


class _CachedSession(requests_cache.CachedSession, _Session):
    """A session for documents: :class:`_Session` is what sends those that are not cached."""


#: Servers used last, the latest at the end. A forked process must not share connections.
_servers: dict[tuple[str, bool, int], Server] = {}
_lock = threading.Lock()


def server_for(address: str, *, short_keys: bool = False) -> Server:
    """Return the server of an address, made at first use."""
    parts = urlsplit(address)
    key = (f"{parts.scheme}://{parts.netloc.lower()}", short_keys, os.getpid())
    with _lock:
        server = _servers.pop(key, None) or Server((parts.hostname or "").lower(), short_keys=short_keys)
        _servers[key] = server
        for oldest in list(_servers)[:-_SERVERS]:
            _servers.pop(oldest).close()
    return server


# -- requests -------------------------------------------------------------------------------------


class Client:
    """Sends the requests of one call to the server of an address.

    Parameters
    ----------
    address : str
        Any address of the server. The calls of a process share its connections; see :class:`Server`.
    fetch : Fetch
        Timeout, retries and use of the cache.
    headers : mapping
        Sent with each request; may contain tokens, which never reach an error message.
    per_second : float, optional
        Maximum number of requests per second to the server, over all threads of the process.
    accepted : container of int
        Status codes that do not raise an error.
    short_keys : bool
        Lower the security level if the server's key is short.
    """

    def __init__(
        self,
        address: str,
        fetch: Fetch,
        *,
        headers: Mapping[str, str] = _NO_PARAMETERS,
        per_second: float | None = None,
        accepted: Container[int] = (200, 206),
        short_keys: bool = False,
    ) -> None:
        self.server = server_for(address, short_keys=short_keys)
        self.fetch = fetch
        self.headers = dict(headers)
        self.per_second = per_second
        self.accepted = accepted
        self._cancelled = threading.Event()
        self._environment: dict[str, Any] | None = None

    def cancel(self) -> None:
        """End the pauses of all threads that use this client."""
        self._cancelled.set()

    def send(self, request: Request, *, retries: int | None = None) -> requests.Response:
        """Send a request, retry if that may help, and return the response. It is not cached.

        Raises
        ------
        ServiceError
            The request failed; :mod:`pdneuro.errors` lists its kinds.
        """
        prepared = self._prepare(request)
        return self.retry(
            lambda: self.raise_for_status(self._send_once(self.server.session.send, prepared)),
            without_secrets(prepared.url or ""),
            retries,
        )

    def read(self, request: Request, read: Reader[T], *, retries: int | None = None) -> T:
        """Send a request and return what ``read`` makes of the response. It is not cached.

        Raises
        ------
        InvalidResponseError
            ``read`` raises ShapeError.
        ServiceError
            The request failed; :mod:`pdneuro.errors` lists its kinds.
        """
        return self._read(read, self.send(request, retries=retries))

    def stream(self, request: Request) -> requests.Response:
        """Send a request for a file whose body is read in parts; the caller closes the response."""
        prepared = self._prepare(request)
        return self.raise_for_status(self._send_once(self.server.session.send, prepared, stream=True))

    def get_cached(self, request: Request, read: Reader[T]) -> T:
        """Return what ``read`` makes of a document, from the cache or from the server.

        The response is cached only if ``read`` does not raise; a cached one for which it raises is
        dropped with a warning, and requested again. So is an expired one; if the connection fails, the
        expired one is used, with a warning.

        Raises
        ------
        OfflineError
            pdneuro is offline and the document is not cached.
        InvalidResponseError
            ``read`` raises ShapeError.
        ServiceError
            The request failed; :mod:`pdneuro.errors` lists its kinds.
        """
        prepared, fetch = self._prepare(request), self.fetch
        key, url = cache_key(prepared), without_secrets(prepared.url or "")
        # The document goes to the folder of this moment, also if the options change meanwhile.
        session, cache = self.server.documents(cache_folder())
        _used.get([]).append((cache, key))
        age = cache.age(key)
        expired = age is not None and fetch.max_age is not None and age >= fetch.max_age
        send = functools.partial(
            session.send,
            only_if_cached=fetch.offline,
            force_refresh=not fetch.offline and (fetch.refresh or expired),
        )
        found: list[T] = []

        def check(response: requests.Response, **_: Any) -> None:
            # Hooks also run for each redirect, and a second time for a new response.
            if found or response.is_redirect:
                return
            if fetch.offline and response.status_code == 504:
                raise OfflineError(f"no response is cached for {url}, and pdneuro is offline.")
            response.content  # noqa: B018 - first the whole body: a truncated one is requested again
            self.raise_for_status(response)
            try:
                found.append(self._read(read, response))
            except Exception as error:
                is_cached = bool(getattr(response, "from_cache", False))
                raise _Rejected(error, from_cache=is_cached) from error

        prepared.register_hook("response", check)  # type: ignore[no-untyped-call]
        try:
            response = self.retry(lambda: self._send_once(send, prepared), url)
        except _Rejected as rejected:
            if not rejected.from_cache:
                raise rejected.error from rejected.error.__cause__
            cache.delete(key)
            warn(
                f"A cached response cannot be read and is dropped: {rejected.error}",
                CacheWarning,
            )
            return self.get_cached(request, read)  # it is no longer cached
        except (ServerError, ServiceUnavailableError, ConnectionFailedError) as error:
            old = None if fetch.refresh else cache.get_response(key)
            if old is None:
                raise
            warn(
                f"{error.message} The response of {old.created_at:%Y-%m-%d %H:%M} UTC was used.",
                StaleAnswerWarning,
            )
            return self._read(read, old)
        if not found:  # a redirect that is not followed
            raise self.error_from(response)
        return found[0]

    def _read(self, read: Reader[T], response: requests.Response) -> T:
        try:
            return read(response)
        except (PdneuroError, Cancelled):
            raise
        except ShapeError as error:
            raise self.invalid_response(response, str(error)) from error
        except Exception as error:  # whatever a parser raises, the response is not as documented
            reason = f"the response cannot be read ({type(error).__name__}: {error})."
            raise self.invalid_response(response, reason) from error

    def _prepare(self, request: Request) -> requests.PreparedRequest:
        try:
            return self.server.session.prepare_request(
                requests.Request(
                    request.method,
                    request.url,
                    params=dict(request.params),
                    data=request.body,
                    headers={**self.headers, **request.headers},
                    # Without an auth object requests would put a ~/.netrc entry over the token.
                    auth=lambda prepared: prepared,
                )
            )
        except requests.exceptions.InvalidHeader:  # its message contains the token
            reason = "a header cannot be sent. Check the token: it contains a line break or a blank."
            raise InvalidRequestError(reason, url=without_secrets(request.url)) from None
        except ValueError as error:
            raise self._connection_error(error, without_secrets(request.url)) from self._shown(error)

    def _send_once(
        self,
        send: Callable[..., requests.Response],
        prepared: requests.PreparedRequest,
        *,
        stream: bool = False,
    ) -> requests.Response:
        try:
            return self._follow(send, prepared, stream)
        except (PdneuroError, requests.RequestException):
            raise
        except (OSError, ValueError, http.client.HTTPException, urllib3.exceptions.HTTPError) as error:
            failure = self._connection_error(error, without_secrets(prepared.url or ""))
            raise failure from self._shown(error)

    def _follow(
        self, send: Callable[..., requests.Response], prepared: requests.PreparedRequest, stream: bool
    ) -> requests.Response:
        """Send a request, and follow redirects."""
        if self._environment is None:  # proxies and certificates, looked up once
            self._environment = dict(
                self.server.session.merge_environment_settings(prepared.url, {}, None, None, None)
            )
        options = {
            **self._environment,
            "timeout": self.fetch.timeout,
            "stream": stream,
            "wait": self._wait,
        }
        response = send(prepared.copy(), allow_redirects=prepared.method == "GET", **options)
        if response.status_code in (307, 308):  # the redirects that keep a POST's body
            response = send(prepared.copy(), allow_redirects=True, **options)
        return response

    def _wait(self) -> None:
        if self.per_second and not self.server.wait_turn(self.per_second, self._cancelled):
            raise Cancelled

    @tracebacks.stoppable()
    def retry(self, attempt: Callable[[], T], url: str, retries: int | None = None) -> T:
        """Call ``attempt`` until it succeeds, with pauses, as long as a retry may help."""
        most = self.fetch.retries if retries is None else retries
        for number in range(most + 1):
            if self._cancelled.is_set():
                raise Cancelled
            try:
                return attempt()
            except requests.RequestException as error:
                failure = self._connection_error(error, url)
                if responses.is_permanent(error) or isinstance(failure, RequestTooLargeError):
                    raise failure from self._shown(error)
            except ServiceError as error:
                # After a timeout of the database, only a smaller request may help.
                if error.status not in _TRANSIENT or isinstance(error, RequestTooLargeError):
                    raise
                failure = error
            if failure.pause is not None and failure.pause > _LONGEST_PAUSE:
                failure.message += f" It asks to wait {failure.pause:,.0f} s before the next request."
                raise failure
            if number == most:
                raise failure
            if self._cancelled.wait(_pause(number) if failure.pause is None else failure.pause):
                raise Cancelled
        raise AssertionError("unreachable")

    def raise_for_status(self, response: requests.Response) -> requests.Response:
        """Return a response with an accepted status code; raise the error of any other."""
        if response.status_code in self.accepted:
            return response
        raise self.error_from(response)

    def error_from(self, response: requests.Response) -> ServiceError:
        """Return the error for a response, without the tokens that were sent."""
        return responses.error_from(response, self._secrets())

    def invalid_response(self, response: requests.Response, reason: str) -> Exception:
        """Return the error for a body that is not what the service documents."""
        return responses.invalid_response(response, reason, self._secrets())

    def _connection_error(self, error: Exception, url: str) -> ServiceError:
        return responses.connection_error(error, url, self._secrets())

    def _shown(self, error: Exception) -> Exception | None:
        """Return the cause of an error for its traceback, None if its text contains a token."""
        text = str(error)
        return error if responses.masked(text, self._secrets()) == text else None

    def _secrets(self) -> list[str]:
        return [word for value in self.headers.values() for word in value.split()[1:] if len(word) > 3]


def _pause(number: int) -> float:
    """Return the seconds to wait after a failed attempt: twice as long each time, at most 120."""
    return float(min(0.4 * 2**number + random.uniform(0, 0.2), 120.0))


# -- threads --------------------------------------------------------------------------------------


def run_parallel(function: Callable[[Job], T], jobs: Iterable[Job], workers: int) -> Iterator[T]:
    """Call a function for several jobs in threads, which see the options of this thread.

    Yields
    ------
    object
        The results, in the order of the jobs. The first error cancels the jobs that have not started.
        An interrupt does not wait for the others either.
    """
    pool = ThreadPoolExecutor(workers, thread_name_prefix="pdneuro")
    finish = True
    try:
        with tracebacks.stoppable():
            # One context per job: two threads cannot use one at the same time.
            futures = [pool.submit(contextvars.copy_context().run, function, job) for job in jobs]
            for future in futures:
                yield future.result()
    except KeyboardInterrupt:
        finish = False
        raise
    finally:
        pool.shutdown(wait=finish, cancel_futures=True)
