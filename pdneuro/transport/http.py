"""Send one request: time-outs, retries with back-off, and errors by cause."""

from __future__ import annotations

import datetime
import sqlite3
import threading
from collections.abc import Callable, Container, Iterable, Mapping
from functools import partial
from typing import Any, TypeVar
from urllib.parse import urlsplit

import msgspec
import requests
import requests_cache
import urllib3

from pdneuro.errors import (
    AuthenticationError,
    CacheWarning,
    ConnectionFailedError,
    ForbiddenError,
    InvalidRequestError,
    InvalidResponseError,
    NotFoundError,
    OfflineError,
    RateLimitError,
    RequestTooLargeError,
    ServerError,
    ServiceError,
    ServiceUnavailableError,
    StaleAnswerWarning,
    TruncatedResponseError,
    warn,
)
from pdneuro.transport import tls
from pdneuro.transport.rate import wait_turn
from pdneuro.transport.session import cache_key, without_secrets

#: Answers that may be better next time.
_TRANSIENT = frozenset({408, 429, 500, 502, 503, 504})
_ERRORS: Mapping[int, type[ServiceError]] = {
    400: InvalidRequestError,
    401: AuthenticationError,
    403: ForbiddenError,
    404: NotFoundError,
    413: RequestTooLargeError,
    414: RequestTooLargeError,
    431: RequestTooLargeError,
    422: InvalidRequestError,
    429: RateLimitError,
    502: ServiceUnavailableError,
    503: ServiceUnavailableError,
}
#: A server may ask for a longer pause than a person would wait; then it is an error.
_LONGEST_PAUSE = 120.0
_EXCERPT = 300


T = TypeVar("T")


class Stopped(Exception):  # noqa: N818 - no error, a way out
    """Another thread called the work off while this one was waiting to try again."""


