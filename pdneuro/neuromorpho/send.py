"""Sending questions to NeuroMorpho.org: its pace, pages, and what its 404 means."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar
from urllib.parse import urlsplit

import requests

from pdneuro.errors import (
    IncompleteTableWarning,
    ServiceError,
    ServiceUnavailableError,
    warn,
)
from pdneuro.neuromorpho import field_types, parse, payload
from pdneuro.options import Fetch, get_option
from pdneuro.transport import progress
from pdneuro.transport.answers import ShapeError
from pdneuro.transport.http import Outlet
from pdneuro.transport.session import shared_session

SOURCE = "neuromorpho"
#: What the service said where it has nothing, which is an answer.
_ANSWERS = (200, 206, 404)
#: Seconds for which a data base that held something counts as filled.
_FILLED_FOR = 5.0

#: Statuses of a POST that say that the service knows GET alone.
NO_POST = (400, 403, 404, 405, 415, 501)

#: What has been found out about a service, by its address; for the process.
without_post: set[str] = set()
_filled: dict[str, float] = {}

T = TypeVar("T")


def address() -> str:
    """Where the service is."""
    return str(get_option("neuromorpho_url"))


def outlet(fetch: Fetch, *, keep: bool = True) -> Outlet:
    """What sends requests to the service, at its pace."""
    files = str(get_option("neuromorpho_files_url"))
    hosts = {(urlsplit(url).hostname or "").lower() for url in (address(), files)}
    short_keys = frozenset(hosts if get_option("tls_fallback") else ())
    return Outlet(
        shared_session(fetch.max_workers, keep=keep, short_keys=short_keys),
        headers={},
        timeout=fetch.timeout,
        retries=fetch.retries,
        per_second=get_option("neuromorpho_rate"),
        accepted=_ANSWERS,
    )


def read(sender: Outlet, response: requests.Response, parser: Callable[[bytes], T]) -> T:
    """Read a body; a 404 that the service did not mean, and any other page, is an error."""
    if response.status_code == 404:
        raise sender.failure(response)
    try:
        return parser(response.content)
    except ShapeError as error:
        raise sender.not_documented(response, str(error)) from error


def ask(url: str, parser: Callable[[bytes], T], fetch: Fetch) -> T:
    """One document, through the response cache."""
    sender = outlet(fetch)
    return _ask(sender, payload.get(url), lambda response: read(sender, response, parser), fetch)


def _ask(
    sender: Outlet, request: requests.Request, check: Callable[[requests.Response], T], fetch: Fetch
) -> T:
    return sender.ask_kept(
        request,
        check,
        offline=fetch.offline,
        refresh=fetch.refresh,
        expire_after=fetch.expire_after,
    )


def page_of(sender: Outlet, response: requests.Response) -> parse.Page:
    """A page of records; zero hits are a 404."""
    if parse.is_not_found(response):
        return parse.Page([], 0, 0, 0)
    return read(sender, response, parse.page)


# -- pages ----------------------------------------------------------------------------------------


def select(
    resource: str, wanted: payload.Filters, sort: str | None, fetch: Fetch
) -> list[dict[str, Any]]:
    """All records that fit, page by page; none twice and none lost without a word."""
    sender = outlet(fetch)
    where = address()

    def check(response: requests.Response) -> parse.Page:
        page = page_of(sender, response)
        if not page.records and not getattr(response, "from_cache", False):
            refuse_empty_data_base(sender, where)  # now: what passes here is kept
        return page

    def turn(number: int, fetch: Fetch) -> parse.Page:
        def attempt() -> parse.Page:
            return _ask(sender, _selection(where, resource, wanted, number, sort), check, fetch)

        try:
            return attempt()
        except ServiceError as error:
            # The documentation knows GET alone; those who use POST need no quotes.
            if not wanted or where in without_post or error.status not in NO_POST:
                raise
            without_post.add(where)
            return attempt()

    return _all_pages(turn, fetch)


def _selection(
    where: str, resource: str, wanted: payload.Filters, page: int, sort: str | None
) -> requests.Request:
    if not wanted:
        return payload.get(payload.url(where, resource, params=payload.paging(page, sort)))
    by_get = where in without_post or payload.has_wildcard(wanted)
    write = payload.select_get if by_get else payload.select_post
    request: requests.Request = write(where, resource, wanted, page, sort)
    return request


_Turn = Callable[[int, Fetch], parse.Page]


def _all_pages(turn: _Turn, fetch: Fetch) -> list[dict[str, Any]]:
    """Records of all pages, told apart by their IDs; pages that shifted meanwhile are read again."""
    first, again = turn(0, fetch), fetch._replace(refresh=True)
    known: dict[Any, dict[str, Any]] = {}
    with progress.bar(first.total, "NeuroMorpho.org", "records", fetch.progress) as bar:
        for how in (fetch, again):
            for page in _pages(first if how is fetch else turn(0, again), turn, how):
                for body in page.records:
                    record = parse.decoded(body)
                    known.setdefault(record.get(field_types.ID, body), record)
                bar.update(len(known) - bar.n)
            if first.total is None or len(known) >= first.total:
                return list(known.values())
    warn(
        f"NeuroMorpho.org announced {first.total:,} records and {len(known):,} came.",
        IncompleteTableWarning,
    )
    return list(known.values())


def _pages(first: parse.Page, turn: _Turn, fetch: Fetch) -> Iterator[parse.Page]:
    yield first
    if first.pages is None:  # not announced: until one is empty
        number = 1
        while first.records and (page := turn(number, fetch)).records:
            yield page
            number += 1
        return
    with ThreadPoolExecutor(fetch.max_workers, thread_name_prefix="pdneuro") as pool:
        futures = [pool.submit(turn, number, fetch) for number in range(1, first.pages)]
        try:
            for future in futures:
                yield future.result()
        finally:
            for future in futures:
                future.cancel()


def values(resource: str, kind: str, name: str, key: str, fetch: Fetch) -> list[Any]:
    """Values of a field (``kind="fields"``), or values and counts (``"partition"``), of all pages."""
    found: list[Any] = []
    number, pages = 0, 1
    sender, where = outlet(fetch), address()

    def check(response: requests.Response) -> tuple[list[Any], int]:
        body = read(sender, response, parse.mapping)
        entries = body.get(key)
        if not isinstance(entries, dict | list):
            raise sender.not_documented(response, f"the answer has no {key!r}.")
        if not entries and not getattr(response, "from_cache", False):
            refuse_empty_data_base(sender, where)
        block = body.get("page") if isinstance(body.get("page"), dict) else {}
        listed = list(entries.items()) if isinstance(entries, dict) else entries
        return listed, int((block or {}).get("totalPages") or 1)

    while number < pages:
        url = payload.url(where, resource, kind, name, params=payload.paging(number, None))
        listed, pages = _ask(sender, payload.get(url), check, fetch)
        found, number = found + listed, number + 1
    return list(dict.fromkeys(found))


def refuse_empty_data_base(sender: Outlet, where: str) -> None:
    """Tell "no such record" from a service that is up while its data base is empty.

    Raises
    ------
    ServiceUnavailableError
        The data base does not show any species.
    """
    if time.monotonic() - _filled.get(where, float("-inf")) < _FILLED_FOR:
        return
    if not _neurons(sender, where):
        raise ServiceUnavailableError(
            "the service answers, but its data base is empty at present.",
            status=200,
            url=species_url(where),
        )
    _filled[where] = time.monotonic()


def _neurons(sender: Outlet, where: str) -> int:
    """How many neurons the data base holds, by its count of species."""
    response = sender.send(payload.get(species_url(where)), keep=False)
    if parse.is_not_found(response):
        return 0
    counts = read(sender, response, parse.mapping).get("fields")
    if not isinstance(counts, dict):
        raise sender.not_documented(response, "the answer has no counts of species.")
    return sum(count for count in counts.values() if isinstance(count, int))


def species_url(where: str) -> str:
    """The question that shows whether the data base is filled."""
    return payload.url(where, "neuron", "partition", "species")


def health(fetch: Fetch) -> dict[str, Any]:
    """What the service says of itself, and whether its data base is filled. Never from the cache."""
    where = address()
    sender = outlet(fetch, keep=False)
    try:
        response = sender.send(payload.get(payload.url(where, "health")), keep=False)
        said = "" if response.status_code == 404 else read(sender, response, parse.mapping).get("status")
        neurons = _neurons(sender, where)
    except ServiceError as error:
        return {"status": "down", "said": "", "neurons": 0, "detail": str(error)}
    return {
        "status": "up" if neurons else "empty",
        "said": str(said or ""),
        "neurons": neurons,
        "detail": "" if neurons else "the data base is empty",
    }
