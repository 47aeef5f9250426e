"""Send requests to NeuroMorpho.org: documents, pages, records by neuron, files."""

from __future__ import annotations

import hashlib
import time
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, TypeVar

import requests

from pdneuro.errors import (
    IncompleteTableWarning,
    InvalidRequestError,
    InvalidResponseError,
    RequestTooLargeError,
    ServiceError,
    ServiceUnavailableError,
    TruncatedResponseError,
    warn,
)
from pdneuro.neuromorpho import field_types, parse, payload
from pdneuro.options import Fetch, get_option
from pdneuro.transport import progress
from pdneuro.transport.fetch import BatchQuery
from pdneuro.transport.http import Client, Request, run_parallel
from pdneuro.transport.report import FIRST_ENCODING, UNKNOWN_ENCODING, Batch, ShapeError
from pdneuro.transport.store import Scope

SOURCE = "neuromorpho"
JSON_ENCODING, LIST_ENCODING, FILE_ENCODING = range(FIRST_ENCODING, FIRST_ENCODING + 3)
#: Status codes that do not raise: a 404 means "no such record" if its body says so.
_ACCEPTED = (200, 206, 404)
#: Status codes of a POST that mean that the service supports GET alone.
_NO_POST = (400, 403, 404, 405, 415, 501)
#: Number of seconds for which a database that contained data is not checked again.
_FILLED_FOR = 5.0
#: Resources with records by neuron, and possible names of the ID in their queries.
_ID_NAMES = {
    "neuron": (field_types.ID,),
    "morphometry": ("Neuron_id", field_types.ID),
    "pvec": (field_types.ID,),
}
#: What an unknown ID may mean.
_HINTS = {
    "neuron": "They may be withdrawn or mistyped.",
    "morphometry": "It has no measurements of them.",
    "pvec": "It has no persistence vector of them.",
}

T = TypeVar("T")


def address() -> str:
    """Return the address of the service."""
    return str(get_option("neuromorpho_url"))


def files_address() -> str:
    """Return the address of the files."""
    return str(get_option("neuromorpho_files_url"))


def client(fetch: Fetch, url: str | None = None) -> Client:
    """Return a client for the service, or for its files."""
    return Client(
        url or address(),
        fetch,
        per_second=get_option("neuromorpho_rate"),
        accepted=_ACCEPTED,
        short_keys=get_option("tls_fallback"),
    )


def document(request: Request, parser: Callable[[bytes], T], fetch: Fetch) -> T:
    """Return a document, from the cache or from the service."""
    service = client(fetch)
    return service.get_cached(request, partial(_parsed, service, parser))


def _parsed(service: Client, parser: Callable[[bytes], T], response: requests.Response) -> T:
    if response.status_code == 404:
        raise service.error_from(response)
    return parser(response.content)


def _page(service: Client, response: requests.Response) -> parse.Page:
    """Return a page of records; a selection without hits is a 404."""
    if response.status_code == 404 and parse.is_not_found(response.content):
        return parse.Page([], 0, 0, 0)
    return _parsed(service, parse.page, response)


def _check_filled(service: Client, response: requests.Response | None = None) -> None:
    """Raise an error if the service is up while its database is empty.

    Raises
    ------
    ServiceUnavailableError
        The database does not contain any species.
    """
    recent = time.monotonic() - service.server.filled_at < _FILLED_FOR
    if recent or getattr(response, "from_cache", False):
        return
    if not _count_neurons(service):
        raise ServiceUnavailableError(
            "the service responds, but its database is empty at the moment.",
            status=200,
            url=species_url(address()),
        )
    service.server.filled_at = time.monotonic()


def _count_neurons(service: Client) -> int:
    """Return the number of neurons in the database, by its counts of species."""

    def read(response: requests.Response) -> int:
        if response.status_code == 404 and parse.is_not_found(response.content):
            return 0
        return _parsed(service, parse.count, response)

    return service.read(payload.get(species_url(address())), read)


def species_url(where: str) -> str:
    """Return the address of the counts by species."""
    return payload.url(where, "neuron", "partition", "species")