class Outlet:
    """Sends the requests of one fetch over one session, each with the fetch's time-out and retries.

    Parameters
    ----------
    session : requests_cache.CachedSession
        From :func:`pdneuro.transport.session.shared_session`.
    headers : mapping
        Sent with each request; may hold tokens, which never reach an error message.
    timeout : float
        Seconds to wait for a connection, and between two bytes.
    retries : int
        Further tries after a failed connection, a broken-off body, 408, 429 or 5xx.
    per_second : float, optional
        Requests a second to a host at most, over all threads of the process.
    accepted : container of int
        Statuses that are answers, and no errors.
    """

    def __init__(
        self,
        session: requests_cache.CachedSession,
        *,
        headers: Mapping[str, str],
        timeout: float,
        retries: int,
        per_second: float | None = None,
        accepted: Container[int] = (200, 206),
    ) -> None:
        self.session = session
        self.headers = dict(headers)
        self.timeout = timeout
        self.retries = retries
        self.per_second = per_second
        self.accepted = accepted
        self.stop = threading.Event()
        self._environment: dict[str, Any] | None = None

    def get(self, url: str, params: Mapping[str, str]) -> requests.Response:
        """GET a document that changes with time; the answer is not kept by the response cache."""
        request = requests.Request(
            "GET", url, params=dict(params), headers={"Accept": "application/json"}
        )
        return self.send(request, keep=False)

    def ask_kept(
        self,
        request: requests.Request,
        check: Callable[[requests.Response], T],
        *,
        offline: bool = False,
        refresh: bool = False,
        expire_after: float | None = None,
    ) -> T:
        """Ask for a document through the response cache, and read it by ``check``.

        What ``check`` refuses by an error is not kept. An answer older than ``expire_after`` seconds
        is asked for again; where the service does not answer, it serves with a warning.

        Raises
        ------
        OfflineError
            ``offline`` and no answer is kept.
        ServiceError
            As for :meth:`send`.
        """
        prepared = self._prepared(request)
        key, address = cache_key(prepared), without_secrets(prepared.url or "")
        cache = self.session.cache
        kept = None
        if offline or not refresh:
            kept = _without_database_errors(lambda: cache.get_response(key))
        if kept is not None and (offline or expire_after is None or _age(kept) < expire_after):
            return check(kept)
        if offline:
            raise OfflineError(f"no answer is kept for {address}, and pdneuro is offline.")
        try:
            response = self.retrying(
                lambda: self.checked(self._send_once(prepared, keep=False)), address
            )
        except (ServerError, ServiceUnavailableError, ConnectionFailedError) as error:
            if kept is None:
                raise
            warn(
                f"{error.message} The answer of {kept.created_at:%Y-%m-%d %H:%M} UTC was used.",
                StaleAnswerWarning,
            )
            return check(kept)
        read = check(response)
        _without_database_errors(lambda: cache.save_response(response, key))
        return read

    def open_stream(self, url: str, headers: Mapping[str, str]) -> requests.Response:
        """GET a file whose body is read bit by bit; close the response in the end."""
        prepared = self._prepared(requests.Request("GET", url, headers=dict(headers)))
        return self.checked(self._send_once(prepared, keep=False, stream=True))

    def post_json(
        self, url: str, params: Mapping[str, str], body: bytes, *, retries: int | None = None
    ) -> requests.Response:
        """POST a JSON body as a question; the answer is not kept by the response cache."""
        request = requests.Request(
            "POST",
            url,
            params=dict(params),
            data=body,
            headers={"Content-Type": "application/json", "Accept": "application/json"},
        )
        return self.send(request, retries=retries, keep=False)

    def send(
        self, request: requests.Request, *, retries: int | None = None, keep: bool = True
    ) -> requests.Response:
        """Send, try again where that may help, and return the answer to a request that succeeded.

        ``keep`` lets the response cache answer, and keep the answer.

        Raises
        ------
        ServiceError
            One of its subclasses, by cause; see :mod:`pdneuro.errors`.
        """
        prepared = self._prepared(request)
        address = without_secrets(prepared.url or "")

        def attempt() -> requests.Response:
            return self.checked(self._send_once(prepared, keep))

        return self.retrying(attempt, address, retries)

    def _prepared(self, request: requests.Request) -> requests.PreparedRequest:
        request.headers = {**self.headers, **request.headers}
        # Without an auth object requests would put a ~/.netrc entry over the token.
        request.auth = request.auth or _leave_headers_alone
        return self.session.prepare_request(request)

    def checked(self, response: requests.Response) -> requests.Response:
        """The response if it succeeded, else its error is raised."""
        if response.status_code in self.accepted:
            return response
        raise self.failure(response)

    def failure(self, response: requests.Response) -> ServiceError:
        """The error that a response stands for."""
        failure = status_error(response, self._secrets())
        failure.pause = _asked_pause(response)
        return failure

    def retrying(self, attempt: Callable[[], T], address: str, retries: int | None = None) -> T:
        """Call ``attempt`` until it succeeds, with pauses in between, as long as that may help."""
        backoff = urllib3.Retry(total=None, backoff_factor=0.4, backoff_jitter=0.2)
        for remaining in range(self.retries if retries is None else retries, -1, -1):
            if self.stop.is_set():
                raise Stopped
            try:
                return attempt()
            except requests.RequestException as error:
                failure = _no_answer(error, address)
                if _hopeless(error):
                    raise failure from error
            except ServiceError as error:
                if error.status not in _TRANSIENT:
                    raise
                failure = error
            if failure.pause is not None and failure.pause > _LONGEST_PAUSE:
                failure.message += f" It asks to wait {failure.pause:,.0f} s before the next request."
                raise failure
            if not remaining:
                raise failure
            backoff = backoff.increment("POST", "/", error=urllib3.exceptions.HTTPError())
            wait = max(backoff.get_backoff_time(), 0.2) if failure.pause is None else failure.pause
            if self.stop.wait(wait):
                raise Stopped
        raise AssertionError("unreachable")

    def _send_once(
        self, prepared: requests.PreparedRequest, keep: bool, *, stream: bool = False
    ) -> requests.Response:
        if self._environment is None:  # proxies and certificates, looked up once
            self._environment = dict(
                self.session.merge_environment_settings(prepared.url, {}, None, None, None)
            )
        if self.per_second and not wait_turn(
            urlsplit(prepared.url or "").netloc, self.per_second, self.stop
        ):
            raise Stopped
        # The plain method of the parent class knows nothing of the cache.
        send = self.session.send if keep else partial(requests.Session.send, self.session)
        options = {**self._environment, "timeout": self.timeout, "stream": stream}
        response = send(prepared.copy(), allow_redirects=prepared.method == "GET", **options)
        if response.status_code in (307, 308):  # the redirects that keep a POST's body
            response = send(prepared.copy(), allow_redirects=True, **options)
        return response

    def not_documented(self, response: requests.Response, reason: str) -> InvalidResponseError:
        """Error for a body that is not what the service documents."""
        return InvalidResponseError(
            f"{reason} The body begins: {excerpt(response, self._secrets())!r}.",
            status=response.status_code,
            url=without_secrets(response.url),
        )

    def _secrets(self) -> list[str]:
        return [word for value in self.headers.values() for word in value.split()[1:] if len(word) > 3]


def _without_database_errors(action: Callable[[], T]) -> T | None:
    """Read or write the response cache; warn and return None if its file is damaged or incomplete."""
    try:
        return action()
    except sqlite3.Error as error:
        warn(
            f"The cache of responses cannot be used ({error}). Responses are returned but not cached. "
            "Delete responses.sqlite in the cache folder, or choose another folder with "
            "pdneuro.set_options(cache_dir=...).",
            CacheWarning,
        )
        return None


