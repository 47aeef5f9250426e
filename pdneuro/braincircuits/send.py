"""Sending questions to BrainCircuits.io: credentials, one request a batch, the graph's files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urljoin, urlsplit

from pdneuro.braincircuits import parse, payload
from pdneuro.options import Fetch, get_option
from pdneuro.sources import Dump
from pdneuro.transport import tokens
from pdneuro.transport.answers import Batch, ShapeError
from pdneuro.transport.download import download
from pdneuro.transport.fetch import Question
from pdneuro.transport.http import Outlet
from pdneuro.transport.session import shared_session
from pdneuro.transport.store import Scope


def question(project: str, name: str, source: str, fetch: Fetch) -> Question:
    """The question for a property, ready for :func:`pdneuro.transport.fetch.fetch_by_id`."""
    address: str = get_option("braincircuits_url")
    headers, credential = _credentials(project, offline=fetch.offline)
    outlet = _outlet(headers, fetch)

    def ask(ids: Sequence[int], retries: int) -> Batch:
        request = payload.segment_property(address, project, name, ids)
        response = outlet.post_json(*request, retries=retries)
        try:
            return parse.batch(response.content, ids, name)
        except ShapeError as error:
            raise outlet.not_documented(response, str(error)) from error

    scope = Scope(address, credential, project, name)
    return Question(scope, source, ask, outlet.stop.set)


def graph_dump(project: str, folder: Path, fetch: Fetch) -> Dump:
    """Download a project's whole graph into a folder for its state; files that are there stay."""
    address: str = get_option("braincircuits_url")
    headers, _ = _credentials(project, offline=False)
    outlet = _outlet(headers, fetch)
    response = outlet.get(*payload.graph_dump(address, project))
    try:
        edges, nodes, snapshot = parse.graph_dump(response.content)
    except ShapeError as error:
        raise outlet.not_documented(response, str(error)) from error
    place = folder / (str(snapshot) if snapshot else "undated")
    found = {}
    # The nodes first: a folder with edges is complete.
    for name, url in (("nodes", nodes), ("edges", edges)):
        path = place / f"{name}.parquet"
        if url and (fetch.refresh or not snapshot or not path.exists()):
            full = urljoin(response.url, url)
            # The files may lie elsewhere, and the token is for the service alone.
            same = urlsplit(full)[:2] == urlsplit(address)[:2]
            version = f"{snapshot} {urlsplit(full)._replace(query='', fragment='').geturl()}"
            download(
                _outlet(headers if same else {}, fetch),
                full,
                path,
                version=version,
                check=_parquet_fault,
                show=fetch.progress,
            )
        found[name] = path if path.exists() else None
    return Dump(place / "edges.parquet", found["nodes"], snapshot)


def _parquet_fault(path: Path) -> str | None:
    with path.open("rb") as file:
        begin = file.read(4)
        file.seek(-min(4, path.stat().st_size), 2)
        whole = begin == file.read(4) == b"PAR1"
    return None if whole else "the file is no parquet file, or not a whole one."


def _outlet(headers: dict[str, str], fetch: Fetch) -> Outlet:
    return Outlet(
        shared_session(fetch.max_workers, keep=False),
        headers=headers,
        timeout=fetch.timeout,
        retries=fetch.retries,
    )


def _credentials(project: str, *, offline: bool) -> tuple[dict[str, str], str]:
    """Headers, and the mark under which answers to them are stored."""
    public = project.endswith("_public")
    # A public project may be open to all: the service decides, and says so with a 401.
    needed = not public and not offline
    token = tokens.require("braincircuits") if needed else tokens.get("braincircuits")
    # CAVE's token goes out only where it opens something.
    cave = None if public else tokens.get("cave")
    headers = {}
    if token:
        headers["Authorization"] = f"Bearer {token}"
    if cave:
        headers["Authorization-Cave"] = f"Bearer {cave}"
    return headers, tokens.fingerprint(token, cave)
