"""Sending questions to the Allen Brain Atlas: answers, pages of answers, files."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import msgspec
import requests

from pdneuro._atomic import replacing
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


def rows(query: payload.ModelQuery, fetch: Fetch, page_size: int | None = None) -> Table:
    """Fetch the rows of a query, in pages of ``page_size`` rows; many IDs in several requests.

    Responses received before a failure are in the response cache, for the next call.
    """
    ids = query.ids
    parts = [ids[first : first + payload.MAX_IDS] for first in range(0, len(ids), payload.MAX_IDS)]
    if len(parts) < 2:
        return _part(query, fetch, page_size)
    with (
        ThreadPoolExecutor(fetch.max_workers, thread_name_prefix="pdneuro") as pool,
        progress.bar(len(ids), query.model, "IDs", fetch.progress) as bar,
    ):
        futures = [pool.submit(_part, query._replace(ids=part), fetch, page_size) for part in parts]
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
            _enter(known, row.get(query.key, (number, place)), row)
    return Table(list(known.values()), tables[0].url)


def _part(query: payload.ModelQuery, fetch: Fetch, page_size: int | None) -> Table:
    return whole(query, fetch) if page_size is None else pages(query, page_size, fetch)


def whole(query: payload.ModelQuery, fetch: Fetch) -> Table:
    """Fetch the rows of a query by one request; with ``num_rows="all"`` by as many as needed.

    Warns
    -----
    IncompleteTableWarning
        The service has more rows than it sent, and the query does not say how many rows to send.
    """
    options = query.options
    found = message(query.url(), fetch)
    rows = parse.rows(found)
    start = int(options.get("start_row") or 0)
    more = bool(rows) and (found.total_rows or 0) > start + len(rows)
    # With included tables the service counts joined rows instead of records.
    if options.get("num_rows") is None and more and options.get("include") is None:
        warn(
            f"{found.total_rows:,} rows fit the query and {len(rows):,} came. Ask for num_rows='all', "
            f"or for pages by page_size=2000. URL: {found.url}.",
            IncompleteTableWarning,
        )
    truncated = bool(rows) and len(rows) % ROW_LIMIT == 0
    if str(options.get("num_rows")).strip("'") == "all" and (truncated or more):
        # Rows without an order cannot be continued; they are requested again, in order.
        return pages(query, len(rows), fetch, rows if options.get("order") is not None else [])
    return Table(rows, found.url)


def pages(
    query: payload.ModelQuery, size: int, fetch: Fetch, had: Sequence[dict[str, Any]] = ()
) -> Table:
    """Fetch all rows of a query page by page, until a page is empty; none of them twice.

    Parameters
    ----------
    query : ModelQuery
    size : int
        Number of rows per page. Pages are in the order of the query, then of its key.
    fetch : Fetch
    had : sequence of dict
        The first rows, if they were fetched before.

    Raises
    ------
    InvalidResponseError
        A page repeats the previous one.

    Warns
    -----
    IncompleteTableWarning
        The service announced more rows.
    """
    options, key = query.options, query.key
    begun = int(options.get("start_row") or 0)
    start = begun + len(had)
    order = _unique_order(options.get("order"), key)
    known: dict[Any, dict[str, Any]] = {}
    for place, row in enumerate(had, begun):
        _enter(known, row.get(key, f"row {place}"), row)
    first, before, total = "", b"", None
    with progress.bar(None, "Allen rows", "rows", fetch.progress) as bar:
        while True:
            found = message(query.url(num_rows=size, start_row=start, order=order), fetch)
            rows = parse.rows(found)
            first = first or found.url
            if options.get("include") is None and options.get("count") is not False:
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


def save_archive(url: str, target: Path, fetch: Fetch) -> Path:
    """Download a zip archive, extract its files into the folder of ``target``, and delete it."""
    archive = target.with_name(f"{target.name}.archive")
    try:
        save(url, archive, fetch, _zip_fault)
        _unpack(archive, target.parent)
    finally:
        archive.unlink(missing_ok=True)
    return target


def _zip_fault(path: Path) -> str | None:
    try:
        with zipfile.ZipFile(path) as archive:
            damaged = archive.testzip()
    except zipfile.BadZipFile:
        return "the file is not a zip archive."
    return f"its member {damaged} is damaged." if damaged else None


def _unpack(path: Path, folder: Path) -> list[Path]:
    """Extract an archive; each file gets its name when it is complete."""
    found = []
    with zipfile.ZipFile(path) as archive:
        for member in archive.infolist():
            if member.is_dir():
                continue
            target = folder / member.filename
            if not target.resolve().is_relative_to(folder.resolve()):
                raise InvalidResponseError(f"the archive holds {member.filename!r}, outside its folder.")
            target.parent.mkdir(parents=True, exist_ok=True)
            with replacing(target) as place:
                place.write_bytes(archive.read(member))
            found.append(target)
    return found
