"""Sending questions to the Allen Brain Atlas: answers, pages of answers, files."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import msgspec
import requests

from pdneuro.allen import parse, payload
from pdneuro.errors import (
    IncompleteTableWarning,
    InvalidQueryError,
    InvalidResponseError,
    OfflineError,
    warn,
)
from pdneuro.options import Fetch
from pdneuro.transport import progress
from pdneuro.transport.download import download
from pdneuro.transport.http import Outlet
from pdneuro.transport.session import shared_session

T = TypeVar("T")
Rows = list[dict[str, Any]]

#: The service is said to send no more rows than this at once, also for ``'all'``.
ROW_LIMIT = 25_000


class Table(NamedTuple):
    """Rows of an answer, and the address that was asked first."""

    rows: Rows
    url: str


def outlet(fetch: Fetch) -> Outlet:
    """The way out to the service."""
    return Outlet(
        shared_session(fetch.max_workers),
        headers={"Accept": "application/json"},
        timeout=fetch.timeout,
        retries=fetch.retries,
    )


def get(url: str, read: Callable[[requests.Response], T], fetch: Fetch) -> T:
    """GET a document through the response cache and read it.

    Raises
    ------
    ServiceError, OfflineError
        As for :meth:`pdneuro.transport.http.Outlet.ask_kept`.
    """
    return outlet(fetch).ask_kept(
        requests.Request("GET", url),
        read,
        offline=fetch.offline,
        refresh=fetch.refresh,
        expire_after=fetch.expire_after,
    )


def message(url: str, fetch: Fetch) -> parse.Message:
    """The content of an answer."""
    return get(payload.encoded(url), parse.message, fetch)


def whole(url: Callable[[dict[str, Any]], str], given: dict[str, Any], key: str, fetch: Fetch) -> Table:
    """The rows of a query; all of them where ``num_rows`` is ``"all"``.

    Parameters
    ----------
    url : callable
        Address of the query, by its options.
    given : dict
        The options: ``num_rows, start_row, order, count`` and others.
    key : str
        The column that tells records apart.
    fetch : Fetch

    Warns
    -----
    IncompleteTableWarning
        The service has more rows than it sent, and the call did not say how many it wants.
    """
    address = url(given)
    found = message(address, fetch)
    rows = parse.rows(found)
    begun = int(given.get("start_row") or 0)
    more = bool(rows) and (found.total_rows or 0) > begun + len(rows)
    # With included tables the service counts joined rows: its total says nothing of the records.
    if given.get("num_rows") is None and more and given.get("include") is None:
        warn(
            f"{found.total_rows:,} rows fit the query and {len(rows):,} came. Ask for num_rows='all', "
            f"or for pages by page_size=2000. URL: {found.url}.",
            IncompleteTableWarning,
        )
    cut = bool(rows) and len(rows) % ROW_LIMIT == 0
    if str(given.get("num_rows")).strip("'") == "all" and (cut or more):
        # Rows that came in no order cannot be gone on with: they are asked for once more, in order.
        had = rows if given.get("order") is not None else []
        return pages(url, given, key, len(rows), fetch, had)
    return Table(rows, found.url)


def pages(
    url: Callable[[dict[str, Any]], str],
    given: dict[str, Any],
    key: str,
    size: int,
    fetch: Fetch,
    had: Sequence[dict[str, Any]] = (),
) -> Table:
    """All rows of a query, page by page until a page is empty; none twice.

    Parameters
    ----------
    url, given, key, fetch
        As for :func:`whole`.
    size : int
        Rows to ask for at once. The pages are in the order of the query, then of the key.
    had : sequence of dict
        The first rows, where they came before.

    Raises
    ------
    InvalidResponseError
        A page repeats the one before: the service does not go on.

    Warns
    -----
    IncompleteTableWarning
        The service had announced more rows.
    """
    begun = int(given.get("start_row") or 0)
    start = begun + len(had)
    order = _unique_order(given.get("order"), key)
    known: dict[Any, dict[str, Any]] = {}
    for place, row in enumerate(had, begun):
        _enter(known, row.get(key, f"row {place}"), row)
    first, before, total = "", b"", None
    with progress.bar(None, "Allen rows", "rows", fetch.progress) as bar:
        while True:
            found = message(url({**given, "num_rows": size, "start_row": start, "order": order}), fetch)
            rows = parse.rows(found)
            first = first or found.url
            if given.get("include") is None and given.get("count") is not False:
                total = found.total_rows if total is None else total
                bar.total = total
            if not rows:
                break
            here = msgspec.json.encode(rows)
            if here == before:
                raise InvalidResponseError(
                    f"the page from row {start:,} repeats the one before; {len(known):,} rows had come.",
                    status=200,
                    url=found.url,
                )
            before = here
            new = len(known)
            for place, row in enumerate(rows, start):
                _enter(known, row.get(key, f"row {place}"), row)
            bar.update(len(known) - new)
            # Records are counted, not joined rows: a page too early repeats some, too late loses some.
            start += len(rows)
    if total is not None and len(known) < total - begun:
        warn(
            f"the service announced {total - begun:,} rows and {len(known):,} came, up to an empty "
            f"page. URL: {first}.",
            IncompleteTableWarning,
        )
    return Table(list(known.values()), first)


def _enter(known: dict[Any, dict[str, Any]], key: Any, row: dict[str, Any]) -> None:
    """Keep a row once; what was included with it adds up."""
    there = known.setdefault(key, row)
    if there is row:
        return
    for name, value in row.items():
        if isinstance(value, list) and isinstance(there.get(name), list):
            there[name] += [item for item in value if item not in there[name]]


def _unique_order(order: Any, key: str) -> list[str]:
    """An order in which every row has its place: pages that are not ordered overlap."""
    parts = [order] if isinstance(order, str) else list(order if order is not None else ())
    bare = [part.replace(" ", "+").split("+")[0].split("$")[0] for part in parts]
    if not any(name == key or name.endswith(f".{key}") for name in bare):
        table = bare[0].rpartition(".")[0] if bare else ""
        parts.append(f"{table}.{key}" if table else key)
    return parts


def in_parts(
    ids: Sequence[int],
    most: int,
    ask: Callable[[Sequence[int]], Table],
    key: str,
    label: str,
    fetch: Fetch,
) -> Table:
    """A question about more IDs than an address can hold, asked in parts over several connections.

    What has arrived when a part fails is in the response cache, for the next call.
    """
    parts = [ids[i : i + most] for i in range(0, len(ids), most)]
    if len(parts) == 1:
        return ask(parts[0])
    with (
        ThreadPoolExecutor(fetch.max_workers, thread_name_prefix="pdneuro") as pool,
        progress.bar(len(ids), label, "IDs", fetch.progress) as bar,
    ):
        futures = [pool.submit(ask, part) for part in parts]
        try:
            for future in as_completed(futures):
                future.result()
                bar.update(len(parts[futures.index(future)]))
        except BaseException:
            for future in futures:
                future.cancel()
            raise
    tables = [future.result() for future in futures]
    known: dict[Any, dict[str, Any]] = {}
    for number, table in enumerate(tables):
        for place, row in enumerate(table.rows):
            _enter(known, row.get(key, (number, place)), row)
    return Table(list(known.values()), tables[0].url)


def text(url: str, fetch: Fetch) -> str:
    """A document as text, such as an SVG."""

    def read(response: requests.Response) -> str:
        content = response.text
        if content.lstrip()[:15].lower().startswith(("<!doctype html", "<html")):
            raise InvalidResponseError(
                "an HTML page came in place of the document.",
                status=response.status_code,
                url=response.url,
            )
        return content

    return get(payload.encoded(url), read, fetch)


def save(url: str, path: Any, fetch: Fetch, fault: Callable[[Path], str | None] | None = None) -> Path:
    """Download a file: streamed, resumed where it broke off, and in its place only when complete.

    Parameters
    ----------
    url : str
    path : path
        Where the file goes; a file of that name is replaced. Folders are made.
    fault : callable, optional
        Says what is wrong with the finished file, or None.

    Raises
    ------
    OfflineError
        pdneuro is offline.
    ServiceError
        As for :func:`pdneuro.transport.download.download`.
    """
    target = Path(path).expanduser()
    if target.is_dir():
        raise InvalidQueryError(f"{target} is a folder; name the file in it.")
    if fetch.offline:
        raise OfflineError(f"{target} would have to be downloaded, and pdneuro is offline.")
    address = payload.encoded(url)
    return download(
        _files_outlet(fetch),
        address,
        target,
        version=address,
        check=lambda part: _no_file(part) or (fault(part) if fault else None),
        show=fetch.progress,
    )


def _files_outlet(fetch: Fetch) -> Outlet:
    return Outlet(
        shared_session(fetch.max_workers, keep=False),
        headers={},
        timeout=fetch.timeout,
        retries=fetch.retries,
    )


def _no_file(part: Path) -> str | None:
    """What shows that the service sent no file: nothing, a web page, an error in an envelope."""
    with part.open("rb") as file:
        begin = file.read(512).lstrip()
    if not begin:
        return "the file is empty."
    if begin[:15].lower().startswith((b"<!doctype html", b"<html")):
        return "an HTML page came in place of the file."
    if begin.startswith(b"{") and b'"success"' in begin:
        return "an error of the service came in place of the file."
    return None
