"""Send requests to neuPrint: the token of the server, batches of bodies, documents of a data set."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, TypeVar

import requests

from pdneuro.errors import (
    NotFoundError,
    QueryRefusedError,
    QueryTimeoutError,
    ServiceError,
    ServiceUnavailableError,
    UnknownDatasetError,
    did_you_mean,
    listing,
)
from pdneuro.neuprint import parse, payload
from pdneuro.options import Fetch, get_option
from pdneuro.transport import tokens
from pdneuro.transport.fetch import BatchQuery, Check
from pdneuro.transport.http import Client, Request
from pdneuro.transport.report import Batch, ShapeError
from pdneuro.transport.responses import is_html, parse_json, without_secrets
from pdneuro.transport.store import Scope

#: Messages of a query that did not finish: of the server, of Neo4j, and if its memory is full.
_UNFINISHED = re.compile(r"^Timeout experienced|TransactionTimedOut|Transaction\.Terminated|OutOfMemory")
#: Messages of the route of skeletons that do not mean that a body has none: of its store, of a server
#: without skeletons, of the database, and of a data set that does not exist.
_NOT_ABOUT_A_BODY = re.compile(
    r"request failed|error reading|does not support|no data of type|not properly|should be an integer"
    r"|Neo4jError|not available in stores|connection|timed? ?out|deadline|unavailable|internal",
    re.I,
)
#: The message for a route that the server does not have.
_NO_ROUTE = "Not Found"
T = TypeVar("T")
_HINT = "They may be of another data set or version, or no body IDs."


class _NoSkeletonError(ServiceError):
    """The server has no skeleton of a body."""


class NeuPrintClient(Client):
    """A client whose errors say what a status of neuPrint means."""

    def error_from(self, response: requests.Response) -> ServiceError:
        """Return the error for a response: a query that did not finish, the token, or the terms."""
        error, server = super().error_from(response), self._server
        message = _message_of(response)
        if response.status_code == 504 or (response.status_code == 400 and _UNFINISHED.search(message)):
            return _as(QueryTimeoutError, error)
        if payload.SKELETONS in (response.url or "") and response.status_code in (400, 404):
            return _error_of_skeleton(error, message, is_page=is_html(response.content))
        if response.status_code == 400:
            return _as(QueryRefusedError, error, advice=(
                "neuPrint cannot run this query. Check a regular expression or the name of a property, "
                "if you passed one."
            ))  # fmt: skip
        if response.status_code == 401 and self.headers:
            error.message += (
                f" The token for {server} is not valid. neuPrint rejects all tokens from before August "
                f"2026. Get a new one at {server}/account."
            )
            error.advice = f"Save it: pdneuro.tokens.save({self._service!r}, token)."
        elif response.status_code == 401:
            error.message += f" {server} needs a token for this data set. Get one at {server}/account."
            error.advice = f"Save it: pdneuro.tokens.save({self._service!r}, token)."
        elif response.status_code == 403:
            error.advice = _advice_on_access(response, server)
        return error

    def _connection_error(self, error: Exception, url: str) -> ServiceError:
        failure = super()._connection_error(error, url)
        return _as(QueryTimeoutError, failure) if isinstance(error, requests.ReadTimeout) else failure

    @property
    def _server(self) -> str:
        return without_secrets(get_option("neuprint_url"))

    @property
    def _service(self) -> str:
        return "neuprint" if tokens.is_default_neuprint() else self._server


def _as(kind: type[ServiceError], error: ServiceError, advice: str | None = None) -> ServiceError:
    """Return an error as one of another kind."""
    found = kind(error.message, status=error.status, url=error.url)
    if advice is not None:
        found.advice = advice
    return found


def _error_of_skeleton(error: ServiceError, message: str, *, is_page: bool) -> ServiceError:
    """Return the error for a 400 or 404: the body has no skeleton, or the server cannot look for it."""
    about_body = not is_page and message != _NO_ROUTE and not _NOT_ABOUT_A_BODY.search(message)
    if about_body and (message or error.status == 404):
        return _as(_NoSkeletonError, error)
    if error.status == 404 or not message:
        return error
    if "no data of type" in message:
        return _as(QueryRefusedError, error, advice="This server has no skeletons.")
    return _as(ServiceUnavailableError, error)


def _message_of(response: requests.Response) -> str:
    """Return the message of neuPrint, under ``error`` or ``message``."""
    try:
        found = parse_json(response.content)
    except ShapeError:
        return ""
    return str(found.get("error") or found.get("message") or "") if isinstance(found, dict) else ""


def _advice_on_access(response: requests.Response, server: str) -> str:
    try:
        found = parse_json(response.content)
    except ShapeError:
        found = None
    if isinstance(found, dict) and found.get("tos_required"):
        page = without_secrets(str(found.get("tos_url") or server))
        return f"Accept the terms of the data set in the browser: {page}. Then run the same call again."
    return f"Ask the owners of the data set for access, or check your account: {server}/account."


def client(fetch: Fetch, *, anonymous: bool = False) -> NeuPrintClient:
    """Return a client for the server of the option ``neuprint_url``, with its token if there is one."""
    address: str = get_option("neuprint_url")
    # An empty or wrong token is rejected also for public data, so there is no header without a token.
    token = None if anonymous else tokens.get("neuprint")
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    return NeuPrintClient(address, fetch, headers=headers)


# -- documents -------------------------------------------------------------------------------------


def dataset(name: str, fetch: Fetch) -> str:
    """Return the full name of a data set: the name if it has a version, else that of the server's list.

    Raises
    ------
    UnknownDatasetError
        The server has no data set of this name.
    """
    if ":" in name:
        return name
    known = datasets(fetch)
    full = payload.latest(name, known)
    if full is None:
        raise _unknown(name, known)
    return full


def datasets(fetch: Fetch) -> list[str]:
    """Return the names of the server's data sets."""
    request = payload.datasets(get_option("neuprint_url"))
    return client(fetch, anonymous=True).get_cached(
        request, lambda response: parse.datasets(response.content)
    )


