"""Send requests to the Allen Brain Atlas: documents, pages of rows, files."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Sequence
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
    QueryRefusedError,
    warn,
)
from pdneuro.options import Fetch
from pdneuro.transport import progress
from pdneuro.transport.download import download
from pdneuro.transport.http import Client, run_parallel
from pdneuro.transport.report import ShapeError
from pdneuro.transport.responses import without_secrets

T = TypeVar("T")
Rows = list[dict[str, Any]]

#: Row limits of servers are multiples of this number.
_ROUND = 50


class Content(NamedTuple):
    """The content of a response with an envelope."""

    content: Any
    url: str
    #: Number of rows that fit, by the service: joined rows, not records.
    total_rows: int | None


class Table(NamedTuple):
    """Rows of one or several responses, and the URL of the first request."""

    rows: Rows
    url: str
    #: Number of rows that fit, by the service, None if it is not counted or of several requests.
    total_rows: int | None = None


def client(url: str, fetch: Fetch) -> Client:
    """Return a client for the server of a URL."""
    return Client(url, fetch)


def document(url: str, parser: Callable[[bytes], T], fetch: Fetch) -> T:
    """Return a document of an encoded URL, from the cache or from the service.

    Raises
    ------
    InvalidResponseError
        ``parser`` rejects the response.
    ServiceError, OfflineError
        The request failed; or pdneuro is offline and the document is not cached.
    """
    return client(url, fetch).get_cached(payload.get(url), lambda response: parser(response.content))


def message(url: str, fetch: Fetch) -> Content:
    """Return the content of a response with an envelope, of an encoded URL.

    Raises
    ------
    QueryRefusedError
        The service rejected the query.
    """
    return client(url, fetch).get_cached(payload.get(url), _content)


def _content(response: requests.Response) -> Content:
    return _accepted(parse.message(response.content), response)


def envelope(url: str, fetch: Fetch) -> Any:
    """Return a JSON document of an encoded URL, with its envelope if it has one.

    Raises
    ------
    QueryRefusedError
        The service rejected the query.
    """

    def read(response: requests.Response) -> Any:
        found = parse.body(response.content)
        if isinstance(found, dict) and {"msg", "success"} <= found.keys():
            _accepted(parse.message_of(found), response)
        return found

    return client(url, fetch).get_cached(payload.get(url), read)


def text(url: str, fetch: Fetch) -> bytes:
    """Return the bytes of a document of an encoded URL, such as XML.

    Raises
    ------
    InvalidResponseError
        The document is empty, an HTML page, or an error of the service.
    """

    def read(response: requests.Response) -> bytes:
        fault = parse.file_fault(response.content[:512])
        if fault:
            raise ShapeError(fault)
        return response.content

    return client(url, fetch).get_cached(payload.get(url), read)


def _accepted(found: parse.Message, response: requests.Response) -> Content:
    url = without_secrets(response.url)
    if found.refusal is not None:
        raise QueryRefusedError(
            f"the Allen service refused the query: {found.refusal}.",
            status=response.status_code,
            url=url,
        )
    return Content(found.content, url, found.total_rows)


def records(url: str, fetch: Fetch) -> tuple[Rows, Content]:
    """Return the records of a response, of an encoded URL, and its content."""

    def read(response: requests.Response) -> tuple[Rows, Content]:
        found = _content(response)
        return parse.rows(found.content), found

    return client(url, fetch).get_cached(payload.get(url), read)


def drawing(url: str, fetch: Fetch) -> str:
    """Return an SVG drawing of an encoded URL as text.

    Raises
    ------
    InvalidResponseError
        The response is not a complete drawing.
    """
    return client(url, fetch).get_cached(
        payload.get(url), lambda response: parse.drawing(response.content, response.encoding)
    )


def rows(query: payload.ModelQuery, fetch: Fetch, page_size: int | None = None) -> Table:
    """Fetch the rows of a query, in pages of ``page_size`` rows; many IDs in several requests.

    Responses received before a failure are cached, for the next call.
    """
    ids = query.ids
    parts = [ids[first : first + payload.MAX_IDS] for first in range(0, len(ids), payload.MAX_IDS)]
    if len(parts) < 2:
        return _part(query, fetch, page_size)
    tables: list[Table] = []
    queries = [query._replace(ids=part) for part in parts]
    with progress.bar(len(ids), query.model, "IDs", fetch.progress) as bar:
        for part, table in zip(
            parts,
            run_parallel(lambda part: _part(part, fetch, page_size), queries, fetch.max_workers),
            strict=True,
        ):
            tables.append(table)
            bar.update(len(part))
    known: dict[Any, dict[str, Any]] = {}
    for number, table in enumerate(tables):
        for place, row in enumerate(table.rows):
            _enter(known, row.get(query.key, (number, place)), row)
    return Table(list(known.values()), tables[0].url)


def _part(query: payload.ModelQuery, fetch: Fetch, page_size: int | None) -> Table:
    return whole(query, fetch) if page_size is None else pages(query, page_size, fetch)


def whole(query: payload.ModelQuery, fetch: Fetch) -> Table:
    """Fetch the rows of a query by one request; by more if the server sends fewer rows than requested.

    Warns
    -----
    IncompleteTableWarning
        The service has more rows than it sent, and the query does not say how many rows to send.
    """
    rows, found = records(payload.encoded(query.url()), fetch)
    return completed(query, rows, found, fetch)


def completed(query: payload.ModelQuery, rows: Rows, found: Content, fetch: Fetch) -> Table:
    """Return the rows of a query from its first response, with the rows that are missing from it."""
    options, limit = query.options, payload.row_limit(query.options)
    start = int(options.get("start_row") or 0)
    more = bool(rows) and (found.total_rows or 0) > start + len(rows)
    table = Table(rows, found.url, found.total_rows)
    if options.get("num_rows") is None:
        # With included tables the service counts joined rows instead of records.
        if more and options.get("include") is None:
            warn_incomplete(found, len(rows))
        return table
    # The limit of a server is a round number, and not all servers report how many rows there are.
    is_counted = str(options.get("count", True)).lower() not in ("false", "0") and found.total_rows
    truncated = bool(rows) and len(rows) % _ROUND == 0 and not is_counted
    if (more or truncated) and (limit is None or len(rows) < limit):
        # Rows without an order cannot be continued; they are requested again, in order.
        had = rows if options.get("order") is not None else []
        return pages(query, len(rows), fetch, had)._replace(total_rows=found.total_rows)
    return table


def warn_incomplete(found: Content, came: int) -> None:
    """Warn that the service has more rows than it sent."""
    warn(
        f"{found.total_rows:,} rows fit the query and {came:,} came. Use num_rows='all', "
        f"or pages by page_size=2000. URL: {found.url}.",
        IncompleteTableWarning,
    )


def count(query: payload.ModelQuery, fetch: Fetch) -> int | None:
    """Return the number of rows of a query without its included tables, by the service."""
    url = query.url(include=None, num_rows=1, order=None, count=True)
    return records(payload.encoded(url), fetch)[1].total_rows


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
    options, key, limit = query.options, query.key, payload.row_limit(query.options)
    offset = int(options.get("start_row") or 0)
    start = offset + len(had)
    order = _unique_order(options.get("order"), key)
    known: dict[Any, dict[str, Any]] = {}
    for place, row in enumerate(had, offset):
        _enter(known, row.get(key, f"row {place}"), row)
    first, before, total = "", b"", None
    with progress.bar(None, "Allen rows", "rows", fetch.progress) as bar:
        while limit is None or len(known) < limit:
            here_size = size if limit is None else min(size, limit - len(known))
            url = query.url(num_rows=here_size, start_row=start, order=order)
            rows, found = records(payload.encoded(url), fetch)
            first = first or found.url
            if options.get("include") is None and options.get("count") is not False:
                total = found.total_rows if total is None else total
                bar.total = total
            if not rows:
                break
            here = msgspec.json.encode(rows)
            if here == before:
                raise InvalidResponseError(
                    f"the page from row {start:,} repeats the one before; {len(known):,} rows came.",
                    status=200,
                    url=found.url,
                )
            before = here
            new = len(known)
            for place, row in enumerate(rows, start):
                _enter(known, row.get(key, f"row {place}"), row)
            bar.update(len(known) - new)
            # Records are counted, not joined rows: a wrong offset would repeat or lose rows.
            start += len(rows)
    wanted = None if total is None else min(total - offset, limit or total)
    if wanted is not None and len(known) < wanted:
        warn(
            f"the service announced {wanted:,} rows, but returned {len(known):,} before an empty "
            f"page. URL: {first}.",
            IncompleteTableWarning,
        )
    return Table(list(known.values()), first)


def _enter(known: dict[Any, dict[str, Any]], key: Any, row: dict[str, Any]) -> None:
    """Enter a row once; lists that were included with it are joined."""
    there = known.setdefault(key, row)
    if there is row:
        return
    for name, value in row.items():
        if isinstance(value, list) and isinstance(there.get(name), list):
            there[name] += [item for item in value if item not in there[name]]


def _unique_order(order: Any, key: str) -> list[str]:
    """Return an order that is unique: pages without a unique order overlap."""
    parts = [order] if isinstance(order, str) else list(order if order is not None else ())
    bare = [part.replace(" ", "+").split("+")[0].split("$")[0] for part in parts]
    if not any(name == key or name.endswith(f".{key}") for name in bare):
        table = bare[0].rpartition(".")[0] if bare else ""
        parts.append(f"{table}.{key}" if table else key)
    return parts


def save(url: str, path: Any, fetch: Fetch, fault: Callable[[Path], str | None] | None = None) -> Path:
    """Download a file of a URL: streamed, resumed after a failure, complete or absent.

    Parameters
    ----------
    url : str
    path : path
        Path of the new file; an existing file is replaced. Folders are made.
    fault : callable, optional
        Returns what is wrong with the finished file, or None.

    Raises
    ------
    OfflineError
        pdneuro is offline.
    InvalidResponseError
        The service did not send a file, or ``fault`` finds one.
    ServiceError
        The request failed. The next call resumes the download.
    """
    target = Path(path).expanduser()
    if target.is_dir():
        raise InvalidQueryError(f"{target} is a folder; name the file in it.")
    if fetch.offline:
        raise OfflineError(f"{target} would have to be downloaded, and pdneuro is offline.")
    address = payload.encoded(url)
    return download(
        client(address, fetch),
        address,
        target,
        version=address,
        check=lambda part: parse.fault_in(address, part) or (fault(part) if fault else None),
        show=fetch.progress,
    )


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
    except Exception as error:  # damaged archives raise errors of many kinds
        return f"the file is not a zip archive that can be read ({type(error).__name__}: {error})."
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
