"""Send requests to BrainCircuits.io: credentials, batches of IDs, files of a graph."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from urllib.parse import urljoin, urlsplit

from pdneuro.braincircuits import parse, payload
from pdneuro.errors import InvalidTokenError, NotFoundError, UnusableTokenWarning, warn
from pdneuro.options import Fetch, get_option
from pdneuro.sources import Dump
from pdneuro.transport import tokens
from pdneuro.transport.download import download
from pdneuro.transport.fetch import BatchQuery
from pdneuro.transport.http import Client
from pdneuro.transport.report import Batch
from pdneuro.transport.store import Scope


def client(fetch: Fetch, headers: Mapping[str, str], address: str | None = None) -> Client:
    """Return a client for the service, or for another address."""
    return Client(address or get_option("braincircuits_url"), fetch, headers=headers)


def by_id(project: str, name: str, source: str, fetch: Fetch) -> BatchQuery:
    """Return the query for a property, for :func:`pdneuro.transport.fetch.fetch_by_id`."""
    address: str = get_option("braincircuits_url")
    headers, credential = _credentials(project, offline=fetch.offline)
    service = client(fetch, headers)

    def send(ids: Sequence[int], retries: int) -> Batch:
        request = payload.segment_property(address, project, name, ids)
        try:
            return service.read(
                request, lambda response: parse.batch(response.content, ids, name), retries=retries
            )
        except NotFoundError as error:
            error.message += payload.suggestion(project, name)
            raise

    return BatchQuery(Scope(address, credential, project, name), source, send, service.cancel)


def graph_dump(project: str, folder: Path, fetch: Fetch) -> Dump:
    """Download a project's whole graph into a folder named by its state; existing files stay."""
    address: str = get_option("braincircuits_url")
    headers, _ = _credentials(project, offline=False)
    try:
        base, (edges, nodes, snapshot) = client(fetch, headers).read(
            payload.graph_dump(address, project),
            lambda response: (response.url, parse.graph_dump(response.content)),
        )
    except NotFoundError as error:
        error.message += payload.suggestion(project, "connectivity")
        raise
    place = folder / (str(snapshot) if snapshot else "undated")
    found = {}
    # The nodes first: a folder with edges is complete.
    for name, url in (("nodes", nodes), ("edges", edges)):
        path = place / f"{name}.parquet"
        if url and (fetch.refresh or not snapshot or _parquet_fault(path)):
            full = urljoin(base, url)
            # The files may be on another server, and the token is for the service alone.
            same = urlsplit(full)[:2] == urlsplit(address)[:2]
            version = f"{snapshot} {urlsplit(full)._replace(query='', fragment='').geturl()}"
            download(
                client(fetch, headers if same else {}, full),
                full,
                path,
                version=version,
                check=_parquet_fault,
                show=fetch.progress,
            )
        found[name] = path if path.exists() else None
    return Dump(place / "edges.parquet", found["nodes"], snapshot)


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


def _optional_token(service: str) -> str | None:
    try:
        return tokens.get(service)
    except InvalidTokenError as error:
        warn(f"the {service} token is not sent: {error.message}", UnusableTokenWarning)
        return None


def _credentials(project: str, *, offline: bool) -> tuple[dict[str, str], str]:
    """Return headers, and the fingerprint under which values are cached."""
    public = project.endswith("_public")
    # A public project may need no token: the service decides, and returns 401 if it does.
    needed = not public and not offline
    token = tokens.require("braincircuits") if needed else tokens.get("braincircuits")
    # The CAVE token goes only to projects that need it.
    cave = None if public else _optional_token("cave")
    headers = {}
    if token:
        headers["Authorization"] = f"Bearer {token}"
    if cave:
        headers["Authorization-Cave"] = f"Bearer {cave}"
    return headers, tokens.fingerprint(token, cave)