def health(fetch: Fetch) -> dict[str, Any]:
    """Return the service's own status, and whether its database contains data. Never from the cache."""
    service = client(fetch)

    def parse_status(response: requests.Response) -> Any:
        return "" if response.status_code == 404 else parse.mapping(response.content).get("status")

    try:
        status = service.read(payload.get(payload.url(address(), "health")), parse_status)
        neurons = _count_neurons(service)
    except ServiceError as error:
        return {"status": "down", "said": "", "neurons": 0, "detail": str(error)}
    return {
        "status": "up" if neurons else "empty",
        "said": str(status or ""),
        "neurons": neurons,
        "detail": "" if neurons else "the database is empty",
    }


# -- pages ----------------------------------------------------------------------------------------


def select(
    resource: str, wanted: payload.Filters, sort: str | None, fetch: Fetch, limit: int | None = None
) -> list[dict[str, Any]]:
    """Return all records that fit, or the first ones, each once; warn if some are missing."""
    known: dict[Any, dict[str, Any]] = {}
    # Pages that shifted between two requests are downloaded again.
    services = [client(fetch), client(fetch._replace(refresh=True))]
    total, before = None, None
    with progress.bar(None, "NeuroMorpho.org", "records", fetch.progress) as bar:
        for service in services:
            for page in _pages(partial(_selected, service, resource, wanted, sort), fetch, limit):
                total = bar.total = page.total if total is None else total
                if limit is not None:
                    total = bar.total = limit if total is None else min(total, limit)
                for body in page.records:
                    record = parse.decoded(body)
                    known.setdefault(record.get(field_types.ID, body), record)
                bar.update(len(known) - bar.n)
                if page.records in ([], before) or (total is not None and len(known) >= total):
                    break  # whatever number of pages is announced
                before = page.records
            if total is None or len(known) >= total:
                return list(known.values())[:limit]
    warn(
        f"NeuroMorpho.org announced {total:,} records and {len(known):,} came.",
        IncompleteTableWarning,
    )
    return list(known.values())[:limit]