def _age(kept: Any) -> float:
    """Seconds since a kept answer came."""
    came = kept.created_at
    now = datetime.datetime.now(datetime.UTC)
    return float((now - came.replace(tzinfo=came.tzinfo or datetime.UTC)).total_seconds())


def _leave_headers_alone(request: requests.PreparedRequest) -> requests.PreparedRequest:
    return request


def _asked_pause(response: requests.Response) -> float | None:
    given = response.headers.get("Retry-After")
    if not given:
        return None
    try:
        return urllib3.Retry(retry_after_max=10**9).parse_retry_after(given)
    except (urllib3.exceptions.InvalidHeader, TypeError):
        return None


def _hopeless(error: requests.RequestException) -> bool:
    """Whether trying again cannot help: a wrong address, an untrusted certificate."""
    return isinstance(
        error,
        requests.exceptions.SSLError
        | requests.exceptions.InvalidURL
        | requests.exceptions.InvalidSchema
        | requests.exceptions.InvalidProxyURL,
    )


def _no_answer(error: requests.RequestException, address: str) -> ServiceError:
    cause: BaseException = error
    while cause.__cause__ or cause.__context__:
        cause = cause.__cause__ or cause.__context__  # type: ignore[assignment]
    if isinstance(
        error, requests.exceptions.ChunkedEncodingError | requests.exceptions.ContentDecodingError
    ):
        return TruncatedResponseError(f"the answer broke off or is damaged ({cause}).", url=address)
    if isinstance(error, requests.ReadTimeout):
        return ConnectionFailedError("no answer within the time-out.", url=address)
    if isinstance(error, requests.exceptions.SSLError):
        reason = tls.reason(error)
        if reason == tls.SHORT_KEY:
            return ConnectionFailedError(
                f"the server's Diffie-Hellman key is too short for this Python ({reason}), and "
                "switching the check of certificates off would not help.",
                url=address,
            )
        if reason and reason != "CERTIFICATE_VERIFY_FAILED":
            return ConnectionFailedError(f"no secure connection ({reason}: {cause}).", url=address)
        return ConnectionFailedError(
            f"the server's certificate is not trusted ({cause}). Point REQUESTS_CA_BUNDLE to your "
            "institution's certificates; pdneuro does not switch the check off.",
            url=address,
        )
    return ConnectionFailedError(f"no connection ({type(cause).__name__}: {cause}).", url=address)


def status_error(response: requests.Response, secrets: Iterable[str] = ()) -> ServiceError:
    """The error that belongs to an HTTP status, with the service's own message."""
    status = response.status_code
    kind = _ERRORS.get(status) or (ServerError if status >= 500 else ServiceError)
    message, positions, about_address = _detail(response, secrets)
    if about_address and status == 422:  # the project or the property, not the IDs
        kind = NotFoundError
    location = response.headers.get("Location")
    if 300 <= status < 400 and location:
        message = f"redirected to {without_secrets(location)}; correct the address in the options"
        kind = InvalidResponseError
    said = f": {message}" if message else ""
    return kind(
        f"the service answered {status} {response.reason or ''}".rstrip() + f"{said}.",
        status=status,
        url=without_secrets(response.url),
        positions=positions,
    )


def _detail(response: requests.Response, secrets: Iterable[str]) -> tuple[str, list[int], bool]:
    """The service's message; the positions in a list, and whether it is the address, that it names."""
    try:
        body = msgspec.json.decode(response.content)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return excerpt(response, secrets), [], False
    detail = body
    if isinstance(body, dict):
        names = ("detail", "message", "msg", "error")
        detail = next((body[name] for name in names if body.get(name)), body)
    said: list[str] = []
    positions: list[int] = []
    about_address = False
    for entry in detail if isinstance(detail, list) else [detail]:
        if not isinstance(entry, dict):  # FastAPI gives text, or a list of dicts with a location
            said.append(str(entry))
            continue
        place = entry["loc"] if isinstance(entry.get("loc"), list) else []
        positions += [part for part in place[-1:] if type(part) is int]
        about_address |= place[:1] in (["path"], ["query"])
        text = str(entry.get("msg") or entry.get("message") or entry)
        said.append(f"{'.'.join(map(str, place))}: {text}" if place else text)
    return _clipped("; ".join(said[:5]), secrets), positions, about_address


def excerpt(response: requests.Response, secrets: Iterable[str] = ()) -> str:
    """The first words of a body, on one line, without the tokens that were sent."""
    return _clipped(response.content[: 4 * _EXCERPT].decode("utf-8", "replace"), secrets)


def _clipped(text: str, secrets: Iterable[str]) -> str:
    for secret in secrets:
        text = text.replace(secret, "***")
    text = " ".join(text.split())
    return text if len(text) <= _EXCERPT else text[:_EXCERPT] + "..."