def _unknown(name: str, known: Sequence[str]) -> UnknownDatasetError:
    return UnknownDatasetError(
        f"the neuPrint server has no data set {name!r}.{did_you_mean(name, known)} It has "
        f"{listing(sorted(known), 20)}.",
        status=404,
        url=without_secrets(get_option("neuprint_url")),
    )


def document(name: str, query: str, fetch: Fetch, read: Callable[[list[Any]], T]) -> T:
    """Return what ``read`` makes of the first column of a query about a data set.

    The response is cached.
    """
    request = payload.cypher(get_option("neuprint_url"), name, query)
    try:
        return client(fetch).get_cached(request, lambda response: read(parse.column(response.content)))
    except NotFoundError as error:
        raise _with_datasets(name, error, fetch) from None


def table(name: str, query: str, fetch: Fetch) -> dict[str, list[Any]]:
    """Return the columns of a query, from the cache or from the server."""
    request = payload.cypher(get_option("neuprint_url"), name, query)
    try:
        return client(fetch).get_cached(request, lambda response: parse.table(response.content))
    except NotFoundError as error:
        raise _with_datasets(name, error, fetch) from None


def _with_datasets(name: str, error: NotFoundError, fetch: Fetch) -> UnknownDatasetError:
    """Return the error for a data set that the server does not have, with those that it has."""
    try:
        return _unknown(name, datasets(fetch))
    except ServiceError:
        return _as_unknown(error)


def _as_unknown(error: NotFoundError) -> UnknownDatasetError:
    return UnknownDatasetError(error.message, status=error.status, url=error.url)


# -- values by body --------------------------------------------------------------------------------


def by_id(
    name: str,
    query: Callable[[Sequence[int]], str],
    read: Callable[[bytes, Sequence[int]], Batch],
    check: Check,
    full: str,
    source: str,
    fetch: Fetch,
) -> BatchQuery:
    """Return the query for one value per body, for :func:`pdneuro.transport.fetch.fetch_by_id`.

    Parameters
    ----------
    name : str
        Name under which the values are cached.
    query, read : callable
        The Cypher for some IDs; the values of a body of a response and the IDs.
    check : callable
        Raises ShapeError if a value cannot be read.
    full : str
        The data set.
    source : str
    fetch : Fetch
    """
    address: str = get_option("neuprint_url")
    service = client(fetch)

    def send(ids: Sequence[int], retries: int) -> Batch:
        request: Request = payload.cypher(address, full, query(ids))
        try:
            return service.read(request, lambda response: read(response.content, ids), retries=retries)
        except NotFoundError as error:
            raise _with_datasets(full, error, fetch) from None

    token = service.headers.get("Authorization")
    scope = Scope(address, tokens.fingerprint(token), full, name)
    return BatchQuery(scope, source, send, service.cancel, check, hint=_HINT)


def by_property(name: str, full: str, source: str, fetch: Fetch) -> BatchQuery:
    """Return the query for a property."""
    query, check = partial(payload.of_bodies, name=name), partial(parse.check, name=name)
    return by_id(name, query, parse.property_batch, check, full, source, fetch)


def by_skeleton(full: str, source: str, fetch: Fetch) -> BatchQuery:
    """Return the query for skeletons, one body per request."""
    address: str = get_option("neuprint_url")
    service = client(fetch)

    def send(ids: Sequence[int], retries: int) -> Batch:
        (body,) = ids
        request = payload.skeleton(address, full, body)
        known = payload.cypher(address, full, payload.of_bodies(ids, "bodyId"))
        try:
            return service.read(
                request, lambda response: parse.skeleton_batch(response.content, body), retries=retries
            )
        except _NoSkeletonError:  # also for a body that the data set does not have
            return service.read(
                known, lambda response: parse.absent_skeletons(response.content, ids), retries=retries
            )

    scope = Scope(address, tokens.fingerprint(service.headers.get("Authorization")), full, "skeleton")
    return BatchQuery(scope, source, send, service.cancel, parse.check_skeletons, hint=_HINT)


def by_partners(
    full: str, source: str, fetch: Fetch, *, upstream: bool, fragments: bool, regions: bool
) -> BatchQuery:
    """Return the query for the partners on one side."""
    options: dict[str, Any] = {"upstream": upstream, "fragments": fragments, "regions": regions}
    name = f"partners {'upstream' if upstream else 'downstream'}"
    name += ("" if fragments else " without fragments") + (" by region" if regions else "")
    return by_id(
        name,
        partial(payload.partners, **options),
        partial(parse.partners_batch, **options),
        parse.check_regions if regions else parse.check,
        full,
        source,
        fetch,
    )


def limited(fetch: Fetch) -> Fetch:
    """Return the options of a call with the batch size and the number of requests for neuPrint."""
    size = fetch.batch_size if fetch.has_batch_size else payload.BATCH
    return fetch._replace(batch_size=size, max_workers=min(fetch.max_workers, payload.REQUESTS))
