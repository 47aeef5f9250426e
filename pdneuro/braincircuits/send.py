"""Send requests to BrainCircuits.io: credentials, batches of IDs, files of a graph."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, TypeVar
from urllib.parse import urljoin, urlsplit

from pdneuro._compat import optional
from pdneuro.braincircuits import parse, payload
from pdneuro.errors import (
    ForbiddenError,
    InvalidResponseError,
    InvalidTokenError,
    NotFoundError,
    UnusableTokenWarning,
    warn,
)
from pdneuro.options import Fetch, get_option
from pdneuro.sources import Dump
from pdneuro.transport import tokens
from pdneuro.transport.download import download
from pdneuro.transport.fetch import BatchQuery
from pdneuro.transport.http import Client, Reader, Request
from pdneuro.transport.report import Batch
from pdneuro.transport.store import Scope

_CAVE_HEADER = "Authorization-Cave"
#: Address and project of those that required a CAVE token in this process.
_require_cave: set[tuple[str, str]] = set()

T = TypeVar("T")


def client(fetch: Fetch, headers: Mapping[str, str], address: str | None = None) -> Client:
    """Return a client for the service, or for another address."""
    return Client(address or get_option("braincircuits_url"), fetch, headers=headers)


def by_id(project: str, name: str, source: str, fetch: Fetch) -> BatchQuery:
    """Return the query for a property, for :func:`pdneuro.transport.fetch.fetch_by_id`."""
    address: str = get_option("braincircuits_url")
    credentials = _credentials(project, offline=fetch.offline)
    service = client(fetch, credentials.headers)

    def send(ids: Sequence[int], retries: int) -> Batch:
        request = payload.segment_property(address, project, name, ids)
        with _nearest_names(project, name):
            return _read(
                service,
                request,
                lambda response: parse.batch(response.content, ids, name),
                project,
                credentials.cave,
                retries,
            )

    scope = Scope(address, credentials.fingerprint, project, name)
    return BatchQuery(scope, source, send, service.cancel, functools.partial(parse.check, name))


@contextlib.contextmanager
def _nearest_names(project: str, name: str = "connectivity") -> Iterator[None]:
    """Add the known names that are similar to the error for an unknown project or property."""
    try:
        yield
    except NotFoundError as error:
        error.message += payload.suggestion(project, name)
        raise


def graph_dump(project: str, folder: Path, fetch: Fetch) -> Dump:
    """Download a project's whole graph into a folder named by its state; existing files stay."""
    address: str = get_option("braincircuits_url")
    credentials = _credentials(project, offline=False)
    service = client(fetch, credentials.headers)
    with _nearest_names(project):
        base, (edges, nodes, snapshot) = _read(
            service,
            payload.graph_dump(address, project),
            lambda response: (response.url, parse.graph_dump(response.content)),
            project,
            credentials.cave,
        )
    place = folder / (str(snapshot) if snapshot else "undated")
    found = {}
    # The nodes first: a folder with edges is complete.
    for name, url in (("nodes", nodes), ("edges", edges)):
        path = place / f"{name}.parquet"
        if url and (fetch.refresh or not snapshot or _parquet_fault(path)):
            full = _address(base, url)
            # The files may be on another server, and the token is for the service alone.
            same = urlsplit(full)[:2] == urlsplit(address)[:2]
            version = f"{snapshot} {urlsplit(full)._replace(query='', fragment='').geturl()}"
            download(
                client(fetch, service.headers if same else {}, full),
                full,
                path,
                version=version,
                check=_content_fault,
                show=fetch.progress,
            )
        found[name] = path if path.exists() else None
    return Dump(place / "edges.parquet", found["nodes"], snapshot)


def _address(base: str, url: str) -> str:
    """Return the whole address of a file, which may be relative to that of the response."""
    try:
        return urljoin(base, url)
    except ValueError as error:
        raise InvalidResponseError(f"the address of a file is not valid ({error}).", url=base) from None


def _parquet_fault(path: Path) -> str | None:
    """Return what is wrong with a file: it does not exist, or is not a complete parquet file."""
    if not path.exists():
        return "the file does not exist."
    size = path.stat().st_size
    with path.open("rb") as file:
        begin = file.read(4)
        file.seek(-min(8, size), 2)
        end = file.read()
    # The last eight bytes are the length of the description in front of them, and a mark.
    whole = begin == end[4:] == b"PAR1" and int.from_bytes(end[:4], "little") <= size - 12
    return None if whole else "the file is not a complete parquet file."


def _content_fault(path: Path) -> str | None:
    """Return what is wrong with a new file, of which all data are read."""
    fault = _parquet_fault(path)
    if fault:
        return fault
    parquet = optional("pyarrow.parquet", "files")
    try:
        with parquet.ParquetFile(path) as file:
            for _ in file.iter_batches():
                pass
    except Exception as error:  # damaged files raise errors of many kinds
        return f"the file is not a complete parquet file ({type(error).__name__}: {error})."
    return None


class _Credentials(NamedTuple):
    """Tokens for a project."""

    headers: dict[str, str]
    #: The CAVE token, which is sent only if the project needs it.
    cave: str | None
    #: Fingerprint of the tokens under which values are cached.
    fingerprint: str


def _credentials(project: str, *, offline: bool) -> _Credentials:
    token = tokens.get("braincircuits") if offline else tokens.require("braincircuits")
    cave = None if project.endswith("_public") else _cave_token()
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    is_managed = project in payload.CAVE_PROJECTS or "cave" in project.lower().split("_")
    if cave and (is_managed or (get_option("braincircuits_url"), project) in _require_cave):
        headers[_CAVE_HEADER] = f"Bearer {cave}"
    return _Credentials(headers, cave, tokens.fingerprint(token, cave))


def _cave_token() -> str | None:
    try:
        return tokens.for_braincircuits()
    except InvalidTokenError as error:
        warn(f"the cave token is not sent: {error.message}", UnusableTokenWarning)
        return None


def _read(
    service: Client,
    request: Request,
    read: Reader[T],
    project: str,
    cave: str | None,
    retries: int | None = None,
) -> T:
    """Read a response; send the CAVE token if the service reports that the project needs it."""
    # Another thread may add the header while this request is under way.
    sent = _CAVE_HEADER in service.headers
    try:
        return service.read(request, read, retries=retries)
    except ForbiddenError as error:
        if sent or "cave" not in error.message.lower():
            raise
        if cave is None:
            error.message += (
                f" {project} is managed by CAVE. Save the token of its CAVE server: "
                "pdneuro.tokens.save('cave', token)."
            )
            raise
    service.headers[_CAVE_HEADER] = f"Bearer {cave}"
    found = service.read(request, read, retries=retries)
    _require_cave.add((get_option("braincircuits_url"), project))
    return found
