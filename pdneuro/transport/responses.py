"""Turn failed and invalid responses into errors by cause, without secrets."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode, urlsplit, urlunsplit

import msgspec
import requests
import urllib3

from pdneuro.errors import (
    AuthenticationError,
    ConnectionFailedError,
    ForbiddenError,
    InvalidRequestError,
    InvalidResponseError,
    NotFoundError,
    RateLimitError,
    RequestTooLargeError,
    ServerError,
    ServiceError,
    ServiceUnavailableError,
    TruncatedResponseError,
)
from pdneuro.transport import tls
from pdneuro.transport.report import ShapeError
from pdneuro.transport.timing import TooSlowError

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
#: Maximum number of characters of a body in a message.
_EXCERPT = 300
#: A shorter part of an encoded token may be another word.
_SHORTEST = 4
#: Maximum depth of JSON: Python's own functions fail on values that are nested much deeper.
_MAX_DEPTH = 100
_SECRET_PARAMETER = re.compile(r"token|auth|key|secret|pass|pwd|sig|cred|session|bearer|jwt", re.I)


def is_html(body: bytes, content_type: str = "") -> bool:
    """Return whether a body is an HTML page, such as a sign-in page in place of data.

    >>> is_html(b"<!DOCTYPE html><html>"), is_html(b"<svg>")
    (True, False)
    """
    start = body.removeprefix(b"\xef\xbb\xbf").lstrip()[:15].lower()
    return "html" in content_type or start.startswith((b"<!doctype html", b"<html"))


def parse_json(body: bytes) -> Any:
    """Return the value of a JSON document.

    Raises
    ------
    ShapeError
        The body is not JSON, its text is not UTF-8, or it is nested too deep.
    """
    try:
        value = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        kind = "an HTML page" if is_html(body) else f"not valid JSON ({error})"
        raise ShapeError(f"the response is {kind}.") from None
    if body.count(b"[") + body.count(b"{") <= _MAX_DEPTH:  # each level has a bracket
        return value
    level = [value] if isinstance(value, dict | list) else []
    for _ in range(_MAX_DEPTH + 1):
        if not level:
            return value
        # Without a call for each item: a response has many.
        level = [
            item
            for parent in level
            for item in (parent.values() if type(parent) is dict else parent)
            if isinstance(item, dict | list)
        ]
    raise ShapeError(f"the response is JSON with more than {_MAX_DEPTH} levels.")


def without_secrets(url: str) -> str:
    """Return a URL without user name and password, and with ``***`` for parameters that may be secret.

    >>> without_secrets("https://me:pw@host/path?project=a&api_key=123")
    'https://host/path?project=a&api_key=***'
    """
    try:
        parts = urlsplit(url)
    except ValueError:
        return "an address that is not valid"
    query = [
        (name, "***" if _SECRET_PARAMETER.search(name) else value)
        for name, value in parse_qsl(parts.query, keep_blank_values=True)
    ]
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit(parts._replace(netloc=host, query=urlencode(query, safe="*,:/"), fragment=""))


def masked(text: str, secrets: Iterable[str]) -> str:
    """Return a text with ``***`` for tokens: as they are, percent-encoded or in base64.

    >>> masked("Bearer abcdef is not valid (Basic QmVhcmVyIGFiY2RlZg==)", ["abcdef"])
    'Bearer *** is not valid (Basic QmVhcmVyIG***g==)'
    """
    for secret in secrets:
        for form in _forms(secret):
            text = text.replace(form, "***")
    return text


def _forms(secret: str) -> Iterator[str]:
    """Return the texts in which a server may repeat a token."""
    yield secret
    yield quote(secret, safe="")
    content = secret.encode()
    # In base64 each three bytes are four characters, so the text depends on the position of the token.
    for before in range(3):
        coded = base64.b64encode(bytes(before) + content).decode()
        # Characters that also depend on the bytes before and after the token are left out.
        inner = coded[-(-8 * before // 6) : 8 * (before + len(content)) // 6]
        if len(inner) > _SHORTEST:
            yield inner
            yield inner.replace("+", "-").replace("/", "_")


def error_from(response: requests.Response, secrets: Iterable[str] = ()) -> ServiceError:
    """Return the error for a response, by its status and with the message of the service."""
    status = response.status_code
    kind = _ERRORS.get(status) or (ServerError if status >= 500 else ServiceError)
    message, positions, wrong_address = _message_of(response, secrets)
    if wrong_address and status == 422:  # the project or the property, not the IDs
        kind = NotFoundError
    location = response.headers.get("Location")
    if 300 <= status < 400 and location:
        target = masked(without_secrets(location), secrets)
        message = f"redirected to {target}; correct the address in the options"
        kind = InvalidResponseError
    reason = f" {_shortened(str(response.reason), secrets)}" if response.reason else ""
    error = kind(
        f"the service returned {status}{reason}" + (f": {message}." if message else "."),
        status=status,
        url=masked(without_secrets(response.url), secrets),
        positions=positions,
    )
    error.pause = retry_after(response)
    return error


def _message_of(response: requests.Response, secrets: Iterable[str]) -> tuple[str, list[int], bool]:
    """Return the message in a body, the positions of invalid IDs, and whether the address is wrong."""
    try:
        body = parse_json(response.content)
    except ShapeError:
        return excerpt(response, secrets), [], False
    detail = body
    if isinstance(body, dict):
        names = ("detail", "message", "msg", "error")
        detail = next((body[name] for name in names if body.get(name)), body)
    messages: list[str] = []
    positions: list[int] = []
    wrong_address = False
    for entry in detail if isinstance(detail, list) else [detail]:
        if not isinstance(entry, dict):  # FastAPI sends text, or a list of dicts with a location
            messages.append(str(entry))
            continue
        location = entry["loc"] if isinstance(entry.get("loc"), list) else []
        positions += [part for part in location[-1:] if type(part) is int]
        wrong_address |= location[:1] in (["path"], ["query"])
        text = str(entry.get("msg") or entry.get("message") or entry)
        messages.append(f"{'.'.join(map(str, location))}: {text}" if location else text)
    return _shortened("; ".join(messages[:5]), secrets), positions, wrong_address


def invalid_response(
    response: requests.Response, reason: str, secrets: Iterable[str] = ()
) -> InvalidResponseError:
    """Return the error for a body that is not what the service documents."""
    return InvalidResponseError(
        f"{masked(reason, secrets)} The body begins: {excerpt(response, secrets)!r}.",
        status=response.status_code,
        url=masked(without_secrets(response.url), secrets),
    )


def excerpt(response: requests.Response, secrets: Iterable[str] = ()) -> str:
    """Return the first words of a body on one line, without the tokens that were sent."""
    return _shortened(response.content[: 20 * _EXCERPT].decode("utf-8", "replace"), secrets)


def _shortened(text: str, secrets: Iterable[str]) -> str:
    # A token at the end of the part that was read may be incomplete, so only the start is returned.
    text = " ".join(masked(text, secrets)[: 4 * _EXCERPT].split())
    return text if len(text) <= _EXCERPT else text[:_EXCERPT] + "..."


def retry_after(response: requests.Response) -> float | None:
    """Return the seconds that a server asks to wait, by its header ``Retry-After``."""
    value = response.headers.get("Retry-After")
    if not value:
        return None
    try:
        return urllib3.Retry(retry_after_max=10**9).parse_retry_after(value)
    except (urllib3.exceptions.InvalidHeader, TypeError, ValueError, OverflowError):
        return None


def is_permanent(error: requests.RequestException) -> bool:
    """Return whether a retry cannot help: wrong address, untrusted certificate, or a slow response."""
    if isinstance(error, requests.exceptions.SSLError):
        return not tls.is_broken_off(error)
    wrong_address = (
        requests.exceptions.InvalidURL
        | requests.exceptions.InvalidSchema
        | requests.exceptions.InvalidProxyURL
    )
    return isinstance(error, wrong_address) or _too_slow(error) is not None


def _too_slow(error: BaseException) -> TooSlowError | None:
    return next((cause for cause in tls.causes(error) if isinstance(cause, TooSlowError)), None)


def connection_error(error: Exception, url: str, secrets: Iterable[str] = ()) -> ServiceError:
    """Return the error for a request that could not be sent, or whose response is not valid HTTP."""
    failure = _connection_error(error, url)
    failure.message = masked(failure.message, secrets)
    return failure


def _connection_error(error: Exception, url: str) -> ServiceError:
    cause: BaseException = error
    while cause.__cause__ or cause.__context__:
        cause = cause.__cause__ or cause.__context__  # type: ignore[assignment]
    too_slow = _too_slow(error)
    if too_slow is not None:
        return ConnectionFailedError(f"{too_slow}", url=url)
    if not isinstance(error, OSError):  # all errors of requests are OSErrors
        return InvalidResponseError(
            f"the request or its response is not valid HTTP ({type(cause).__name__}: {cause}).", url=url
        )
    if isinstance(
        error, requests.exceptions.ChunkedEncodingError | requests.exceptions.ContentDecodingError
    ):
        return TruncatedResponseError(f"the response was truncated or is damaged ({cause}).", url=url)
    if isinstance(error, requests.ReadTimeout):
        return ConnectionFailedError("no response within the timeout.", url=url)
    if isinstance(error, requests.exceptions.SSLError):
        return ConnectionFailedError(_tls_message(error, cause), url=url)
    if not isinstance(error, requests.RequestException):  # such as a missing file of certificates
        return ConnectionFailedError(
            f"no connection ({cause}). Check the file that REQUESTS_CA_BUNDLE names.", url=url
        )
    return ConnectionFailedError(f"no connection ({type(cause).__name__}: {cause}).", url=url)


def _tls_message(error: requests.exceptions.SSLError, cause: BaseException) -> str:
    reason = tls.reason(error)
    if reason == tls.SHORT_KEY:
        return (
            f"the server's Diffie-Hellman key is too short for this Python ({reason}), and "
            "switching the check of certificates off would not help."
        )
    if reason and reason != "CERTIFICATE_VERIFY_FAILED":
        return f"no secure connection ({reason}: {cause})."
    return (
        f"the server's certificate is not trusted ({cause}). Point REQUESTS_CA_BUNDLE to your "
        "institution's certificates; pdneuro does not switch the check off."
    )