def _pages(
    get_page: Callable[[int], parse.Page], fetch: Fetch, limit: int | None
) -> Iterator[parse.Page]:
    first = get_page(0)
    yield first
    if first.pages is not None:
        enough = first.pages if limit is None else -(-limit // max(len(first.records), 1))
        # Not all at once: a wrong number of pages must not queue a billion requests.
        step = 8 * fetch.max_workers
        last = min(first.pages, enough)
        for start in range(1, last, step):
            numbers = range(start, min(start + step, last))
            yield from run_parallel(get_page, numbers, fetch.max_workers)
        return
    number = 1  # the number of pages is not announced: until a page is empty
    while first.records and (page := get_page(number)).records:
        yield page
        number += 1


def _selected(
    service: Client, resource: str, wanted: payload.Filters, sort: str | None, number: int
) -> parse.Page:
    """Return one page of a selection."""

    def read(response: requests.Response) -> parse.Page:
        page = _page(service, response)
        parse.check_matches(page.records, wanted)
        if resource == "neuron":
            parse.by_neuron_id(page)
        if not page.records:
            _check_filled(service, response)  # a page is cached only if this does not raise
        return page

    server = service.server
    by_post = wanted and server.accepts_post and not payload.has_wildcard(wanted)
    # The documentation knows GET alone; those who use POST need no quotes.
    methods = (True, False) if by_post else (False,)
    orders = (sort, None) if sort and server.accepts_sort else (None,)
    attempts = [(method, order) for method in methods for order in orders]
    for place, (method, order) in enumerate(attempts):
        try:
            request = _selection(address(), resource, wanted, number, order, by_post=method)
            page = service.get_cached(request, read)
        except ServiceError as error:
            is_last = place + 1 == len(attempts)
            if is_last or error.status not in (_NO_POST if by_post else (400,)):
                raise
        else:
            server.accepts_post = server.accepts_post and (method or not by_post)
            server.accepts_sort = server.accepts_sort and (order == sort)
            return page
    raise AssertionError("unreachable")


def _selection(
    where: str, resource: str, wanted: payload.Filters, page: int, sort: str | None, *, by_post: bool
) -> Request:
    if not wanted:
        return payload.get(payload.url(where, resource, params=payload.paging(page, sort)))
    write = payload.select_post if by_post else payload.select_get
    return write(where, resource, wanted, page, sort)


def values(resource: str, kind: str, name: str, key: str, fetch: Fetch) -> list[Any]:
    """Return the values of a field (``kind="fields"``), or values and counts (``"partition"``)."""
    found: list[Any] = []
    number, pages = 0, 1
    service = client(fetch)

    def read(response: requests.Response) -> tuple[list[Any], int]:
        page = _parsed(service, partial(parse.values, key=key), response)
        if not page[0]:
            _check_filled(service, response)
        return page

    while number < pages:
        url = payload.url(address(), resource, kind, name, params=payload.paging(number, None))
        entries, pages = service.get_cached(payload.get(url), read)
        if set(entries) <= set(found):  # whatever number of pages is announced
            break
        found, number = found + entries, number + 1
    return list(dict.fromkeys(found))


# -- records by neuron ----------------------------------------------------------------------------


def by_id(resource: str, fetch: Fetch) -> BatchQuery:
    """Return the query for records by ``neuron_id``."""
    service = client(fetch)

    def send(ids: Sequence[int], retries: int) -> Batch:
        found = _records_by_id(service, resource, ids, retries)
        if not found:
            return _unknown(service, ids)
        return Batch(list(found), [JSON_ENCODING] * len(found), list(found.values()), None)

    scope = Scope(address(), "", SOURCE, resource)
    return BatchQuery(scope, SOURCE, send, service.cancel, parse.check, hint=_HINTS[resource])


def _unknown(service: Client, ids: Sequence[int]) -> Batch:
    """Return IDs as unknown, which the service reports by a 404, if its database contains data."""
    _check_filled(service)
    return Batch(list(ids), [UNKNOWN_ENCODING] * len(ids), [None] * len(ids), None)


def _records_by_id(service: Client, resource: str, ids: Sequence[int], retries: int) -> dict[int, bytes]:
    if len(ids) == 1:
        request = payload.get(payload.url(address(), resource, "id", ids[0]))
        return _with_ids(service, request, retries)[0]
    known = service.server.id_names.get(resource)
    names = (known,) if known else _ID_NAMES[resource]
    for name in names:
        try:
            found = _records_of_several(service, resource, name, ids, retries)
        except InvalidRequestError:
            if name == names[-1]:
                raise
            continue
        except ServiceError as error:
            # A shorter request may succeed, whatever the reason.
            if error.status in (401, 404, 408, 429) or not 400 <= (error.status or 0) < 500:
                raise
            raise RequestTooLargeError(error.message, status=error.status, url=error.url) from error
        if found:
            service.server.id_names[resource] = name
            return found
    return {}


def _records_of_several(
    service: Client, resource: str, name: str, ids: Sequence[int], retries: int
) -> dict[int, bytes]:
    """Return the records of all pages; raise an error if fewer came than the service announces."""
    for sort in (None, field_types.ID):  # several pages need an order
        found: dict[int, bytes] = {}
        total, number, pages = 0, 0, 1
        while number < pages:
            request = payload.by_ids(address(), resource, name, ids, number, sort)
            records, page = _with_ids(service, request, retries)
            total, pages = page.total or 0, page.pages or 0
            if total > len(ids):
                raise InvalidResponseError(
                    f"the service announces {total:,} records of {len(ids):,} IDs.", url=request.url
                )
            if not records:
                break
            found, number = found | records, number + 1
        if len(found) >= total:
            return found
    raise TruncatedResponseError(
        f"{total:,} records were announced and {len(found):,} came.", status=200, url=request.url
    )


def _with_ids(service: Client, request: Request, retries: int) -> tuple[dict[int, bytes], parse.Page]:
    """Return the records of a page by ID, and the page."""

    def read(response: requests.Response) -> tuple[dict[int, bytes], parse.Page]:
        page = _page(service, response)
        return parse.by_neuron_id(page), page

    return service.read(request, read, retries=retries)


def key_of_name(name: str) -> int:
    """Return the number under which the records of a name are cached."""
    digest = hashlib.blake2b(name.encode(), digest_size=8, person=b"neuron_name").digest()
    return int.from_bytes(digest, "big") >> 1 or 1


def by_name(names: Mapping[int, str], fetch: Fetch) -> BatchQuery:
    """Return the query for neurons by name; ``names`` by :func:`key_of_name`.

    A payload is the list of all records of a name.
    """
    service = client(fetch)

    def send(keys: Sequence[int], retries: int) -> Batch:
        wanted = {names[key]: key for key in keys}
        records = _records_by_name(service, list(wanted), retries)
        try:
            found = parse.by_name(records, wanted)
        except ShapeError as error:
            raise InvalidResponseError(str(error), url=address()) from error
        if not found:
            return _unknown(service, keys)
        return Batch(list(found), [LIST_ENCODING] * len(found), list(found.values()), None)

    scope = Scope(address(), "", SOURCE, "neuron by name")
    hint = "Upper and lower case differ in names; names of files are not names of neurons."
    return BatchQuery(scope, SOURCE, send, service.cancel, parse.check, names, hint)


def _records_by_name(service: Client, names: list[str], retries: int) -> list[bytes]:
    plain = [name for name in names if not payload.needs_care(name)]
    if len(names) == 1 and plain:
        return _records_of_name(service, names[0], retries)
    if service.server.accepts_post:
        try:
            return _select_names(service, names, retries, payload.select_post)
        except ServiceError as error:
            if error.status not in _NO_POST:
                raise
            if error.status != 400:
                service.server.accepts_post = False
    found = _select_names(service, plain, retries, payload.select_get) if plain else []
    for name in names:
        if payload.needs_care(name):
            found += _records_of_name(service, name, retries)
    return found


def _records_of_name(service: Client, name: str, retries: int) -> list[bytes]:
    request = payload.get(payload.url(address(), "neuron", "name", name))
    return service.read(request, partial(_page, service), retries=retries).records


def _select_names(
    service: Client, names: list[str], retries: int, write: Callable[..., Request]
) -> list[bytes]:
    found: list[bytes] = []
    number, pages = 0, 1

    def read(response: requests.Response) -> parse.Page:
        page = _page(service, response)
        parse.check_matches(page.records, {field_types.NAME: names})
        return page

    while number < pages:
        request = write(address(), "neuron", {field_types.NAME: names}, number, None)
        page = service.read(request, read, retries=retries)
        if not page.records:
            break
        found += page.records
        pages, number = page.pages or 1, number + 1
    return found


# -- files ----------------------------------------------------------------------------------------


def files(urls: Mapping[int, str], version: str, fetch: Fetch) -> BatchQuery:
    """Return the query for reconstructions; ``urls`` by ``neuron_id``. Payloads are compressed."""
    service, catalogue = client(fetch, files_address()), client(fetch)

    def send(ids: Sequence[int], retries: int) -> Batch:
        (number,) = ids

        def read(response: requests.Response) -> bytes | None:
            if response.status_code == 404:  # of this file, or of a service under maintenance
                return None
            content_type = response.headers.get("Content-Type", "")
            fault = parse.file_fault(response.content, content_type, urls[number])
            if fault:
                raise ShapeError(f"the service sent {fault} instead of the file.")
            return response.content

        content = service.read(payload.file(urls[number]), read, retries=retries)
        if content is None:
            return _unknown(catalogue, ids)
        return Batch([number], [FILE_ENCODING], [zlib.compress(content, 1)], None)

    def cancel() -> None:
        service.cancel()
        catalogue.cancel()

    scope = Scope(files_address(), "", SOURCE, f"swc {version}")
    hint = f"There is no such file of them ({version} version)."
    return BatchQuery(scope, SOURCE, send, cancel, _check_files, hint=hint)


def _check_files(encodings: Sequence[int], payloads: Sequence[bytes | None]) -> None:
    """Raise an error if a compressed file cannot be read."""
    for body in payloads:
        zlib.decompress(body) if body else None
